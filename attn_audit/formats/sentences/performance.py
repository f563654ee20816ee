"""How well the model works, in words: what the explanations are explanations of."""

from attn_audit.formats.numbers import bracket, counted, number, percent, share
from attn_audit.results.summary import Interval, Performance

UNLABELLED = "no labels, so no accuracy is reported"

USELESS = (
    "The model does not measurably beat that answer, and explanations of a model that does not "
    "work explain nothing."
)


def in_short(performance: Performance | None) -> tuple[str, ...]:
    """How often the model is right, and what it must beat, in short lines.

    Args:
        performance: None where the data has no labels.
    """
    if performance is None or performance.accuracy.share is None:
        return (UNLABELLED,)
    beats = "" if beats_majority(performance) else " - not measurably beaten"
    area = performance.roc_auc
    apart = () if area is None else (f"ROC AUC {_written(area, performance.roc_auc_interval)}",)
    return (
        f"right in {share(performance.accuracy, 1)} of the examples",
        f"the most frequent answer alone: {percent(performance.majority_share, 1)}{beats}",
        *apart,
    )


def answer(performance: Performance | None) -> tuple[str, ...]:
    """How well the model works, in sentences.

    Args:
        performance: None where the data has no labels.
    """
    if performance is None or performance.accuracy.share is None:
        return (
            "The data has no labels, so no accuracy is reported: how well the model works is "
            "unknown here, and explanations of a model that does not work explain nothing.",
        )
    is_multilabel = performance.is_multilabel
    right = "gives exactly the right set of labels" if is_multilabel else "is right"
    accuracy = (
        f"The model {right} in {share(performance.accuracy, 1)} of "
        f"{counted(performance.n, 'labelled example')}; always giving the most frequent answer "
        f"would be right in {percent(performance.majority_share, 1)}."
    )
    sentences = [accuracy] if beats_majority(performance) else [accuracy, USELESS]
    return (*sentences, *_scores(performance))


def beats_majority(performance: Performance) -> bool:
    """Whether the accuracy's interval lies above what the most frequent answer reaches.

    Args:
        performance: With at least one labelled example.
    """
    interval = performance.accuracy.interval
    return interval is not None and interval.low > performance.majority_share


def _written(value: float, interval: Interval | None) -> str:
    return f"{number(value, 3)} {bracket(interval, 3)}".rstrip()


def _scores(performance: Performance) -> tuple[str, ...]:
    named = (
        ("macro F1", performance.macro_f1, performance.macro_f1_interval),
        ("micro F1", performance.micro_f1, performance.micro_f1_interval),
        ("ROC AUC", performance.roc_auc, performance.roc_auc_interval),
    )
    written = [
        f"{name} {_written(value, interval)}"
        for name, value, interval in named
        if value is not None
    ]
    sentence = f"{', '.join(written)}."
    return (sentence[0].upper() + sentence[1:],) if written else ()
