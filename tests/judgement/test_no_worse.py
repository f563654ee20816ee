"""The packaged bounds of changes: of all that the rules read, broken by what gets worse."""

from pathlib import Path

import pytest

import attn_audit
from attn_audit.errors import ConfigurationError
from attn_audit.findings.rule import Outcome
from attn_audit.judgement.comparison import judge_changes
from attn_audit.judgement.gate import bounds_to_judge
from attn_audit.judgement.policy import load_policy
from attn_audit.results.report import Report
from attn_audit.results.verdict import Change
from attn_audit.statistics.summary import Interval
from tests.judged import with_number

RULES, NO_WORSE = load_policy(), load_policy("no-worse")
BOUNDS = {bound.metric: bound for bound in NO_WORSE.bounds}


def changed(by: float, n: int = 1000) -> dict[str, Change | None]:
    """Every number that is bounded, for the worse by so much."""
    return {
        name: Change(
            metric=name, definition=".", base=0.5, new=0.5, is_paired=True, n=n, n_undefined=0,
            difference=by if bound.direction == "max" else -by, effect_size=None,
            interval=Interval(
                low=(by if bound.direction == "max" else -by) - 0.001,
                high=(by if bound.direction == "max" else -by) + 0.001, method="bootstrap",
            ),
        )
        for name, bound in BOUNDS.items()
    }  # fmt: skip


def test_it_bounds_what_the_rules_read_on_the_side_on_which_they_do() -> None:
    assert {b.metric: b.direction for b in RULES.bounds} == {
        name: bound.direction for name, bound in BOUNDS.items()
    }
    assert all(bound.is_of_change and bound.why for bound in NO_WORSE.bounds)


@pytest.mark.parametrize(
    ("by", "outcome"),
    [(-0.2, Outcome.PASS), (0.0, Outcome.PASS), (0.06, Outcome.FAIL), (0.05, Outcome.FAIL)],
)
def test_worse_by_more_than_a_bound_fails(report: Report, by: float, outcome: Outcome) -> None:
    verdict = judge_changes(report, report, changed(by), NO_WORSE, None)
    assert verdict.outcome is outcome


@pytest.mark.parametrize(("by", "n_broken"), [(0.019, 0), (0.021, 0), (0.0211, 1), (0.0511, 7)])
def test_the_limits_are_these(report: Report, by: float, n_broken: int) -> None:
    judged = judge_changes(report, report, changed(by), NO_WORSE, None).judgements
    assert sum(judgement.outcome is Outcome.FAIL for judgement in judged) == n_broken


def test_few_examples_decide_nothing(report: Report) -> None:
    verdict = judge_changes(report, report, changed(0.0001, n=99), NO_WORSE, None)
    assert verdict.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("n", [1, 99])
def test_a_report_is_no_worse_than_itself_however_few_its_texts(report: Report, n: int) -> None:
    judged = judge_changes(report, report, changed(0.0, n=n), NO_WORSE, None).judgements
    assert {judgement.outcome for judgement in judged} == {Outcome.PASS}
    assert {judgement.interval for judgement in judged} == {None}


def test_of_another_model_a_number_that_stayed_needs_its_sample(report: Report) -> None:
    other = with_number(report, "performance.margin", 1.5)
    verdict = judge_changes(report, other, changed(0.0, n=99), NO_WORSE, None)
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_compare_takes_default_for_it_and_a_file_of_that_name_does_not(
    base: Path, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no-worse").write_text("nonsense")
    for name in ("default", "no-worse"):
        verdict = attn_audit.compare(str(base), str(new), name).verdict
        assert verdict is not None
        assert verdict.policy == "no-worse"


def test_a_report_alone_cannot_be_judged_by_it() -> None:
    with pytest.raises(ConfigurationError, match="no-worse bounds no number of a report") as raised:
        bounds_to_judge(NO_WORSE, of_change=False)
    assert "attn-audit compare" in str(raised.value.hint)
