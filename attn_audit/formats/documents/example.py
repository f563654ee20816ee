"""One example: what each check says of it, and of each way to weigh its units."""

from collections.abc import Sequence, Set
from itertools import chain, zip_longest
from typing import Any

from attn_audit.document import Example, Examples, Section, ShadedText, Weights
from attn_audit.findings import adversarial, attended, permutation
from attn_audit.findings import example as fields
from attn_audit.findings.check import naming_target
from attn_audit.findings.correlation_pairs import with_attention
from attn_audit.findings.field import Shape
from attn_audit.findings.measure import GRADIENT as BY_GRADIENT
from attn_audit.findings.measure import LEAVE_ONE_OUT as BY_LEAVE_ONE_OUT
from attn_audit.findings.measure import usual_measures
from attn_audit.findings.registry import checks, measures, record_fields, telling
from attn_audit.findings.thresholds import (
    ENTIRELY,
    HALF_MARGIN,
    INFORMATIVE_JSD,
    MOVED_DISTANCE,
    SIGNIFICANT,
)
from attn_audit.numbers import count, counted, number, percent
from attn_audit.results.report import Report, TellingExample

GRADIENT, LEAVE_ONE_OUT = BY_GRADIENT.name, BY_LEAVE_ONE_OUT.name
UNIFORM_PREDICTION = permutation.UNIFORM_PREDICTION.name
ADVERSARY = adversarial.ATTENTION.name

LOST = attended.LOST.name

BESIDE = dict.fromkeys(("disagreeing", "agreeing"), (GRADIENT, LEAVE_ONE_OUT, ADVERSARY)) | (
    dict.fromkeys((attended.UNATTENDED_DECIDE, "against"), (LOST,))
)
"""What attention is shown beside where the reason is one of these, or else the adversary: the first
of these that was measured."""


def ways_to_weigh(first: str | None = None) -> dict[str, str]:
    """Fields with a weight for each unit and what the page calls them, in the order of the page.

    Args:
        first: The measure that is shown instead of attention, where there is one.
    """
    shown = [f for f in record_fields() if f.page and f.shape is Shape.UNITS]
    return {f.name: f.page for f in sorted(shown, key=lambda f: f.name != first)}


def full_of(field: str, weights: Sequence[float]) -> float | None:
    """What the strongest shade of a way to weigh stands for; None: the largest of the text.

    Of what leaving out does it is the whole output, or margin: a small effect is not painted as a
    large one is. Of signed measures it is the text's largest of either sign.
    """
    if field in (LOST, LEAVE_ONE_OUT):
        return 1.0
    signed = {measure.name for measure in measures() if measure.keeps_sign}
    return max(map(abs, weights), default=0.0) or 1.0 if field in signed else None


def sorted_by() -> dict[str, str]:
    """Numbers that examples can be sorted by, and what the page calls them."""
    return {f.name: f.page for f in record_fields() if f.page and f.shape is Shape.ONE}


TAGS = {
    "right": "prediction right",
    "wrong": "prediction wrong",
    "agrees": "ranks like the measures",
    "disagrees": "ranks unlike the measures",
    "moved": "shuffling moves the output",
    "unmoved": "shuffling hardly moves the output",
    "even": "attention too even for shuffling to show anything",
    "replaceable": "attention replaceable",
    "uniform": "other prediction with equal attention",
    "truncated": "truncated",
}
"""What may be found of an example."""

_DIFFER = f"permutations differ (divergence of {INFORMATIVE_JSD:g} or more)"

MEANINGS = {
    "agrees": f"significantly positive tau (p <= {SIGNIFICANT:g}) with every measure",
    "disagrees": "no tau above 0 with any measure",
    "moved": f"{_DIFFER}, and the output moves by {MOVED_DISTANCE:g} or more, or the margin by "
    f"{HALF_MARGIN:g} of itself or more",
    "unmoved": f"{_DIFFER}, but output and margin move by less, and none turns the decision",
    "even": f"permutations differ by a divergence of less than {INFORMATIVE_JSD:g}: counted as not "
    "moved",
    "truncated": "the model reads the beginning of the text alone",
    "replaceable": f"at least {ENTIRELY:.0%} of the possible divergence, with the output within "
    "epsilon",
}
"""When it is found, where the name does not say it."""


def section(report: Report) -> Section | None:
    """The telling examples and a random sample; None where none has anything to be shaded by."""
    picked = varied(report.telling_examples)
    reasons: dict[str, dict[str, None]] = {}
    for example in (*picked, *report.telling_examples):  # what it was picked for comes first
        reasons.setdefault(str(example.record["id"]), {})[example.reason] = None
    records = {str(example.record["id"]): example.record for example in picked}
    sampled = {str(record["id"]) for record in report.sampled_examples}
    for record in report.sampled_examples:
        records.setdefault(str(record["id"]), record)
    if not any(record.get(field) for record in records.values() for field in ways_to_weigh()):
        return None
    block = Examples(
        introduction=_introduction(report.data.n_examples, reasons.keys(), sampled),
        note=spelled(report),
        examples=tuple(
            _example(report, record, tuple(reasons.get(id_, ())), is_sampled=id_ in sampled)
            for id_, record in records.items()
        ),
        tags=TAGS,
        meanings=MEANINGS,
        reasons={
            reason: naming_target(of.words, report.settings.explain_label)
            for reason, of in telling().items()
        },
        numbers=sorted_by(),
    )
    return Section("examples", "Examples", (block,))


def _introduction(n_examples: int, telling: Set[str], sampled: Set[str]) -> str:
    of = f"Of {counted(n_examples, 'example')}"
    drawn = f"{count(len(sampled))} drawn at random" if sampled else "none drawn at random"
    if not telling:
        return f"{of}: {drawn}."
    n_both = len(telling & sampled)
    both = f", {count(n_both)} of them both" if n_both else ""
    return (
        f"{of}: the {count(len(telling))} most telling, and {drawn}{both}. Telling ones are chosen "
        "because "
        "they show something, and are not typical; to see what is typical, show the random ones."
    )


def _example(
    report: Report, record: dict[str, Any], reasons: tuple[str, ...], *, is_sampled: bool
) -> Example:
    labels, gold, settings = report.model.labels, record.get("label"), report.settings
    rows = [
        Weights(
            name,
            tuple(record[field]),
            under=under(field, record, labels, settings.epsilon, settings.explain_label),
            full=full_of(field, record[field]),
        )
        for field, name in _ways(report).items()
        if record.get(field)
    ]
    if (deciding := attended.deciding_unattended(record)) is not None:
        marks, without = deciding
        rows.insert(1, Weights(attended.HARDLY_ATTENDED, marks, under=without, full=1.0))
    random = (_instead(report) or ADVERSARY, ADVERSARY, GRADIENT)
    beside = BESIDE.get(reasons[0], (ADVERSARY, GRADIENT)) if reasons else random
    is_of_deciding = deciding is not None and reasons[:1] == (attended.UNATTENDED_DECIDE,)
    shown = next((ways_to_weigh()[field] for field in beside if record.get(field)), None)
    lines = (found.line(record) for found in reversed(checks()))
    return Example(
        id=str(record["id"]),
        said=said(record, labels),
        label=None if gold is None else label_of(gold),
        gold=_names(gold),
        predicted=_names(record["prediction"]),
        shaded=ShadedText(tuple(record["units"]), tuple(rows), record.get(fields.BORDER.name)),
        uniform=uniform(record),
        tags=tuple(tags(record)),
        reasons=reasons,
        is_sampled=is_sampled,
        numbers={name: record[name] for name in sorted_by() if record.get(name) is not None},
        in_short=tuple(line for line in lines if line is not None),
        beside=attended.HARDLY_ATTENDED if is_of_deciding else shown,
    )


def _instead(report: Report) -> str | None:
    """The measure that is shown instead of attention."""
    return None if report.recommendation is None else report.recommendation.show_instead


def _ways(report: Report) -> dict[str, str]:
    """Attention, what is shown instead, measures that were asked for, and what else there is."""
    instead, settings = _instead(report), report.settings
    asked = {instead, *settings.correlated, *(f"shown.{field}" for field in settings.shown)}
    left_out = {each.name for each in measures()} - asked
    ways = {f: name for f, name in ways_to_weigh(instead).items() if f not in left_out}
    return {fields.ATTENTION.name: ways.pop(fields.ATTENTION.name), **ways}


def _names(label: Any) -> tuple[str, ...]:
    """Labels to filter by: several, one, or none."""
    if label is None:
        return ()
    return tuple(map(str, label)) if isinstance(label, (list, tuple)) else (str(label),)


def spelled(report: Report) -> str:
    """How units are written where a word of the text can be several of them; else nothing.

    Records hold units, not what stood between them: all are written with a space between.
    """
    if report.model.findings is None or report.settings.unit == "word":
        return ""
    return "Units: tokens in the text's own spelling, a space between any two."


def varied(examples: Sequence[TellingExample]) -> list[TellingExample]:
    """The examples, one of each reason first, then the second of each, and none twice."""
    by_reason: dict[str, list[TellingExample]] = {}
    for example in examples:
        by_reason.setdefault(example.reason, []).append(example)
    by_id: dict[str, TellingExample] = {}
    for example in filter(None, chain.from_iterable(zip_longest(*by_reason.values()))):
        by_id.setdefault(str(example.record["id"]), example)
    return list(by_id.values())


def said(record: dict[str, Any], labels: Sequence[str]) -> str:
    """The model's prediction, and how probable it finds it where that is one number."""
    predicted, probability = label_of(record["prediction"]), record["probability"]
    if isinstance(probability, float):  # binary: of the second label
        of_said = probability if record["prediction"] == labels[-1] else 1 - probability
        return f"{predicted} (probability {number(of_said, 3)})"
    if isinstance(record["prediction"], str):
        return f"{predicted} (probability {number(max(probability), 3)})"
    return predicted


def label_of(label: Any) -> str:
    """A label, or several, as one text."""
    return (
        ", ".join(map(str, label)) or "(none)" if isinstance(label, (list, tuple)) else str(label)
    )


def tags(record: dict[str, Any]) -> list[str]:
    """What was found of an example: keys of TAGS."""
    found = [_right(record), _agreement(record), _moved(record)]
    if (record.get(adversarial.RELATIVE_JSD_FIELD.name) or 0) >= ENTIRELY:
        found.append("replaceable")
    equal = record.get(UNIFORM_PREDICTION)
    if equal is not None and equal != record["prediction"]:
        found.append("uniform")
    if record.get(fields.TRUNCATED.name):
        found.append("truncated")
    return [tag for tag in found if tag is not None]


def _right(record: dict[str, Any]) -> str | None:
    gold, predicted = record.get("label"), record["prediction"]
    if gold is None:
        return None
    if isinstance(predicted, list):
        gold, predicted = sorted(gold), sorted(predicted)
    return "right" if gold == predicted else "wrong"


def _agreement(record: dict[str, Any]) -> str | None:
    pairs = map(with_attention, usual_measures())
    found = [(record.get(pair.tau.name), record.get(pair.p_value.name)) for pair in pairs]
    known = [(tau, p) for tau, p in found if tau is not None]
    if not known:
        return None
    if all(tau <= 0 for tau, _ in known):
        return "disagrees"
    is_significant = all(tau > 0 and p is not None and p <= SIGNIFICANT for tau, p in known)
    return "agrees" if is_significant else None


def _moved(record: dict[str, Any]) -> str | None:
    distance, jsd = (
        record.get(permutation.DISTANCE_FIELD.name),
        record.get(permutation.JSD_FIELD.name),
    )
    if distance is None or jsd is None:
        return None
    if jsd < INFORMATIVE_JSD:
        return "even"
    of_margin = record.get(permutation.MARGIN_FIELD.name) or 0.0
    if distance >= MOVED_DISTANCE or of_margin >= HALF_MARGIN:
        return "moved"
    return None if record.get(permutation.TURNED_FIELD.name) else "unmoved"


def under(
    field: str,
    record: dict[str, Any],
    labels: Sequence[str],
    epsilon: float,
    explained: str | None = None,
) -> str:
    """What the model says, or would say, by one of `ways_to_weigh`."""
    weights, units = record[field], record["units"]
    if field == LOST:
        is_one = isinstance(record["prediction"], str)
        return attended.for_and_against(units, weights, explained, is_one=is_one)
    first = max(range(len(weights)), key=weights.__getitem__)
    unit, weight = f"“{units[first]}”", weights[first]
    predicts = f"Predicts {said(record, labels)}."
    most = f"Most attention: {unit}, {percent(weight)}."
    for measure in measures():
        if measure.name == field:
            most = measure.most.format(unit=unit, value=number(weight, 3))
            tau = record.get(with_attention(measure).tau.name)
            beside = "" if tau is None else f" Tau with attention: {number(tau)}."
            return f"{predicts} {most}{beside}"
    if field == ADVERSARY:
        return f"{_adversary(record, epsilon)} {most}"
    return f"{predicts} {most}" if field == fields.ATTENTION.name else f"Most: {unit}."


def _adversary(record: dict[str, Any], epsilon: float) -> str:
    moved = record[adversarial.DISTANCE_FIELD.name]
    change = f"the output moves by {number(moved, 3)} ({epsilon:g} is allowed)"
    if is_prediction_kept(record, moved):
        return f"Still predicts {label_of(record['prediction'])}: {change}."
    return f"Predicts nearly the same: {change}."


def is_prediction_kept(record: dict[str, Any], moved: float) -> bool:
    """Whether an output this far from the model's own surely has the same prediction.

    One sigmoid: its probability moves by the distance. Softmax: no probability moves by more than
    the distance, the total variation, so two draw nearer to each other by twice that at most.
    Several labels: only the mean change is known, so nothing is sure.
    """
    probability = record["probability"]
    if isinstance(probability, float):
        return abs(probability - 0.5) > moved
    if isinstance(record["prediction"], list) or len(probability) < 2:
        return False
    first, second = sorted(probability, reverse=True)[:2]
    return bool(first - second > 2 * moved)


def uniform(record: dict[str, Any]) -> str | None:
    """What the model says with equal attention on every unit; None where not measured."""
    predicted = record.get(UNIFORM_PREDICTION)
    moved = record.get(permutation.UNIFORM_DISTANCE_FIELD.name)
    if predicted is None or moved is None:
        return None
    still = "Still predicts" if predicted == record["prediction"] else "Predicts"
    return f"{still} {label_of(predicted)}: the output moves by {number(moved, 3)}."
