"""What was audited, and the whole report in one line a check."""

from attn_audit.formats.numbers import count, counted, number
from attn_audit.formats.sentences import (
    adversarial,
    correlation,
    findings,
    performance,
    permutation,
    sites,
)
from attn_audit.formats.sentences.attention import audited_attention, units
from attn_audit.formats.sentences.removal import removal
from attn_audit.formats.sentences.self_check import self_checked
from attn_audit.results.description import ModelDescription
from attn_audit.results.report import DataDescription, Report, Settings
from attn_audit.results.summary import Distribution

QUESTIONS = {
    "correlation": "Does attention rank the words as gradients and leave-one-out rank them?",
    "permutation": "Does the prediction change when attention is shuffled?",
    "adversarial": "Could attention look entirely different without changing the prediction?",
}
"""What each check answers, word for word as the checks themselves say it."""

TARGET = "Every check explains the model's own prediction, right or wrong, never the gold label."

UNFINISHED = "The audit is not finished: these are the examples so far."

MAX_LABELS = 8
"""How many labels are named before the rest is only counted."""

NOT_RUN = ("not run",)


def in_short(report: Report) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The report at a glance: the model and each check, its finding and what to hold it against.

    Args:
        report: Any report; a check that was not run says so.
    """
    checks = report.checks
    shuffled, attacked = checks.permutation, checks.adversarial
    common = shuffled.within_epsilon if shuffled else None
    ranked = checks.correlation
    lines = (
        ("Model", performance.in_short(report.performance)),
        ("Correlation", correlation.in_short(ranked) if ranked else NOT_RUN),
        ("Permutation", permutation.in_short(shuffled) if shuffled else NOT_RUN),
        ("Adversarial", adversarial.in_short(attacked, common) if attacked else NOT_RUN),
        (sites.title(report.sites), sites.in_short(report)),
    )
    return tuple((name, found) for name, found in lines if found)


def answers(report: Report) -> dict[str, tuple[str, ...]]:
    """The answer of every check that was run, as sentences that stand alone, by the check's id.

    Args:
        report: Any report.
    """
    checks, settings = report.checks, report.settings
    shuffled = checks.permutation
    found: dict[str, tuple[str, ...]] = {}
    if checks.correlation:
        found["correlation"] = (*correlation.answer(checks.correlation), *removal(report))
    if shuffled:
        found["permutation"] = permutation.answer(
            shuffled, settings, is_multilabel=report.model.task == "multilabel"
        )
    if checks.adversarial:
        common = shuffled.within_epsilon if shuffled else None
        found["adversarial"] = adversarial.answer(checks.adversarial, settings.epsilon, common)
    return found


def audited(report: Report) -> tuple[tuple[str, str], ...]:
    """What was audited: headings and what belongs to them.

    Args:
        report: Any report.
    """
    model, data, settings = report.model, report.data, report.settings
    what = units(settings, is_pair=model.takes_pairs)
    entries = (
        ("Model", f"{model.architecture}; {_size(model)}"),
        ("", model.source),
        ("Task", task(model)),
        ("Data", _data(data)),
        ("Unfinished", "" if data.is_complete else UNFINISHED),
        ("Failed", failed(data)),
        ("Units", f"{what}: {_lengths(report.n_units)}{_truncated(data, settings)}"),
        ("Attention", audited_attention(report)),
        ("Batches", _batches(model)),
        ("Self-check", self_checked(report.self_checks) if report.self_checks else ""),
        ("Target", TARGET),
    )
    return tuple((name, text) for name, text in entries if text)


def _batches(model: ModelDescription) -> str:
    """Nothing where texts share them, as nearly everywhere."""
    found = model.findings
    return "" if found is None or found.sharing == "texts" else findings.batching(found)


def task(model: ModelDescription) -> str:
    """The kind of task and the first few labels.

    Args:
        model: Any model's description.
    """
    named = ", ".join(model.labels[:MAX_LABELS])
    more = len(model.labels) - MAX_LABELS
    rest = f" and {more} more" if more > 0 else ""
    return f"{model.task}, {counted(len(model.labels), 'label')}: {named}{rest}"


def _size(model: ModelDescription) -> str:
    """Numbers of half the precision, or twice, are worth a word: they decide what can be told."""
    precision = "" if model.dtype == "float32" else f" in {model.dtype}"
    return f"{counted(model.n_parameters, 'parameter')}{precision}"


def _data(data: DataDescription) -> str:
    split = f", split {data.split}" if data.split else ""
    sample = "" if data.limit is None else f" (at most {count(data.limit)} drawn at random)"
    return f"{data.name}{split}: {counted(data.n_examples, 'example')}, {_labelled(data)}{sample}"


def failed(data: DataDescription) -> str:
    """How many examples could not be audited; nothing where all could.

    Args:
        data: That was audited.
    """
    if data.n_failed == 0:
        return ""
    return (
        f"{counted(data.n_failed, 'example')} of {count(data.n_read)} could not be audited, and "
        "count for nothing below: the records say why"
    )


def _labelled(data: DataDescription) -> str:
    if data.n_labelled == 0:
        return "without labels"
    if data.n_labelled == data.n_examples:
        return "all labelled"
    return f"{count(data.n_labelled)} of them labelled"


def _lengths(n_units: Distribution) -> str:
    median = n_units.quantiles.get("0.5")
    if median is None or n_units.minimum is None or n_units.maximum is None:
        return "no example"
    span = f"{number(n_units.minimum, 0)} to {number(n_units.maximum, 0)}"
    return f"{median:g} at the median ({span})"


def _truncated(data: DataDescription, settings: Settings) -> str:
    if data.n_truncated == 0:
        return ""
    limit = "" if settings.max_length is None else f" at {counted(settings.max_length, 'token')}"
    return f"; {counted(data.n_truncated, 'example')} truncated{limit}"
