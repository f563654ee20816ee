"""Markdown: the verdict first, and nothing that others wrote comes alive."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from attn_audit.document import Document, Paragraph, Section, ShadedText, Weights
from attn_audit.formats import markdown
from attn_audit.formats.documents.report import document
from attn_audit.formats.markdown import code, escaped, table
from attn_audit.quoting import printable
from attn_audit.results.report import Report
from tests.formats.judging import HOSTILE, every_kind, hostile, hostile_verdict, verdict

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ALIVE = re.compile(r"(?<!<span>)@|(?<!<span>)#(?!#)|://|www\.")

texts = st.one_of(
    st.text(max_size=30),
    st.text(st.sampled_from("\\`*_[]()<>|~&#@!$:/.-ghw1aé \n\t\x1b\u202e;"), max_size=30),
)


def shown(tokens: list[Token]) -> str:
    """What a reader sees of inline Markdown, which may hold nothing but text in spans."""
    seen = ""
    for token in tokens:
        if token.type == "html_inline":
            assert token.content in ("<span>", "</span>", "<code>", "</code>")
        elif token.type == "code_inline":
            seen += token.content
        else:
            assert token.type in ("text", "text_special")
            seen += token.content
    return seen


def cells(lines: list[str]) -> list[list[Token]]:
    """The cells of a table, as parsed."""
    found = PARSER.parse("\n".join(lines))
    return [token.children or [] for token in found if token.type == "inline"]


@pytest.mark.parametrize("show", [escaped, code])
@given(text=texts)
def test_a_cell_shows_any_text_as_it_is(show: Callable[[str], str], text: str) -> None:
    first, second, third, fourth = cells(table(("a", "b"), [(show(f"x{text}x"), "d")]))
    assert [shown(cell) for cell in (first, second, fourth)] == ["a", "b", "d"]
    assert shown(third) == printable(f"x{text}x")


@given(text=texts)
def test_nothing_comes_alive(text: str) -> None:
    assert not ALIVE.search(escaped(text))


@pytest.mark.parametrize("name", ["report", "multilabel", "nothing_measured", "transformer"])
def test_every_report_is_markdown_throughout(name: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(name)
    text = markdown.render(document(report, None))
    kinds = {token.type for token in PARSER.parse(text)}
    assert {"heading_open", "bullet_list_open", "table_open"} <= kinds
    assert not kinds & {"code_block", "fence", "blockquote_open", "hr"}


def test_a_report_without_a_policy_has_its_answer_first_and_no_verdict(report: Report) -> None:
    text = markdown.render(document(report, None))
    question = "May its attention weights be shown as the reason for its predictions?"
    assert text.startswith(f"## Attention audit\n\n{question}\n\n**❔ Cannot be told**\n\nWords ")
    assert "The gate" not in text
    assert "| Policy |" not in text


def test_the_verdict_stands_first_and_the_worst_bounds_above(report: Report) -> None:
    text = markdown.render(document(report, every_kind()))
    lines = text.splitlines()
    assert lines[0] == "## Attention audit: ❌ fail"
    assert lines[4] == "**❔ Cannot be told**"
    first = "| `permutation.moved` | at least 0.5 | 0.38 \\[0.35, 0.40\\] | 1,730 | ❌ fail |"
    assert first in lines
    assert text.index(first) < text.index("| ✅ pass |") < text.index("**Does the model work?**")


def test_what_did_not_pass_is_explained(report: Report) -> None:
    text = markdown.render(document(report, every_kind()))
    why = text[text.index("- **❌ permutation.moved**") :]
    assert "  - found: The whole interval is below 0.5.\n  - look at: The histogram" in why
    assert "- permutation.distance: waived until 2027-06-30: known" in text
    assert "- **✅" not in text


def test_a_policy_without_bounds_is_said_to_have_none(report: Report) -> None:
    assert "The gate passed (no bounds)." in markdown.render(document(report, verdict()))


def test_sentences_numbers_and_how_it_was_made(report: Report) -> None:
    text = markdown.render(document(report, None))
    assert "**Does the prediction change when attention is shuffled?**" in text
    assert "| glad | 146 | 0.47 \\[0.44, 0.51\\] | 0.22 | 47% \\[39%, 55%\\] |" in text
    assert f"| Data hash | {report.data.sha256} |" in text[text.index("### How it was made") :]
    assert "**Does the model work?** Yes: it tells the labels apart" in text


def test_a_check_that_was_not_run_has_no_numbers(only_correlation: Report) -> None:
    text = markdown.render(document(only_correlation, None))
    assert "attention with gradients: tau" in text
    assert "yardstick |" not in text
    assert "## Correlation" in text
    assert "## Permutation" not in text


def test_layers_and_heads_are_compared_in_sentences(transformer: Report) -> None:
    assert "agrees most with gradients" in markdown.render(document(transformer, None))


def test_someone_elses_text_does_nothing(report: Report) -> None:
    text = markdown.render(document(hostile(report), hostile_verdict()))
    assert not set(text) & set("\x1b\x7f\x9b\u202e")
    own = {"<details>", "</details>", "<summary>", "</summary>", "<span>", "</span>"}
    own |= {"<code>", "</code>", "<sub>", "</sub>"}
    assert set(re.findall(r"</?\w[^>]*>", text)) == own
    assert not ALIVE.search(re.sub(r"(?m)^#+ ", "", text))
    inline = [child for token in PARSER.parse(text) for child in token.children or []]
    assert not {child.type for child in inline} & {"link_open", "image", "em_open"}
    assert "<b>" in "".join(child.content for child in inline)
    assert HOSTILE not in text


def test_what_stands_between_backticks_is_code() -> None:
    said = (Paragraph("Ask `a | <b>` of it, not `"), Paragraph("Say `attn-audit audit`, or *not*."))
    page = markdown.render(Document("Audit", "model", "", (Section("a", "A", said),)))
    assert "Say `attn-audit audit`, or \\*not\\*." in page
    assert "<b>" not in page


def test_words_of_half_the_strongest_shade_or_more_are_bold_with_their_sign() -> None:
    weighed = Weights("Gradient", (0.49, 0.5, -0.5, -0.49), full=1.0)
    shaded = ShadedText(("a", "good", "bad", "film"), (weighed,))
    text = markdown.render(
        Document("Attention audit", "m", "d", sections=(Section("s", "S", (shaded,)),))
    )
    assert "  - a **good** **−bad** film\n" in text
