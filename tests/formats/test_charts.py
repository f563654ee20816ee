"""Figures of reports, as specifications and as files."""

import json
import re
import struct
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import altair as alt
import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from attn_audit.document import Figure, Histograms
from attn_audit.errors import OutputError
from attn_audit.findings import correlation_pairs, permutation
from attn_audit.formats.charts import FEW, configuration, draw, specification, write_figures
from attn_audit.formats.documents.report import figures
from attn_audit.formats.palette import FILES, PAGE, PAGE_COLOURS, Palette
from attn_audit.results.report import Report

NAMES = ("tau_pairs", "tau_by_class", "output_moves", "output_change", "jsd", "jsd_by_weight")
"""Of every report; `sites` is of those with several layers or heads."""


def named(name: str, report: Report) -> Figure:
    (found,) = (figure for figure in figures(report) if figure.name == name)
    return found


def rows(name: str, report: Report) -> list[dict[str, Any]]:
    """The data that a figure holds, every layer's together."""
    made = specification(named(name, report), FILES)
    return [row for values in made["datasets"].values() for row in values]


def test_a_report_has_every_figure(report: Report, transformer: Report) -> None:
    assert tuple(figure.name for figure in figures(report)) == NAMES
    assert tuple(figure.name for figure in figures(transformer)) == (*NAMES[:4], "sites")


@pytest.mark.parametrize("name", NAMES)
def test_is_what_altairs_schema_allows(report: Report, name: str) -> None:
    draw(named(name, report), PAGE).to_dict(validate=True)


@pytest.mark.parametrize("palette", [FILES, PAGE])
def test_the_look_is_what_altairs_schema_allows(palette: Palette) -> None:
    alt.Config.from_dict(configuration(palette))


@pytest.mark.parametrize("fixture", ["transformer", "by_layer"])
def test_layers_and_heads_are_what_altairs_schema_allows(
    request: pytest.FixtureRequest, fixture: str
) -> None:
    draw(named("sites", request.getfixturevalue(fixture)), FILES).to_dict(validate=True)


def test_there_is_no_figure_without_an_example(nothing_measured: Report) -> None:
    assert figures(nothing_measured) == ()


def test_every_pairs_panel_counts_every_example(report: Report) -> None:
    bins = [row for row in rows("tau_pairs", report) if row["kind"] == "bin"]
    panels = list(dict.fromkeys(row["row"] for row in bins))
    assert [name.split(":")[0] for name in panels] == [
        "Attention with gradients",
        "Attention with leave-one-out",
        "The yardstick",
    ]
    for panel in panels:
        of_panel = [row for row in bins if row["row"] == panel]
        assert sum(row["count"] for row in of_panel) == 209
        assert sum(row["share"] for row in of_panel) == pytest.approx(1)


def test_two_classes_lie_on_each_other_in_two_colours(report: Report) -> None:
    """Together they are as high as all examples, bin by bin."""
    for name in ("tau_pairs", "output_moves", "jsd"):
        bins = [row for row in rows(name, report) if row.get("kind") == "bin"]
        assert {row["class"] for row in bins} == {"glad", "troubled"}
        for panel in {row["row"] for row in bins}:
            of_panel = [row for row in bins if row["row"] == panel]
            first, second = (
                [row for row in of_panel if row["class"] == label] for label in ("glad", "troubled")
            )
            for below, above in zip(first, second, strict=True):
                assert (below["base"], below["height"]) == (0.0, below["share"])
                assert above["base"] == pytest.approx(below["share"])
                assert above["height"] == pytest.approx((below["count"] + above["count"]) / 209)
        encoded = json.dumps(specification(named(name, report), FILES))
        assert f'"range": ["{FILES.first_class}", "{FILES.second_class}"]' in encoded


@pytest.mark.parametrize("fixture", ["multilabel", "unlabelled"])
def test_no_class_is_told_apart_where_they_are_many_or_bins_do_not_add_up(
    request: pytest.FixtureRequest, fixture: str
) -> None:
    found: Report = request.getfixturevalue(fixture)
    drawn = [row for row in rows("tau_pairs", found) if row["kind"] == "bin"]
    counted = {row.get("class") for row in drawn}
    n_classes = len(found[correlation_pairs.OF_YARDSTICK.tau].by_prediction)
    assert counted == {None} if n_classes != 2 else len(counted) == 2


PROTANOPIA = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
              (-0.003882, -0.048116, 1.051998))  # fmt: skip
DEUTERANOPIA = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
                (-0.011820, 0.042940, 0.968881))  # fmt: skip
TRITANOPIA = ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
              (0.004733, 0.691367, 0.303900))  # fmt: skip
GREY = ((0.2126, 0.7152, 0.0722),) * 3
"""What an eye, or a printer, makes of linear RGB (Machado, Oliveira & Fernandes 2009)."""


@pytest.mark.parametrize("eye", [np.eye(3), PROTANOPIA, DEUTERANOPIA, TRITANOPIA, GREY])
@pytest.mark.parametrize("ground", [0, 1])
def test_every_eye_tells_the_two_classes_apart(eye: NDArray[np.float64], ground: int) -> None:
    first, second = (
        lightness_and_hue(PAGE_COLOURS[name][ground], eye)
        for name in ("first-class", "second-class")
    )
    assert (FILES.first_class, FILES.second_class) == tuple(
        PAGE_COLOURS[name][0] for name in ("first-class", "second-class")
    )
    assert np.linalg.norm(first - second) > 20


def lightness_and_hue(colour: str, eye: ArrayLike) -> NDArray[np.float64]:
    """CIELAB: 2.3 is a difference that can just be seen."""
    encoded = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    white = np.array([0.9505, 1.0, 1.089])
    x, y, z = np.cbrt(np.array(to_xyz) @ np.clip(np.array(eye) @ linear, 0, 1) / white)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_a_shares_axis_says_of_what(report: Report) -> None:
    for name in ("tau_pairs", "tau_by_class", "output_moves", "jsd"):
        assert '"title": "examples"' in json.dumps(specification(named(name, report), FILES))


def test_names_of_lines_stand_above_all_columns_and_beside_each_other(report: Report) -> None:
    """Where the two lines are near, above each other."""
    found = named("jsd", report)
    assert isinstance(found, Histograms)
    assert names_of_lines(found) == {"mean": -8, "ln 2": -8}
    of_mean = found.panels[0].values.mean
    assert of_mean is not None
    assert names_of_lines(replace(found, mark=(of_mean + 0.01, "ln 2"))) == {
        "mean": -22,
        "ln 2": -8,
    }


def names_of_lines(figure: Histograms) -> dict[str, int]:
    """How far down each begins."""
    made = specification(figure, FILES)
    texts = [layer for layer in made["layer"] if layer["mark"]["type"] == "text"]
    return {made["datasets"][t["data"]["name"]][0]["name"]: t["mark"]["y"] for t in texts}


def test_classes_have_gradients_above_the_line_and_leave_one_out_below(report: Report) -> None:
    bins = [row for row in rows("tau_by_class", report) if row["kind"] == "bin"]
    for row in bins:
        assert abs(row["height"]) == row["share"]
        assert (row["height"] >= 0) == (row["side"] == "with gradients") or row["height"] == 0
    assert {row["row"] for row in bins} == {"glad (146)", "troubled (63)"}


def test_classes_stand_in_label_order(multilabel: Report) -> None:
    names = list(dict.fromkeys(row["row"] for row in rows("tau_by_class", multilabel)))
    shown = [name.rpartition(" ")[0] for name in names if not name.startswith("(none)")]
    assert shown == sorted(shown, key=multilabel.model.labels.index)


def test_of_many_classes_only_the_most_frequent_are_drawn(multilabel: Report) -> None:
    assert len({row["row"] for row in rows("tau_by_class", multilabel)}) == 6


def test_violins_have_a_class_on_each_side_and_one_measure(report: Report) -> None:
    found = rows("output_change", report)
    bins = [row for row in found if row["kind"] == "bin"]
    assert all(row["below"] == 0 for row in bins if row["class"] == "glad")
    assert all(row["above"] == 0 for row in bins if row["class"] == "troubled")
    assert len({row["row"] for row in bins}) == 4
    widest = max(row["share"] for row in bins)
    assert [row["above"] - row["below"] for row in bins] == [r["share"] / widest for r in bins]
    medians = [row["low"] for row in found if row["kind"] == "median"]
    groups = report[permutation.DISTANCE].by_max_attention
    assert medians == [group.distribution.median for group in groups]
    pale = dict.fromkeys(row["row"] for row in bins if row["opacity"] < 0.5)
    assert len(pale) == sum(group.distribution.n < FEW for group in groups)


def test_violins_of_more_classes_are_symmetrical(multilabel: Report) -> None:
    bins = [row for row in rows("output_change", multilabel) if row["kind"] == "bin"]
    assert bins
    assert all(row["below"] == -row["above"] for row in bins)


def test_cells_count_every_example_and_none_is_empty(report: Report) -> None:
    cells = rows("jsd_by_weight", report)
    assert sum(cell["count"] for cell in cells) == 209
    assert all(cell["count"] for cell in cells)
    by_place: dict[object, list[dict[str, Any]]] = {}
    for cell in cells:
        by_place.setdefault((cell["range"], cell["jsd"]), []).append(cell)
    for parts in by_place.values():
        assert sum(part["count"] for part in parts) == parts[0]["all"]
        assert all(one["high"] == other["low"] for one, other in pairwise(parts))


def test_the_grid_has_every_layer_and_head(transformer: Report) -> None:
    cells = rows("sites", transformer)
    assert len(cells) == 2 * 3 * 4
    assert all(0 <= cell["strength"] <= 1 for cell in cells)
    assert all((cell["mean"] >= 0) == (cell["side"] == "above 0") for cell in cells)


def test_are_written_in_three_formats(report: Report, tmp_path: Path) -> None:
    written = write_figures(figures(report), tmp_path / "new" / "folder")
    assert [path.name for path in written] == [
        f"{name}{suffix}" for name in NAMES for suffix in (".svg", ".png", ".pdf")
    ]
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<svg"}
    for path in written:
        assert path.read_bytes().startswith(starts[path.suffix])


def test_files_are_for_papers(report: Report, tmp_path: Path) -> None:
    """300 dpi, no title, and the three of them equally large: a page's width in LaTeX."""
    svg, png, pdf = write_figures([named("jsd", report)], tmp_path)
    drawn = png.read_bytes()
    per_metre, _ = struct.unpack_from(">II", drawn, drawn.index(b"pHYs") + 4)
    assert per_metre == round(300 / 0.0254)
    pixels = struct.unpack_from(">II", drawn, drawn.index(b"IHDR") + 4)
    box = re.search(rb"MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf.read_bytes())
    root = ElementTree.fromstring(svg.read_text(encoding="utf-8"))
    assert box is not None
    for side, n, points in zip(("width", "height"), pixels, box.groups(), strict=True):
        inches = float(root.attrib[side]) / 96
        assert n / 300 == pytest.approx(inches, abs=0.01)
        assert float(points) / 72 == pytest.approx(inches, abs=0.01)
    assert float(root.attrib["width"]) / 96 < 6.7
    assert "How different attention could look" not in svg.read_text(encoding="utf-8")


def test_labels_with_markup_stay_text_in_svg(report: Report, tmp_path: Path) -> None:
    text = report.model_dump_json().replace('"glad"', '"<script>x</script>"')
    hostile = Report.model_validate_json(text)
    write_figures([named("tau_by_class", hostile)], tmp_path)
    tree = ElementTree.fromstring((tmp_path / "tau_by_class.svg").read_text(encoding="utf-8"))
    assert not [e for e in tree.iter() if e.tag.endswith("script")]
    assert any("<script>x</script>" in (e.text or "") for e in tree.iter())


def test_a_file_where_the_folder_should_be_is_refused(report: Report, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="taken"):
        write_figures(figures(report), tmp_path / "taken")


def test_the_page_holds_the_same_data_as_the_files(report: Report) -> None:
    for figure in figures(report):
        page, file = (specification(figure, palette) for palette in (PAGE, FILES))
        assert "var(--" in json.dumps(page)
        assert "var(--" not in json.dumps(file)
        assert page["datasets"] == file["datasets"]
