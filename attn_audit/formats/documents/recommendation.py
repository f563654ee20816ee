"""What to show instead: every measure beside attention and random order."""

from attn_audit.document import (
    Block,
    Cell,
    Conclusion,
    Paragraph,
    Phrase,
    Section,
    Table,
    Tone,
)
from attn_audit.findings.measure import measure
from attn_audit.numbers import bracket, count, counted, number
from attn_audit.results.recommendation import Candidate, Part, Recommendation

QUESTION = "What may be shown in the place of attention?"

HOW = (
    "Units are removed in the order of each measure, and what counts is how much of the prediction "
    "is gone, a mean over how many were removed. A measure is recommended if it removes more than "
    "attention and than random order do, on texts that did not choose its sign, both where units "
    "are left out and where a neutral unit takes their place (95% intervals, Holm's correction). "
    "It then ranks words as removing them does; that is not yet why the model decides so."
)

UNKNOWN = "Cannot be told"

NOT_ASKED = (
    "Whether attention itself may be shown was not asked: `attn-audit audit` asks that, and with "
    "`--checks all` both."
)


def conclusion(found: Recommendation) -> Conclusion:
    """What to show, where that alone was asked."""
    why = found.sentence.removeprefix(f"{UNKNOWN}: ")
    return Conclusion(_headline(found), (Paragraph(why), Paragraph(NOT_ASKED)))


def _headline(found: Recommendation) -> Phrase:
    """A measure, those that tie with it, none, or that it cannot be told."""
    if found.attention is None:
        return Phrase(f"? {UNKNOWN}", Tone.OPEN)
    if found.show_instead is None:
        return Phrase("✗ None", Tone.BAD)
    name = measure(found.show_instead).words
    if not found.tied:
        return Phrase(f"✓ {_capital(name)}", Tone.GOOD)
    others = " and ".join(measure(each).words for each in found.tied)
    return Phrase(f"✓ {_capital(name)}, which ties with {others}{_cheaper(found)}", Tone.GOOD)


def _cheaper(found: Recommendation) -> str:
    """That of those that tie the one that is shown takes the fewest passes, where it does."""
    shown, *tied = (found.candidate(name) for name in (found.show_instead or "", *found.tied))
    assert shown is not None
    if not all(each is not None and each.passes > shown.passes for each in tied):
        return ""
    return " and is the cheaper" if len(tied) == 1 else " and is the cheapest"


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def section(found: Recommendation) -> Section:
    """The sentence, and a line for each measure."""
    blocks: list[Block] = [Paragraph(QUESTION, Tone.QUESTION), Paragraph(found.sentence)]
    if found.attention is not None and found.random is not None:
        blocks.append(_table(found, found.attention, found.random))
    blocks.append(Paragraph(HOW, Tone.FAINT))
    return Section("instead", "What to show instead", tuple(blocks))


def _table(found: Recommendation, attention: Part, random: Part) -> Table:
    columns = (
        "order of", "is better", "removes", "by neutral units", "more than attention",
        "more than random", "passes",
    )  # fmt: skip
    above = found.attention_over_random
    rows: list[tuple[Cell, ...]] = [_row(found, each) for each in found.candidates]
    rows += [
        ("attention", "", *_both(attention), "-", "-" if above is None else _gap(above), "1"),
        ("random order", "", *_both(random), "-", "-", "0"),
    ]
    note = (
        f"{counted(found.n_judged, 'text')} judged, {counted(found.n_fitting, 'other')} chose "
        "signs. "
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
    gaps = _gap(each.over_attention), _gap(each.over_random)
    return (name, said, *_both(each.score), *gaps, count(each.passes))


def _both(part: Part) -> tuple[str, str]:
    return number(part.own), number(part.neutral)


def _gap(part: Part) -> str:
    """The smaller one, with its interval."""
    if part.own <= part.neutral:
        return f"{number(part.own)} {bracket(part.own_interval)}".rstrip()
    return f"{number(part.neutral)} {bracket(part.neutral_interval)}".rstrip()
