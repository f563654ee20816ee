"""The first screen: a sentence, the numbers and a small picture for the model and each check."""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from attn_audit.formats.html import pictures
from attn_audit.formats.numbers import percent
from attn_audit.formats.sentences import (
    adversarial,
    correlation,
    overview,
    performance,
    permutation,
    sites,
    verdicts,
)
from attn_audit.results.report import Report
from attn_audit.results.summary import CorrelationSummary, Performance


@dataclass(frozen=True)
class Card:
    """One of the first screen's answers."""

    id: str
    """Of the section with the details; of the model's own card, `model`."""
    question: str
    verdict: str
    lines: tuple[str, ...]
    """The numbers, each with its interval."""
    picture: Markup


def cards(report: Report) -> tuple[Card, ...]:
    """The model first, then every check that was run, then layers and heads.

    Args:
        report: Any report.
    """
    return (_model(report), *_checks(report), *_sites(report))


def _model(report: Report) -> Card:
    found = report.performance
    return Card(
        id="model",
        question="Does the model work?",
        verdict=verdicts.works(report),
        lines=performance.in_short(found),
        picture=Markup() if found is None else _accuracy(found),
    )


def _accuracy(found: Performance) -> Markup:
    if found.accuracy.share is None:
        return Markup()
    model = pictures.Point("model", found.accuracy.share, found.accuracy.interval, "gradient")
    majority = pictures.Point("most frequent", found.majority_share, None, "yardstick")
    said = f"Model {percent(found.accuracy.share)}, most frequent answer {percent(majority.value)}"
    return pictures.points([model, majority], (0.0, 1.0), ("0%", "100%"), said)


def _checks(report: Report) -> Iterator[Card]:
    ranked, shuffled = report.checks.correlation, report.checks.permutation
    attacked = report.checks.adversarial
    questions = overview.QUESTIONS
    if ranked:
        yield Card(
            "correlation", questions["correlation"], verdicts.agrees(report, ranked),
            correlation.in_short(ranked), _taus(ranked),
        )  # fmt: skip
    if shuffled:
        yield Card(
            "permutation", questions["permutation"], verdicts.moves(report, shuffled),
            (*permutation.in_short(shuffled), *permutation.uniform_in_short(shuffled)),
            pictures.histogram(shuffled.distance, ("0: unmoved", "1"), "change of the output"),
        )  # fmt: skip
    if attacked:
        common = shuffled.within_epsilon if shuffled else None
        yield Card(
            "adversarial", questions["adversarial"], verdicts.differs(report, attacked),
            adversarial.in_short(attacked, common),
            pictures.histogram(
                attacked.relative_jsd, ("0%: the same", "100%: entirely different"),
                "difference that keeps the output",
            ),
        )  # fmt: skip


def _taus(summary: CorrelationSummary) -> Markup:
    named = (
        ("with gradients", summary.attention_gradient, "gradient"),
        ("with leave-one-out", summary.attention_leave_one_out, "leave-one-out"),
        ("yardstick", summary.gradient_leave_one_out, "yardstick"),
    )
    known = [
        pictures.Point(name, tau.mean, tau.interval, colour)
        for name, tau, colour in named
        if tau is not None and tau.mean is not None
    ]
    if not known:
        return Markup()
    low = min(0.0, *(point.value - 0.1 for point in known))
    ends = ("0: unrelated" if low == 0 else f"{low:.1f}", "1: same order")
    return pictures.points(known, (low, 1.0), ends, "Mean tau of each pair of rankings")


def _sites(report: Report) -> Iterator[Card]:
    if report.sites:
        lines = sites.in_short(report)
        yield Card(
            "sites", sites.QUESTION, "Each by itself, from one pass over the data.", lines, Markup()
        )
