"""What to show instead: every measure beside attention and random order."""

from attn_audit.document import Block, Cell, Paragraph, Phrase, Section, Table, Tone
from attn_audit.findings.measure import measure
from attn_audit.numbers import bracket, count, number
from attn_audit.results.recommendation import Candidate, Part, Recommendation

QUESTION = "What may be shown in the place of attention?"

HOW = (
    "Units are removed in the order of each measure, and what counts is how much of the prediction "
    "is gone, a mean over how many were removed. A measure is recommended if it removes more than "
    "attention (where there is any) and than random order do, on texts that did not choose its "
    "sign, both where units are left out and where a neutral unit takes their place (95% "
    "intervals, Holm's correction). It then ranks words as removing them does; that is not yet why "
    "the model decides so."
)


def section(found: Recommendation) -> Section:
    """The sentence, and a line for each measure."""
    blocks: list[Block] = [Paragraph(QUESTION, Tone.QUESTION), Paragraph(found.sentence)]
    if found.random is not None:
        blocks.append(_table(found, found.attention, found.random))
    blocks.append(Paragraph(HOW, Tone.FAINT))
    return Section("instead", "What to show instead", tuple(blocks))


def _table(found: Recommendation, attention: Part | None, random: Part) -> Table:
    columns = (
        "order of", "is better", "removes", "by neutral units", "more than attention",
        "more than random", "passes",
    )  # fmt: skip
    above = found.attention_over_random
    rows: list[tuple[Cell, ...]] = [_row(found, each) for each in found.candidates]
    if attention is not None:
        of_random = "-" if above is None else _gap(above)
        rows.append(("attention", "", *_both(attention), "-", of_random, "1"))
    rows.append(("random order", "", *_both(random), "-", "-", "0"))
    note = (
        f"{count(found.n_judged)} texts judged, {count(found.n_fitting)} others chose signs. "
        "More than: the smaller of both ways, with its interval."
    )
    return Table(columns, tuple(rows), "Measures, the best first", n_text=2, note=note)


def _row(found: Recommendation, each: Candidate) -> tuple[Cell, ...]:
    name = measure(each.measure).words
    if each.by_magnitude:
        name += " (sizes)"
    elif each.is_signed:
        name += " (signed)"
    if each.measure == found.show_instead:
        said: Cell = Phrase("✓ show it", Tone.GOOD)
    elif each.measure in found.tied:
        said = Phrase("✓ ties", Tone.GOOD)
    else:
        said = Phrase("✓", Tone.GOOD) if each.passed else "no"
    over_attention = "-" if each.over_attention is None else _gap(each.over_attention)
    gaps = over_attention, _gap(each.over_random)
    return (name, said, *_both(each.score), *gaps, count(each.passes))


def _both(part: Part) -> tuple[str, str]:
    return number(part.own), number(part.neutral)


def _gap(part: Part) -> str:
    """The smaller one, with its interval."""
    if part.own <= part.neutral:
        return f"{number(part.own)} {bracket(part.own_interval)}".rstrip()
    return f"{number(part.neutral)} {bracket(part.neutral_interval)}".rstrip()
