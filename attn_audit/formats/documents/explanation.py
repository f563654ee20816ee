"""One text explained: its units shaded four times, what the model says, and what it means."""

from collections.abc import Iterator, Sequence

from attn_audit.document import (
    Block,
    Bullets,
    Cell,
    Conclusion,
    Document,
    Facts,
    Paragraph,
    Phrase,
    Section,
    ShadedText,
    Table,
    Tone,
    Weights,
)
from attn_audit.findings import adversarial, permutation
from attn_audit.findings.attended import for_and_against
from attn_audit.findings.correlation_pairs import STATUS, YARDSTICK, Pair, with_attention
from attn_audit.findings.example import BORDER, Status, status_field
from attn_audit.findings.measure import GRADIENT, LEAVE_ONE_OUT, Measure, measure
from attn_audit.findings.registry import checks, measures, status_meanings
from attn_audit.findings.thresholds import ALIKE, ENTIRELY, FARTHEST, LARGELY, PARTLY_ALIKE
from attn_audit.formats.documents.example import LOST, full_of, label_of, ways_to_weigh
from attn_audit.formats.documents.model import asked, readout
from attn_audit.numbers import number, percent, short, weight
from attn_audit.results.answers import Explanation, ModelOutput
from attn_audit.settings import TEXTS_IN_WORDS

N_NAMED = 3
"""Units of the largest weights that are named in figures."""


def document(found: Explanation) -> Document:
    """What was found for one text."""
    border = found.record[BORDER.name]
    shaded = ShadedText(tuple(found.record["units"]), tuple(_weights(found)), border)
    others = [check.line(found.record) for check in checks() if not check.is_tabled]
    lines = [line for line in others if line is not None]
    said: tuple[Block, ...] = (_outcomes(found), *([Bullets.of(lines)] if lines else []))
    return Document(
        kind="Explanation",
        title=found.model.source,
        subject=found.model.architecture,
        facts=Facts(tuple(facts(found))),
        answer=Conclusion(Phrase(meaning(found), Tone.STRONG), tuple(_instead(found))),
        sections=(
            Section("words", "The words, by weight", (shaded,)),
            Section("model", "What the model says", said),
        ),
    )


RANKS = "ranks words as removing them does"
"""What is said of a measure that is shown instead of attention, and no more."""


def _instead(found: Explanation) -> Iterator[Paragraph]:
    """What is shown first, and what may be said of it; or that nothing is."""
    if found.show_instead is not None:
        words = measure(found.show_instead).words
        yield Paragraph(f"{words}, which {RANKS}.", label="Shown first")
    elif found.instead:
        yield Paragraph(found.instead, label="Show instead")


def _is_asked(found: Explanation, measure: Measure) -> bool:
    """Whether a measure was computed, though it may have no scores for this text."""
    statuses = found.record[STATUS.name] or ""
    return found.record.get(measure.name) is not None or measure.status_undefined in statuses


def _weights(found: Explanation) -> Iterator[Weights]:
    asked = {m.name: m for m in measures() if _is_asked(found, m)}
    not_asked = {m.name for m in measures()} - asked.keys()
    beside = {name: tau(found, with_attention(m)) for name, m in asked.items()}
    beside[adversarial.ATTENTION.name] = divergence(found)
    for field, name in ways_to_weigh(found.show_instead).items():
        if field in not_asked:
            continue
        values = found.record[field]
        under = "" if values is None else _said(field, found, values)
        if values is not None and field == adversarial.ATTENTION.name:
            under += f" ({certainty(found)})"
        if field == found.show_instead:
            name = f"{name} ({RANKS})"
        weights = None if values is None else tuple(values)
        full = full_of(field, weights or ())
        yield Weights(name, weights, beside.get(field, ""), under, full)


def _said(field: str, found: Explanation, values: Sequence[float]) -> str:
    units = found.record["units"]
    if field == LOST:
        is_one = isinstance(found.own.prediction, str)
        return for_and_against(units, values, found.explain_label, is_one=is_one)
    return _largest(units, values)


def _largest(units: Sequence[str], weights: Sequence[float]) -> str:
    """The units of the largest weights, in figures.

    Example:
        >>> _largest(["a", "fine", "film"], [0.1, 0.6, 0.3])
        'most: fine 0.60, film 0.30, a 0.10'
    """
    order = sorted(range(len(units)), key=lambda i: -weights[i])
    largest = max(weights, default=0.0)
    named = (f"{units[i]} {weight(weights[i], largest)}" for i in order[:N_NAMED] if weights[i] > 0)
    said = f"most: {', '.join(named)}"
    if not order or weights[order[-1]] >= 0:
        return said
    return f"{said}; most against it: {units[order[-1]]} {number(weights[order[-1]])}"


def _outcomes(found: Explanation) -> Table:
    left_out = found.record["units"][found.left_out]
    rows = [
        _outcome("as it is", found.own, found),
        _outcome("adversarial attention", found.adversarial, found),
        _outcome("uniform attention", found.uniform, found),
        _outcome(f"without {left_out!r}", found.without, found),
    ]
    shuffled = found.record[permutation.DISTANCE_FIELD.name]
    if shuffled is not None:
        name = f"shuffled attention, median of {found.permutations}"
        rows.append((name, "", "", number(shuffled, 3)))
    return Table(("", "predicted", "probability", "output moves by"), tuple(rows), n_text=2)


def _outcome(name: str, outcome: ModelOutput | None, found: Explanation) -> tuple[Cell, ...]:
    if outcome is None:
        moved = found.record[adversarial.DISTANCE_FIELD.name]
        is_known = name == "adversarial attention" and moved is not None
        return name, "-", "-", number(moved, 3) if is_known else "-"
    is_changed = outcome.prediction != found.own.prediction
    said = f"{label_of(outcome.prediction)}{' (changed)' if is_changed else ''}"
    moved = "-" if outcome is found.own else number(outcome.distance, 3)
    tone = Tone.WARNING if is_changed else Tone.STRONG
    return name, Phrase(said, tone), _probability(outcome, found.model.labels), moved


def _probability(outcome: ModelOutput, labels: Sequence[str]) -> str:
    """Of what is predicted; of several labels, of each."""
    said = outcome.prediction
    names, labels = (said,) if isinstance(said, str) else said, outcome.likeliest or labels
    values = (outcome.probabilities[labels.index(name)] for name in names)
    return ", ".join(number(value, 3) for value in values) or "-"


def facts(found: Explanation) -> Iterator[tuple[str, str]]:
    """What was explained: headings and what belongs to them."""
    yield "Model", f"{found.model.architecture}; {found.model.source}, {short(found.model.digest)}"
    if said := asked(found.model):
        yield "Asked", said
    yield "Attention", _attention(found)
    if found.explain_label is not None:
        yield "Explained", f"{found.explain_label}, whatever is predicted"
    cut = ", cut to what the model takes" if found.record["truncated"] else ""
    if (n_windows := found.record["windows"]) is not None:
        cut = f", in {n_windows} windows whose logits are averaged"
    n_units = found.record["n_units"]
    is_pair = found.text_pair is not None
    of = f" of {TEXTS_IN_WORDS[found.audited]}" if is_pair else ""
    yield "Text", f"{n_units} {found.unit}{'s' if n_units != 1 else ''}{of}{cut}"
    beside = found.text_pair if found.audited == "first" else found.text
    if is_pair and found.audited != "both" and beside:
        yield "Beside it", beside


def _attention(found: Explanation) -> str:
    known = found.model.findings
    if known is None:
        return "; ".join(found.model.sites)
    layer = found.model.layers[found.layer]
    heads = f"{layer.n_heads} heads averaged" if found.head is None else f"head {found.head}"
    read = "every query row" if found.rows == "all" else readout(known)
    share = f"{percent(found.record['audited_mass'])} of it on the {found.unit}s below"
    n_layers = len(found.model.layers)
    where = f"layer {found.layer} of 0-{n_layers - 1}" if n_layers > 1 else "the only layer"
    return f"{where}, {heads}, {read}; {share}"


def tau(found: Explanation, pair: Pair) -> str:
    """Kendall's tau of a pair of rankings, with its p-value; why there is none."""
    value, p_value = found.record[pair.tau.name], found.record[pair.p_value.name]
    if value is None:
        return f"tau undefined: {_why(found, 'correlation')}"
    known = f" (p {number(p_value, 3)})" if p_value is not None else " (too short for a p-value)"
    return f"tau with attention {number(value)}{known}"


def divergence(found: Explanation) -> str:
    """How far the adversary is, of how far it could be."""
    jsd = found.record[adversarial.MAX_JSD_FIELD.name]
    relative = found.record[adversarial.RELATIVE_JSD_FIELD.name]
    if jsd is None:
        return _why(found, "adversarial")
    return f"max JSD {number(jsd)}, {percent(relative)} of the possible; epsilon {found.epsilon:g}"


def certainty(found: Explanation) -> str:
    """Whether other attention could be farther still, where attention can be moved."""
    if found.record[adversarial.METHOD.name] == "exact":
        return "the proven optimum"
    if found.record[adversarial.RELATIVE_JSD_FIELD.name] > FARTHEST:
        return "nothing can be farther"
    return "the best that was found: more may exist"


def meaning(found: Explanation) -> str:
    """What it means for this text, in one sentence, and no more."""
    return f"{_movable(found)}{_ranked(found)}."


def _movable(found: Explanation) -> str:
    relative = found.record[adversarial.RELATIVE_JSD_FIELD.name]
    if relative is None:
        why = _why(found, "adversarial")
        return f"Whether attention could lie elsewhere cannot be said ({why})"
    kept = f"different attention keeps the output within {found.epsilon:g}"
    if relative >= LARGELY:
        how = "Almost entirely" if relative >= ENTIRELY else "Very"
        return f"{how} {kept}, so the output does not single this one out"
    is_proven = found.record[adversarial.METHOD.name] == "exact"
    return f"{'No' if is_proven else 'As far as was searched, no'} very {kept}"


def _ranked(found: Explanation) -> str:
    known = [(m.words, found.record[with_attention(m).tau.name]) for m in (GRADIENT, LEAVE_ONE_OUT)]
    taus = [value for _, value in known if value is not None]
    if not taus:
        return ""
    mean = sum(taus) / len(taus)
    how = "ranks the {} much as" if mean >= ALIKE else "ranks the {} partly as"
    how = how if mean >= PARTLY_ALIKE else "does not rank the {} as"
    shown = ", ".join(f"{number(value)} with {name}" for name, value in known if value is not None)
    yardstick = found.record[YARDSTICK.tau.name]
    between = "" if yardstick is None else f"; {number(yardstick)} between these two"
    ranks = f"the model's own {how.format(f'{found.unit}s')} the importance measures do"
    return f"; {ranks} (tau {shown}{between})"


def _why(found: Explanation, check: str) -> str:
    statuses = (found.record[status_field(check).name] or "").split("+")
    meanings = status_meanings()
    reasons = [meanings[s] for s in statuses if s in meanings and s != Status.MEASURED]
    return "; ".join(reasons) or "not measured"
