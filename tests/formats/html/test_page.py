"""What stands in a page, without a browser."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from html import unescape
from pathlib import Path
from unittest.mock import Mock

import pytest

from attn_audit.document import Document, Section, ShadedText, Weights
from attn_audit.formats import html
from attn_audit.formats.documents.report import document
from attn_audit.formats.documents.verdict import answered
from attn_audit.formats.html import data
from attn_audit.results.report import Report
from tests.formats.html.conftest import rendered
from tests.formats.html.test_hostile_text import elements

EVERY_REPORT = (
    "report", "unlabelled", "multilabel", "transformer", "by_layer", "nothing_measured",
    "only_correlation",
)  # fmt: skip


@pytest.mark.parametrize("name", EVERY_REPORT)
def test_says_what_was_audited_and_answers_every_check(
    request: pytest.FixtureRequest, name: str
) -> None:
    report: Report = request.getfixturevalue(name)
    page = rendered(report)
    assert f"<h1>{Path(report.model.source).name}</h1>" in page
    for check in report.settings.checks:
        assert f'id="card-{check}"' in page
        assert f'<section id="{check}"' in page


@pytest.mark.parametrize("name", EVERY_REPORT)
def test_the_question_stands_above_the_answer_and_its_sentences_below(
    request: pytest.FixtureRequest, name: str
) -> None:
    report: Report = request.getfixturevalue(name)
    assert report.answer is not None
    page = rendered(report)
    found = answered(report.answer)
    header = page[page.index("<header>") : page.index("</header>")]
    said = [unescape(re.sub("<[^>]*>", "", p)) for p in re.findall(r"<p.*?</p>", header)]
    after = said.index("May its attention weights be shown as the reason for its predictions?") + 1
    sentences = [paragraph.labelled.replace("`", "") for paragraph in found.sentences]
    assert said[after:] == [found.words.text, *sentences]
    assert f'<p class="answered word {found.words.tone}">' in header


def test_is_the_same_for_the_report_read_again(report: Report, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(report.to_json(), encoding="utf-8")
    again = Report.load(tmp_path / "report.json")
    assert html.render(document(again)) == rendered(report)


def test_allows_its_own_scripts_and_style_and_nothing_else(report: Report) -> None:
    page = rendered(report)
    policy = next(v for _, v in elements(page).attributes if "default-src" in v)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    for text in (*scripts, style):
        assert b64encode(sha256(text.encode()).digest()).decode() in policy
    assert len(scripts) == 2
    assert "unsafe" not in policy


def test_refers_to_nothing_outside(report: Report) -> None:
    found = elements(rendered(report))
    links = [value for name, value in found.attributes if name in ("href", "src", "action")]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not {"link", "img", "iframe", "object"} & set(found.tags)


def test_links_lead_somewhere(report: Report) -> None:
    found = elements(rendered(report))
    ids = [value for name, value in found.attributes if name == "id"]
    links = {value[1:] for name, value in found.attributes if name == "href"}
    assert len(ids) == len(set(ids))
    assert links <= set(ids)


def test_leaves_vega_out_where_there_is_no_figure(nothing_measured: Report) -> None:
    assert len(rendered(nothing_measured)) < 150_000


def test_libraries_are_bundled_once_and_need_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = Mock(return_value="é;")
    monkeypatch.setattr(html, "_bundled", bundled)
    found = []
    for cache in (tmp_path, tmp_path, __file__):
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        found.append((vars(html.vega)["__wrapped__"](), bundled.call_count))
    assert found[:2] == [("é;", 1)] * 2
    assert found[2][0] == "é;"


def test_names_hashes_in_full(report: Report) -> None:
    page = rendered(report)
    assert report.model.sha256 is not None
    assert report.model.sha256 in page


def test_words_that_speak_against_differ_by_more_than_colour(report: Report) -> None:
    units, rows = ("good", "bad"), (Weights("for and against", (0.9, -0.9), full=1.0),)
    block = Section("words", "Words", (ShadedText(units, rows),))
    page = html.render(Document("Explanation", "model", "", (block,)))
    assert '<span class="word level-18">good</span>' in page
    assert '<span class="word level-18 against">bad</span>' in page
    (below, above) = re.findall(r"inset 0 calc\(var\(--level\) \* (-?)6px\)", page)
    assert (below, above) == ("-", "")
    for said in (page, rendered(report)):
        assert "on one scale for all texts" in said
        assert 'class="word level-10 against">against</span>' in said


@pytest.mark.parametrize(
    "text", ["</script>", "a & b", "\u202e", "\x00", "\ud800", "\U0001f600", "ü"]
)
def test_what_is_written_is_read_again_as_it_was(text: str) -> None:
    written = str(data({"text": text}))
    assert json.loads(written) == {"text": text}
    written.encode("utf-8")
    assert "<" not in written
    assert "&" not in written
