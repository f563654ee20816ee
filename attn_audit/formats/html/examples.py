"""What the example browser holds: the most telling examples, and a random sample."""

from dataclasses import dataclass
from typing import Any

from attn_audit.formats.numbers import count
from attn_audit.formats.safety import printable
from attn_audit.formats.sentences.example import MEANINGS, TAGS, tags, under, uniform
from attn_audit.formats.sentences.telling import NAMES, REASONS, label_of, said, spelled, varied
from attn_audit.results.report import Report

MEASURES = {
    "max_attention": "largest attention weight",
    "tau_attention_gradient": "tau attention - gradient",
    "tau_attention_leave_one_out": "tau attention - leave-one-out",
    "tau_gradient_leave_one_out": "tau gradient - leave-one-out",
    "median_permutation_distance": "output change when shuffled",
    "median_permutation_jsd": "divergence when shuffled",
    "share_permutations_within_epsilon": "share of shuffles within epsilon",
    "uniform_distance": "output change with equal attention",
    "max_jsd": "epsilon-max JSD",
    "relative_jsd": "epsilon-max JSD, relative",
    "adversarial_distance": "output change of the adversary",
    "audited_mass": "audited mass",
    "n_units": "number of units",
}
"""What examples can be sorted by."""

SHADED = ("attention", "gradient", "leave_one_out", "adversarial_attention")


@dataclass(frozen=True)
class Browser:
    """The example browser."""

    introduction: str
    note: str
    """How units are spelled, where that needs a word."""
    data: dict[str, Any]
    labels: tuple[str, ...]
    predictions: tuple[str, ...]
    measures: dict[str, str]
    verdicts: dict[str, str]
    """Those that some example has, by what the filter calls them."""


def browser(report: Report) -> Browser | None:
    """Everything that is told of single examples; None where the report has none.

    Args:
        report: Any report.
    """
    reasons: dict[str, list[str]] = {}
    for telling in report.telling_examples:
        reasons.setdefault(str(telling.record["id"]), []).append(telling.reason)
    records = {str(e.record["id"]): e.record for e in varied(report.telling_examples)}
    sampled = {str(record["id"]) for record in report.sampled_examples}
    for record in report.sampled_examples:
        records.setdefault(str(record["id"]), record)
    if not records:
        return None
    entries = [
        _entry(report, record) | {"reasons": reasons.get(id_, []), "sampled": id_ in sampled}
        for id_, record in records.items()
    ]
    measures = {
        field: name
        for field, name in MEASURES.items()
        if any(field in entry["measures"] for entry in entries)
    }
    return Browser(
        introduction=_introduction(report, len(reasons), len(sampled)),
        note=spelled(report),
        data={"examples": entries, "measures": measures, "tags": TAGS, "reasons": REASONS},
        labels=_distinct(entries, "gold"),
        predictions=_distinct(entries, "predicted"),
        measures=measures,
        verdicts=_verdicts(entries),
    )


def _introduction(report: Report, n_telling: int, n_sampled: int) -> str:
    drawn = f"{count(n_sampled)} drawn at random" if n_sampled else "none drawn at random"
    return (
        f"Of {count(report.data.n_examples)} examples: the {count(n_telling)} most telling, and "
        f"{drawn}. Telling ones are chosen because they show something, and are not typical; to "
        "see what is typical, show the random ones."
    )


def _entry(report: Report, record: dict[str, Any]) -> dict[str, Any]:
    labels, epsilon = report.model.labels, report.settings.epsilon
    gold = record.get("label")
    return {
        "id": printable(str(record["id"])),
        "said": printable(said(record, labels)),
        "label": None if gold is None else printable(label_of(gold)),
        "gold": _names(gold),
        "predicted": _names(record["prediction"]),
        "units": [printable(unit) for unit in record["units"]],
        "rows": [
            {
                "name": NAMES[field],
                "weights": [float(f"{weight:.3g}") for weight in record[field]],
                "under": printable(under(field, record, labels, epsilon)),
            }
            for field in SHADED
            if record.get(field)
        ],
        "uniform": None if (said_of := uniform(record)) is None else printable(said_of),
        "tags": tags(record),
        "measures": {
            field: float(f"{record[field]:.3g}")
            for field in MEASURES
            if record.get(field) is not None
        },
    }


def _names(label: Any) -> list[str]:
    """Labels to filter by: several, one, or none."""
    if label is None:
        return []
    return [printable(str(name)) for name in (label if isinstance(label, list) else [label])]


def _distinct(entries: list[dict[str, Any]], field: str) -> tuple[str, ...]:
    return tuple(sorted({name for entry in entries for name in entry[field]}))


def _verdicts(entries: list[dict[str, Any]]) -> dict[str, str]:
    found = {tag for entry in entries for tag in entry["tags"]}
    return {
        tag: f"{name}: {MEANINGS[tag]}" if tag in MEANINGS else name
        for tag, name in TAGS.items()
        if tag in found
    }
