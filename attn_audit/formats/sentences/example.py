"""One example in words: what each check says of it, and of each way to weigh its units."""

from collections.abc import Sequence
from typing import Any

from attn_audit.formats.numbers import number, percent
from attn_audit.formats.sentences.telling import label_of, said
from attn_audit.results.thresholds import (
    ENTIRELY,
    INFORMATIVE_JSD,
    MOVED_DISTANCE,
    SIGNIFICANT,
)

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
}
"""What may be found of an example."""

_DIFFER = f"permutations differ (divergence of {INFORMATIVE_JSD:g} or more)"

MEANINGS = {
    "agrees": f"significantly positive tau (p <= {SIGNIFICANT:g}) with every measure",
    "disagrees": "no tau above 0 with any measure",
    "moved": f"{_DIFFER}, and the output moves by {MOVED_DISTANCE:g} or more",
    "unmoved": f"{_DIFFER}, but the output moves by less than {MOVED_DISTANCE:g}",
    "even": f"permutations differ by a divergence of less than {INFORMATIVE_JSD:g}: counted as not "
    "moved",
    "replaceable": f"at least {ENTIRELY:.0%} of the possible divergence, with the output within "
    "epsilon",
}
"""When it is found, where the name does not say it."""

TAUS = ("attention_gradient", "attention_leave_one_out")


def tags(record: dict[str, Any]) -> list[str]:
    """What was found of an example: keys of TAGS.

    Args:
        record: As a report holds it.
    """
    found = [_right(record), _agreement(record), _moved(record)]
    if (record.get("relative_jsd") or 0) >= ENTIRELY:
        found.append("replaceable")
    uniform = record.get("uniform_prediction")
    if uniform is not None and uniform != record["prediction"]:
        found.append("uniform")
    return [tag for tag in found if tag is not None]


def _right(record: dict[str, Any]) -> str | None:
    gold, predicted = record.get("label"), record["prediction"]
    if gold is None:
        return None
    if isinstance(predicted, list):
        gold, predicted = sorted(gold), sorted(predicted)
    return "right" if gold == predicted else "wrong"


def _agreement(record: dict[str, Any]) -> str | None:
    found = [(record.get(f"tau_{name}"), record.get(f"p_{name}")) for name in TAUS]
    known = [(tau, p) for tau, p in found if tau is not None]
    if not known:
        return None
    if all(tau <= 0 for tau, _ in known):
        return "disagrees"
    is_significant = all(tau > 0 and p is not None and p <= SIGNIFICANT for tau, p in known)
    return "agrees" if is_significant else None


def _moved(record: dict[str, Any]) -> str | None:
    distance, jsd = (record.get(f"median_permutation_{name}") for name in ("distance", "jsd"))
    if distance is None or jsd is None:
        return None
    if jsd < INFORMATIVE_JSD:
        return "even"
    return "moved" if distance >= MOVED_DISTANCE else "unmoved"


def under(field: str, record: dict[str, Any], labels: Sequence[str], epsilon: float) -> str:
    """What the model says, or would say, by one way to weigh the units.

    Args:
        field: `attention`, `gradient`, `leave_one_out` or `adversarial_attention`.
        record: As a report holds it, with that field.
        labels: Of the model, in the order of its outputs.
        epsilon: Largest output distance of an adversary.
    """
    weights, units = record[field], record["units"]
    first = max(range(len(weights)), key=weights.__getitem__)
    unit, weight = f"“{units[first]}”", weights[first]
    predicts = f"Predicts {said(record, labels)}."
    most = f"Most attention: {unit}, {percent(weight)}."
    match field:
        case "attention":
            return f"{predicts} {most}"
        case "gradient":
            most = f"The slightest change of {unit} would move this most."
        case "leave_one_out":
            most = f"Without {unit} the output moves most: by {number(weight, 3)}."
        case _:
            return f"{_adversary(record, labels, epsilon)} {most}"
    return f"{predicts} {most}{_tau(field, record)}"


def _tau(field: str, record: dict[str, Any]) -> str:
    tau = record.get(f"tau_attention_{field}")
    return "" if tau is None else f" Tau with attention: {number(tau)}."


def _adversary(record: dict[str, Any], labels: Sequence[str], epsilon: float) -> str:
    moved = record["adversarial_distance"]
    change = f"the output moves by {number(moved, 3)} ({epsilon:g} is allowed)"
    if is_prediction_kept(record, moved, labels):
        return f"Still predicts {label_of(record['prediction'])}: {change}."
    return f"Predicts nearly the same: {change}."


def is_prediction_kept(record: dict[str, Any], moved: float, labels: Sequence[str]) -> bool:
    """Whether an output this far from the model's own surely has the same prediction.

    One sigmoid: its probability moves by the distance. Softmax: no probability moves by more than
    the distance, the total variation, so two draw nearer to each other by twice that at most.
    Several labels: only the mean change is known, so nothing is sure.

    Args:
        record: As a report holds it.
        moved: Output distance.
        labels: Of the model.
    """
    probability = record["probability"]
    if isinstance(probability, float):
        return abs(probability - 0.5) > moved
    if isinstance(record["prediction"], list) or len(probability) < 2:
        return False
    first, second = sorted(probability, reverse=True)[:2]
    return bool(first - second > 2 * moved)


def uniform(record: dict[str, Any]) -> str | None:
    """What the model says with equal attention on every unit; None where not measured.

    Args:
        record: As a report holds it.
    """
    if record.get("uniform_prediction") is None or record.get("uniform_distance") is None:
        return None
    predicted = label_of(record["uniform_prediction"])
    still = "Still predicts" if record["uniform_prediction"] == record["prediction"] else "Predicts"
    moved = number(record["uniform_distance"], 3)
    return f"{still} {predicted}: the output moves by {moved}."
