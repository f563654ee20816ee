"""Figures of reports with realistic numbers, as specifications and as files."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import altair as alt
import pytest
from attn_audit.formats.charts.writing import specification

from attn_audit.errors import OutputError
from attn_audit.formats.charts import FIGURES, write_figures
from attn_audit.formats.charts.palette import FILES, PAGE, Palette, configuration
from attn_audit.results.report import Report
from attn_audit.results.summary import JointHistogram

BY_NAME = {figure.name: figure for figure in FIGURES}


@pytest.fixture
def full(report: Report) -> Report:
    adversarial = report.checks.adversarial
    assert adversarial is not None
    joint = JointHistogram(x_edges=(0, 0.5, 1), y_edges=(0, 0.35, 0.7), counts=((3, 0), (5, 910)))
    more = adversarial.model_copy(update={"jsd_by_max_attention": joint})
    checks = report.checks.model_copy(update={"adversarial": more})
    return report.model_copy(update={"checks": checks})


def rows(name: str, report: Report) -> list[dict[str, Any]]:
    """The data that a figure holds, every layer's together."""
    made = specification(BY_NAME[name], report, FILES)
    assert made is not None
    return [row for values in made["datasets"].values() for row in values]


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "sites"])
@pytest.mark.parametrize("palette", [FILES, PAGE])
def test_is_what_altairs_schema_allows(full: Report, name: str, palette: Palette) -> None:
    drawn = BY_NAME[name].draw(full, palette)
    assert drawn is not None
    drawn.to_dict(validate=True)


@pytest.mark.parametrize("palette", [FILES, PAGE])
def test_the_look_is_what_altairs_schema_allows(palette: Palette) -> None:
    alt.Config.from_dict(configuration(palette))


@pytest.mark.parametrize("fixture", ["transformer", "by_layer"])
def test_layers_and_heads_are_what_altairs_schema_allows(
    request: pytest.FixtureRequest, fixture: str
) -> None:
    drawn = BY_NAME["sites"].draw(request.getfixturevalue(fixture), FILES)
    assert drawn is not None
    drawn.to_dict(validate=True)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_there_is_no_figure_without_an_example(nothing_measured: Report, figure: Any) -> None:
    assert figure.draw(nothing_measured, FILES) is None


def test_every_pairs_panel_counts_every_example(full: Report) -> None:
    correlation = full.checks.correlation
    assert correlation is not None
    bins = [row for row in rows("tau_pairs", full) if row["kind"] == "bin"]
    panels = list(dict.fromkeys(row["row"] for row in bins))
    assert [name.split(":")[0] for name in panels] == [
        "With gradients",
        "With leave-one-out",
        "Yardstick",
    ]
    for panel in panels:
        of_panel = [row for row in bins if row["row"] == panel]
        assert sum(row["count"] for row in of_panel) == 1818
        assert sum(row["share"] for row in of_panel) == pytest.approx(1)


def test_classes_have_gradients_above_the_line_and_leave_one_out_below(full: Report) -> None:
    bins = [row for row in rows("tau_by_class", full) if row["kind"] == "bin"]
    for row in bins:
        assert abs(row["height"]) == row["share"]
        assert (row["height"] >= 0) == (row["side"] == "with gradients") or row["height"] == 0
    assert {row["row"] for row in bins} == {
        "Predicted negative (882 examples)",
        "Predicted positive (936 examples)",
    }


def test_of_many_classes_only_the_most_frequent_are_drawn(multilabel: Report) -> None:
    assert len({row["row"] for row in rows("tau_by_class", multilabel)}) == 6


def test_violins_are_symmetrical_and_equally_wide(full: Report) -> None:
    found = rows("output_change", full)
    bins = [row for row in found if row["kind"] == "bin"]
    assert all(row["below"] == -row["above"] for row in bins)
    names = {row["row"] for row in bins}
    assert len(names) == 4
    assert all(max(r["above"] for r in bins if r["row"] == name) == 1 for name in names)
    medians = [row["low"] for row in found if row["kind"] == "median"]
    permutation = full.checks.permutation
    assert permutation is not None
    assert medians == [g.distribution.quantiles["0.5"] for g in permutation.by_max_attention]


def test_empty_cells_are_left_out(full: Report) -> None:
    cells = rows("jsd_by_weight", full)
    assert [(cell["low"], cell["jsd"], cell["count"]) for cell in cells] == [
        (0, 0, 3),
        (0.5, 0, 5),
        (0.5, 0.35, 910),
    ]


def test_the_grid_has_every_layer_and_head(transformer: Report) -> None:
    cells = rows("sites", transformer)
    assert len(cells) == 2 * 6 * 12
    assert all(0 <= cell["strength"] <= 1 for cell in cells)
    assert all((cell["mean"] >= 0) == (cell["side"] == "above 0") for cell in cells)


def test_are_written_in_three_formats(full: Report, tmp_path: Path) -> None:
    written = write_figures(full, tmp_path / "new" / "folder")
    names = [figure.name for figure in FIGURES if figure.name != "sites"]
    assert [path.name for path in written] == [
        f"{name}{suffix}" for name in names for suffix in (".svg", ".png", ".pdf")
    ]
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<svg"}
    for path in written:
        assert path.read_bytes().startswith(starts[path.suffix])


def test_labels_with_markup_stay_text_in_svg(full: Report, tmp_path: Path) -> None:
    text = full.model_dump_json().replace('"negative"', '"<script>x</script>"')
    write_figures(Report.model_validate_json(text), tmp_path)
    tree = ElementTree.fromstring((tmp_path / "tau_by_class.svg").read_text(encoding="utf-8"))
    assert not [e for e in tree.iter() if e.tag.endswith("script")]
    assert any("<script>x</script>" in (e.text or "") for e in tree.iter())


def test_a_file_where_the_folder_should_be_is_refused(full: Report, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="taken"):
        write_figures(full, tmp_path / "taken")


def test_the_page_holds_the_same_data_as_the_files(full: Report) -> None:
    for figure in FIGURES:
        page, file = (specification(figure, full, palette) for palette in (PAGE, FILES))
        if page is None or file is None:
            assert page is file
            continue
        assert "var(--" in json.dumps(page)
        assert "var(--" not in json.dumps(file)
        assert page["datasets"] == file["datasets"]
