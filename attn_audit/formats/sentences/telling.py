"""Telling examples in words: what each shows, what the model said of it, what was measured."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from attn_audit.formats.numbers import number, percent
from attn_audit.results.report import Report, TellingExample

REASONS = {
    "adversarial": "The most different attention that was found with the same output",
    "insensitive": "Shuffling changes the weights most, and the output least",
    "disagreeing": "Attention and the importance measures rank the units least alike",
    "agreeing": "Attention and the importance measures rank the units most alike",
}
"""What an example shows."""

BESIDE = {
    "adversarial": ("adversarial_attention", "gradient"),
    "insensitive": ("adversarial_attention", "gradient"),
    "disagreeing": ("gradient", "leave_one_out", "adversarial_attention"),
    "agreeing": ("gradient", "leave_one_out", "adversarial_attention"),
}
"""What attention is shown beside: the first of these that was measured."""

NAMES = {
    "attention": "the model's attention",
    "adversarial_attention": "adversarial attention",
    "gradient": "gradient importance",
    "leave_one_out": "leave-one-out importance",
}


def spelled(report: Report) -> str:
    """How units are written where a word of the text can be several of them; else nothing.

    Records hold units, not what stood between them: all are written with a space between.

    Args:
        report: Any report.
    """
    if report.model.findings is None or report.settings.unit == "word":
        return ""
    return "Units: tokens in the text's own spelling, a space between any two"


def varied(examples: Sequence[TellingExample]) -> list[TellingExample]:
    """The examples, one of each reason first, then the second of each, and none twice.

    Args:
        examples: In order of how telling they are, for each reason.
    """
    by_reason: dict[str, list[TellingExample]] = {}
    for example in examples:
        by_reason.setdefault(example.reason, []).append(example)
    rounds = zip_longest(*by_reason.values())
    ordered = [example for round_ in rounds for example in round_ if example is not None]
    by_id: dict[str, TellingExample] = {}
    for example in ordered:
        by_id.setdefault(str(example.record["id"]), example)
    return list(by_id.values())


def prediction(record: dict[str, Any], labels: Sequence[str]) -> str:
    """Which example it is, what the model says, and what is true, where that is known.

    Args:
        record: As a report holds it.
        labels: Of the model, in the order of its outputs.
    """
    gold = "" if record.get("label") is None else f", label {label_of(record['label'])}"
    return f"{record['id']}: predicted {said(record, labels)}{gold}"


def said(record: dict[str, Any], labels: Sequence[str]) -> str:
    """The model's prediction, and how probable it finds it where that is one number.

    Args:
        record: As a report holds it.
        labels: Of the model, in the order of its outputs.
    """
    predicted, probability = label_of(record["prediction"]), record["probability"]
    if isinstance(probability, float):  # binary: of the second label
        of_said = probability if record["prediction"] == labels[-1] else 1 - probability
        return f"{predicted} (probability {number(of_said, 3)})"
    if isinstance(record["prediction"], str):
        return f"{predicted} (probability {number(max(probability), 3)})"
    return predicted


def label_of(label: Any) -> str:
    """A label, or several, as one text.

    Args:
        label: A name, or a list of them.
    """
    return (
        ", ".join(map(str, label)) or "(none)" if isinstance(label, (list, tuple)) else str(label)
    )


def measured(record: dict[str, Any]) -> Iterator[str]:
    """What was measured, a line for each check that says something of it.

    Args:
        record: As a report holds it.
    """

    def value(name: str, decimals: int = 2) -> str | None:
        found = record.get(name)
        return None if found is None else number(found, decimals)

    if (jsd := value("max_jsd")) is not None:
        yield (
            f"adversary: divergence {jsd}, {percent(record.get('relative_jsd') or 0)} of the "
            f"possible; output moved by {value('adversarial_distance', 3)}"
        )
    if (moved := value("median_permutation_distance", 3)) is not None:
        yield f"shuffled: output moved by {moved}, divergence {value('median_permutation_jsd')}"
    taus = (
        ("with gradients", value("tau_attention_gradient")),
        ("with leave-one-out", value("tau_attention_leave_one_out")),
        ("between these two", value("tau_gradient_leave_one_out")),
    )
    known = [f"{tau} {name}" for name, tau in taus if tau is not None]
    if known:
        yield f"tau: {', '.join(known)}"
