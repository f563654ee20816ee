"""One sentence a check: direction first, and no more than the interval allows."""

import pytest

from attn_audit.formats.sentences import verdicts
from attn_audit.results.report import Report
from attn_audit.results.summary import (
    AdversarialSummary,
    CorrelationSummary,
    Distribution,
    Interval,
    PermutationSummary,
    Share,
)


def around(centre: float, half: float = 0.01) -> Distribution:
    """A number that is known about this well."""
    interval = Interval(low=centre - half, high=centre + half, method="bootstrap")
    return Distribution(
        n=100, mean=centre, sd=0.1, interval=interval, minimum=-1, quantiles={}, maximum=1
    )


def correlation(report: Report, yardstick: float, *gaps: float) -> CorrelationSummary:
    found = report.checks.correlation
    assert found is not None
    assert found.gradient_leave_one_out is not None
    assert found.gap is not None
    gap = dict(
        zip(("attention_gradient", "attention_leave_one_out"), map(around, gaps), strict=True)
    )
    mean = found.gradient_leave_one_out.model_copy(update={"mean": yardstick})
    return found.model_copy(
        update={"gradient_leave_one_out": mean, "gap": found.gap.model_copy(update=gap)}
    )


@pytest.mark.parametrize(
    ("yardstick", "gaps", "start"),
    [
        (0.6, (0.2, 0.3), "No: it agrees with them clearly less"),
        (0.6, (0.02, -0.2), "Yes: it agrees with them about as much"),
        (0.6, (0.0, 0.2), "In part: about as much with gradients, clearly less with leave"),
        (0.6, (0.2, 0.1), "In part: about as much with leave-one-out, clearly less with grad"),
        (0.6, (0.2, 0.155), "Open: it agrees with them somewhat less"),
        (0.3, (0.2, 0.3), "Open: the two measures themselves hardly agree"),
    ],
)
def test_attention_is_held_against_the_yardstick(
    report: Report, yardstick: float, gaps: tuple[float, float], start: str
) -> None:
    assert verdicts.agrees(correlation(report, yardstick, *gaps)).startswith(start)


def test_without_both_measures_agreement_is_open(only_correlation: Report) -> None:
    summary = only_correlation.checks.correlation
    assert summary is not None
    assert verdicts.agrees(summary).startswith("Open: without both measures")


def permutation(report: Report, share: float | None, half: float = 0.05) -> PermutationSummary:
    found = report.checks.permutation
    assert found is not None
    interval = None
    if share is not None:
        interval = Interval(low=share - half, high=share + half, method="wilson")
    moved = Share(count=1, n=0 if share is None else 9, share=share, interval=interval)
    return found.model_copy(update={"moved": moved})


@pytest.mark.parametrize(
    ("share", "start"),
    [
        (0.8, "In most examples: where attention lies matters"),
        (0.2, "In most examples it hardly does"),
        (0.52, "In about half"),
        (None, "Open: attention is too even"),
    ],
)
def test_outputs_move_or_do_not(report: Report, share: float | None, start: str) -> None:
    assert verdicts.moves(permutation(report, share)).startswith(start)


@pytest.mark.parametrize(
    ("unchanged", "start"), [(0.95, "In most examples it hardly"), (0.32, "In part: most outputs")]
)
def test_little_movement_that_changes_predictions_is_no_little(
    report: Report, unchanged: float, start: str
) -> None:
    """Outputs of many labels move by the mean over all of them: little for each, yet enough."""
    found = permutation(report, 0.2)
    interval = Interval(low=unchanged - 0.04, high=unchanged + 0.04, method="wilson")
    share = Share(count=1, n=9, share=unchanged, interval=interval)
    uniform = found.uniform.model_copy(update={"unchanged": share})
    assert verdicts.moves(found.model_copy(update={"uniform": uniform})).startswith(start)


def adversarial(report: Report, relative: float, n_gradient: int = 0) -> AdversarialSummary:
    found = report.checks.adversarial
    assert found is not None
    update = {"relative_jsd": around(relative), "n_gradient": n_gradient}
    return found.model_copy(update=update)


@pytest.mark.parametrize(
    ("relative", "n_gradient", "start"),
    [
        (0.95, 0, "Yes: almost entirely"),
        (0.905, 0, "Largely"),  # the interval reaches below 0.9
        (0.3, 0, "Not by much: the output ties"),
        (0.3, 5, "Not by much, as far as a search"),
    ],
)
def test_other_attention_gives_the_same_output_or_does_not(
    report: Report, relative: float, n_gradient: int, start: str
) -> None:
    assert verdicts.differs(adversarial(report, relative, n_gradient)).startswith(start)


def test_what_was_not_measured_is_not_known(nothing_measured: Report) -> None:
    checks = nothing_measured.checks
    assert checks.correlation
    assert checks.permutation
    assert checks.adversarial
    assert verdicts.agrees(checks.correlation) == verdicts.NOT_MEASURED
    assert verdicts.moves(checks.permutation) == verdicts.NOT_MEASURED
    assert verdicts.differs(checks.adversarial) == verdicts.NOT_MEASURED


def test_a_model_must_beat_the_most_frequent_answer(report: Report) -> None:
    found = report.performance
    assert found is not None
    assert verdicts.works(found).startswith("Yes")
    assert verdicts.works(found.model_copy(update={"majority_share": 0.9})).startswith("Not meas")
    assert verdicts.works(None).startswith("Not known")
