"""The whole report as Markdown: the verdict first, how it was made folded away."""

from collections.abc import Iterable, Iterator

from attn_audit.formats.markdown.escaping import code, escaped, table
from attn_audit.formats.markdown.figures import figures
from attn_audit.formats.markdown.verdict import OUTCOMES, verdict_lines
from attn_audit.formats.numbers import count
from attn_audit.formats.sentences import performance, sites
from attn_audit.formats.sentences.overview import QUESTIONS, answers, audited
from attn_audit.formats.sentences.provenance import made_with
from attn_audit.results.report import Report
from attn_audit.results.verdict import Verdict


def render(report: Report, verdict: Verdict | None) -> str:
    """Markdown that reads well as a comment: short above, all that it rests on folded below.

    Args:
        report: Any report.
        verdict: What a policy says of it; None where none was named.
    """
    title = "" if verdict is None else f": {OUTCOMES[verdict.outcome]}"
    data = report.data
    what = f"{code(report.model.source)} on {code(data.name)}, {count(data.n_examples)} examples"
    lines = [f"## Attention audit{title}", "", what, ""]
    if verdict is not None:
        lines += verdict_lines(verdict)
    lines += [*_found(report), *_numbers(report), *_folded(report)]
    return "\n".join(lines) + "\n"


def _found(report: Report) -> Iterator[str]:
    """What was found, in sentences under the question that they answer."""
    yield from ("### What was found", "")
    yield from _answered("How well does the model work?", performance.answer(report.performance))
    for check, sentences in answers(report).items():
        yield from _answered(QUESTIONS[check], sentences)
    if report.sites:
        yield from _answered(sites.QUESTION, sites.answer(report))


def _answered(question: str, sentences: Iterable[str]) -> Iterator[str]:
    yield from (f"**{question}**", "")
    yield from (f"- {escaped(sentence)}" for sentence in sentences)
    yield ""


def _numbers(report: Report) -> Iterator[str]:
    rows = [(name, escaped(value), count(n)) for name, value, n in figures(report)]
    if rows:
        yield from ("### Numbers", "")
        yield from table(("", "mean or share [95% interval]", "examples"), rows)
        yield ""


def _folded(report: Report) -> Iterator[str]:
    """What was audited, which examples say nothing, and what it takes to get the same again."""
    yield from ("<details>", "<summary>How it was made</summary>", "")
    facts = (*audited(report), *made_with(report))
    yield from table(("", ""), [(name, escaped(text)) for name, text in facts], n_left=2)
    yield ""
    if report.degenerate:
        counts = [(escaped(d.check), escaped(d.meaning), count(d.n)) for d in report.degenerate]
        yield from table(("check", "examples that say nothing, or less", ""), counts, n_left=2)
        yield ""
    yield "</details>"
