"""Figures of reports, as specifications and as files."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import altair as alt
import pytest

from attn_audit.document import Figure
from attn_audit.errors import OutputError
from attn_audit.findings import permutation
from attn_audit.formats.charts import FEW, configuration, draw, specification, write_figures
from attn_audit.formats.documents.report import figures
from attn_audit.formats.palette import FILES, PAGE, Palette
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
@pytest.mark.parametrize("palette", [FILES, PAGE])
def test_is_what_altairs_schema_allows(report: Report, name: str, palette: Palette) -> None:
    draw(named(name, report), palette).to_dict(validate=True)


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


def test_violins_are_symmetrical_and_in_one_measure(report: Report) -> None:
    found = rows("output_change", report)
    bins = [row for row in found if row["kind"] == "bin"]
    assert all(row["below"] == -row["above"] for row in bins)
    names = {row["row"] for row in bins}
    assert len(names) == 4
    widest = max(row["share"] for row in bins)
    assert [row["above"] for row in bins] == [row["share"] / widest for row in bins]
    medians = [row["low"] for row in found if row["kind"] == "median"]
    groups = report[permutation.DISTANCE].by_max_attention
    assert medians == [group.distribution.median for group in groups]
    pale = dict.fromkeys(row["row"] for row in bins if row["opacity"] < 0.5)
    assert len(pale) == sum(group.distribution.n < FEW for group in groups)


def test_cells_count_every_example_and_none_is_empty(report: Report) -> None:
    cells = rows("jsd_by_weight", report)
    assert sum(cell["count"] for cell in cells) == 209
    assert all(cell["count"] for cell in cells)


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
