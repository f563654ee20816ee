"""Two compared reports in every format: whole, valid, and nobody's text but text."""

import csv
import html
import html.parser
import io
import json
from pathlib import Path

import jsonschema
import pytest
import xmlschema

from attn_audit.errors import ConfigurationError, OutputError
from attn_audit.formats.registry import FORMATS
from attn_audit.formats.result_files import write_result
from attn_audit.results.verdict import Change, ChangedExample, Comparison, Side, Verdict
from attn_audit.statistics.summary import Interval
from tests.formats.judging import every_kind, hostile_verdict

SCHEMAS = Path(__file__).parents[1] / "schemas"
NASTY = "=cmd|'/c' \x1b[31m\u202e <script>alert(1)</script> @team | `x` [a](http://b) </script>"


def side(text: str) -> Side:
    return Side(report=text, model=text, model_sha256=None, data=text, n_examples=3)


def change(metric: str, difference: float, text: str | None = None) -> Change:
    name = "x" if text is None else text
    return Change(
        metric=metric,
        definition="What it is.",
        base=0.5,
        new=0.5 + difference,
        difference=difference,
        interval=Interval(low=difference - 0.1, high=difference + 0.1, method="bootstrap"),
        effect_size=difference * 2,
        n=3,
        n_undefined=0,
        is_paired=True,
        most_changed=(ChangedExample(id=name, base=0.0, new=1.0, text=text),),
    )


def comparison(text: str = "model.pt", verdict: Verdict | None = None) -> Comparison:
    return Comparison(
        base=side(text),
        new=side(text),
        n_pairs=3,
        why_unpaired=None,
        notes=(text,),
        changes=(
            change("performance.accuracy", -0.3, text),
            change("permutation.distance", 0.02, text),
        ),
        verdict=verdict,
    )


def rendered(tmp_path: Path, suffix: str, found: Comparison) -> str:
    path = tmp_path / f"changes{suffix}"
    write_result(found, [path])
    return path.read_text(encoding="utf-8")


class _Elements(html.parser.HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_acts_on_a_terminal_does_not_pass(tmp_path: Path, suffix: str) -> None:
    text = rendered(tmp_path, suffix, comparison(NASTY, hostile_verdict()))
    assert not set(text) & set("\x1b\x7f\x9b\u202e")
    assert text.endswith("\n")


def test_json_is_the_whole_comparison(tmp_path: Path) -> None:
    found = comparison(verdict=every_kind())
    content = json.loads(rendered(tmp_path, ".json", found))
    content["verdict"].pop("outcome", None)
    assert content["changes"] == found.model_dump(mode="json")["changes"]


def test_csv_has_a_line_for_every_change(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(rendered(tmp_path, ".csv", comparison()))))
    assert [row["metric"] for row in rows] == [
        "performance.accuracy",
        "permutation.distance",
    ]
    assert float(rows[0]["difference"]) == -0.3
    assert float(rows[0]["high"]) == pytest.approx(-0.2)


def test_markdown_folds_away_what_did_not_change(tmp_path: Path) -> None:
    text = rendered(tmp_path, ".md", comparison())
    assert text.index("accuracy") < text.index("What did not change") < text.index("distance")
    nasty = rendered(tmp_path, ".md", comparison(NASTY))
    assert "<script>" not in nasty
    assert "a](" not in nasty


def test_the_page_runs_nothing_of_others_and_shows_text_as_text(tmp_path: Path) -> None:
    page = rendered(tmp_path, ".html", comparison(NASTY, hostile_verdict()))
    assert _Elements(page).tags.count("script") == 2  # its data, and our own
    assert "alert(1)</script>" not in page
    assert "default-src 'none'" in html.unescape(page)
    assert page.index("What changed") < page.index("What did not")


def test_junit_and_sarif_follow_their_schemas(tmp_path: Path) -> None:
    for found in (comparison(verdict=every_kind()), comparison(NASTY, hostile_verdict())):
        junit = rendered(tmp_path, ".xml", found)
        xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd").validate(junit)
        sarif = json.loads(rendered(tmp_path, ".sarif", found))
        schema = json.loads((SCHEMAS / "sarif-2.1.0.json").read_text(encoding="utf-8"))
        jsonschema.Draft7Validator(schema).validate(sarif)


@pytest.mark.parametrize("suffix", [".xml", ".sarif"])
def test_judgements_take_a_policy(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ConfigurationError, match="no policy is named"):
        rendered(tmp_path, suffix, comparison())


def test_all_files_are_written_or_none(tmp_path: Path) -> None:
    paths = [tmp_path / "changes.md", tmp_path / "nowhere" / "changes.csv"]
    with pytest.raises(OutputError):
        write_result(comparison(), paths)
    assert list(tmp_path.iterdir()) == []
