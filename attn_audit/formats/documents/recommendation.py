"""What to show instead: every measure beside attention and random order."""

from collections.abc import Iterator, Mapping

from attn_audit.document import Block, Cell, Conclusion, Paragraph, Phrase, Section, Table, Tone
from attn_audit.findings.example import ATTENTION
from attn_audit.findings.measure import LEAVE_ONE_OUT, measure
from attn_audit.numbers import count, counted, number, with_interval
from attn_audit.results.model_description import HeadMix
from attn_audit.results.report import Cost
from attn_audit.results.verdict import FEW_PASSES, Candidate, MayShow, Part, Recommendation

QUESTION = "What may be shown in the place of attention?"

HOW = (
    "Units are removed in the order of each measure, and what counts is how much of the prediction "
    "is gone, a mean over how many were removed. A measure is recommended if that is above 0, and "
    "more than in the order of attention (where there is any) and than in random order, on texts "
    "that did not choose its sign nor fit it, both where units are left out and where a neutral "
    "unit takes their place (95% intervals, Holm's correction). It then ranks words as removing "
    "them does; that is not yet why the model decides so."
)

GREEDY = "the greedy reference of this very number, which removes words, too"

NOT_ASKED = (
    "Whether attention itself may be shown was not asked: `attn-audit audit` asks that, and with "
    "`--checks all` both."
)


def conclusion(found: Recommendation) -> Conclusion:
    """What to show, where that alone was asked."""
    why = found.sentence.removeprefix(f"{MayShow.UNKNOWN.words}: ")
    return Conclusion(_headline(found), (Paragraph(why), Paragraph(NOT_ASKED)))


def _headline(found: Recommendation) -> Phrase:
    """A measure, those that tie with it, none, or that it cannot be told."""
    if found.random is None:
        return Phrase(f"? {MayShow.UNKNOWN.words}", Tone.OPEN)
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


def section(
    found: Recommendation, mix: HeadMix | None = None, costs: Mapping[str, Cost] | None = None
) -> Section:
    """The sentence, and a line for each measure."""
    blocks: list[Block] = [Paragraph(QUESTION, Tone.QUESTION), Paragraph(found.sentence)]
    if found.random is not None:
        blocks += [Paragraph(line) for line in _best(found)]
        blocks.append(_table(found, found.attention, found.random))
        blocks.append(_costs(found, costs or {}))
        blocks += [Paragraph(line) for line in _of_mix(found, mix)]
    blocks.append(Paragraph(HOW, Tone.FAINT))
    return Section("instead", "What to show instead", tuple(blocks))


def _best(found: Recommendation) -> Iterator[str]:
    for where, name in (
        (f"Best within {FEW_PASSES} passes a text", found.cheap),
        ("Best at any cost", found.best),
    ):
        candidate = None if name is None else found.candidate(name)
        if candidate is None:
            yield f"{where}: none."
            continue
        greedy = f" ({GREEDY})" if candidate.measure == LEAVE_ONE_OUT.name else ""
        yield f"{where}: {_name(candidate)}{greedy}, which removes {_both(candidate.score)}."


def _of_mix(found: Recommendation, mix: HeadMix | None) -> Iterator[str]:
    """What the fit took, and its control."""
    if mix is not None:
        yield (
            f"The head mix was fitted to {counted(mix.n_texts, 'text')} first, which took "
            f"{count(mix.passes)} passes once; after that a text takes one."
        )
    control = found.permuted_over_random
    if control is None:
        return
    falls = "it falls to random order, as it must"
    if control.is_above_zero:
        falls = (
            "it does not fall to random order, so that not what the mix was fitted to makes it "
            "good, and it is not recommended"
        )
    elif control.is_above_zero_by_any:
        falls = "one way it does not fall to random order, which it must: trust the mix the less"
    own = with_interval(control.own, control.own_interval)
    neutral = with_interval(control.neutral, control.neutral_interval)
    yield (
        f"Fitted to permuted effects instead, a head mix is {own} above random order, and by "
        f"neutral units {neutral}: {falls}."
    )


def _table(found: Recommendation, attention: Part | None, random: Part) -> Table:
    columns = ("order of", "is better", "removes", "more than attention", "more than random")
    above = found.attention_over_random
    rows: list[tuple[Cell, ...]] = [_row(found, each) for each in found.candidates]
    if attention is not None:
        of_random = "-" if above is None else _gap(above)
        rows.append(("attention", "", _both(attention), "-", of_random))
    rows.append(("random order", "", _both(random), "-", "-"))
    fitted = " and fitted the mix" if found.permuted_over_random else ""
    note = (
        f"{counted(found.n_judged, 'text')} judged, {counted(found.n_fitting, 'other')} chose signs"
        f"{fitted}. Removes: left out, and by neutral units. More than: the smaller of both ways, "
        "with its interval."
    )
    return Table(columns, tuple(rows), "Measures, the best first", n_text=2, note=note)


def _row(found: Recommendation, each: Candidate) -> tuple[Cell, ...]:
    if each.measure == found.show_instead:
        said: Cell = Phrase("✓ show it", Tone.GOOD)
    elif each.measure in found.tied:
        said = Phrase("✓ ties", Tone.GOOD)
    elif each.passed:
        said = Phrase("✓", Tone.GOOD)
    else:
        said = "no, not above 0" if each.removes_nothing else "no"
    over_attention = "-" if each.over_attention is None else _gap(each.over_attention)
    return (_name(each), said, _both(each.score), over_attention, _gap(each.over_random))


def _costs(found: Recommendation, costs: Mapping[str, Cost]) -> Table:
    rows = [
        (_name(each), *_cost(costs.get(each.measure), each.passes), _yes(each.is_signed),
         "-" if each.is_deterministic is None else _yes(each.is_deterministic))
        for each in found.candidates
    ]  # fmt: skip
    if found.attention is not None:
        rows.append(("attention", *_cost(costs.get(ATTENTION.name), 1), "no", "yes"))
    columns = ("measure", "passes a text", "ms a text", "signed", "deterministic")
    note = "" if costs else "As a rule: nothing was timed, or it was on other machines."
    return Table(columns, tuple(rows), "What they take", note=note)


def _name(each: Candidate) -> str:
    name = measure(each.measure).words
    return f"{name} (sizes)" if each.by_magnitude else name


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _cost(measured: Cost | None, passes: int) -> tuple[str, str]:
    """Passes as they were counted, else as a rule; and the time."""
    if measured is None:
        return count(passes), "-"
    return f"{measured.passes:,.0f}", f"{measured.milliseconds:,.1f}"


def _both(part: Part) -> str:
    return f"{number(part.own)} / {number(part.neutral)}"


def _gap(part: Part) -> str:
    """The smaller one, with its interval."""
    if part.own <= part.neutral:
        return with_interval(part.own, part.own_interval)
    return with_interval(part.neutral, part.neutral_interval)
