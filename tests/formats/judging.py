"""Verdicts for the formats: every outcome at every level, with and without a waiver."""

from datetime import date
from typing import Any

from attn_audit.findings.rule import Outcome
from attn_audit.results.report import Report
from attn_audit.results.verdict import Answer, Judgement, Level, MayShow, Verdict, Waiver
from attn_audit.statistics.summary import Interval

HOSTILE = (
    "\x1b[31m=1+1 |`*_[a](http://evil.example) <b>&\"' @me #7 $x$ {0} :tada: \u202e\uffff\n- x"
)
"""Every kind of text that a terminal, browser, spreadsheet or comment could act on."""

WAIVER = Waiver(metric="permutation.moved", reason="known", expires=date(2027, 6, 30))


def judgement(outcome: Outcome = Outcome.PASS, **given: Any) -> Judgement:
    """A bound of the share of outputs that shuffling moves."""
    told: dict[str, Any] = {
        "metric": "permutation.moved",
        "definition": "Outputs that shuffling moves by 0.1 or more.",
        "direction": "min",
        "limit": 0.5,
        "level": Level.FAIL,
        "outcome": outcome,
        "estimate": 0.377,
        "interval": Interval(low=0.354, high=0.4, method="wilson"),
        "n": 1730,
        "reason": "The whole interval is below 0.5.",
        "check": "permutation",
        "look_at": "" if outcome is Outcome.PASS else "The histogram of the distances.",
    }
    return Judgement(**{**told, **given})


def answer(verdict: MayShow, *judgements: Judgement, sentence: str | None = None) -> Answer:
    """An answer by these rules."""
    return Answer(
        verdict=verdict,
        sentence=sentence or "Words decide 8.0% of the texts.",
        because=("permutation.moved",),
        rules="1 (0123456789ab)",
        judgements=judgements,
    )


def verdict(*judgements: Judgement, policy: str = "default", of: Answer | None = None) -> Verdict:
    """What a policy of these bounds says, beside the answer of the report that it is of."""
    return Verdict(policy=policy, policy_sha256="ab" * 32, answer=of, judgements=judgements)


def every_kind() -> Verdict:
    """Passed, failed, inconclusive, warned of twice, and waived."""
    straddles = {"reason": "The interval straddles 0.5."}
    return verdict(
        judgement(metric="min_examples", estimate=1821, interval=None, limit=100, n=None,
                  check=None),
        judgement(metric="correlation.gap.attention_gradient", direction="max", limit=0.15,
                  check="correlation"),
        judgement(Outcome.FAIL),
        judgement(Outcome.INCONCLUSIVE, metric="adversarial.max_jsd", **straddles),
        judgement(Outcome.INCONCLUSIVE, metric="correlation.attention_gradient",
                  estimate=None, interval=None, n=None, reason="The check was not run."),
        judgement(Outcome.FAIL, metric="permutation.within_epsilon", level=Level.WARN),
        judgement(Outcome.INCONCLUSIVE, metric="permutation.uniform.unchanged",
                  level=Level.WARN, **straddles),
        judgement(Outcome.FAIL, metric="permutation.distance", waiver=WAIVER),
    )  # fmt: skip


def hostile_verdict() -> Verdict:
    """Someone else's text wherever a verdict has room for text."""
    text = dict.fromkeys(("metric", "definition", "reason", "look_at"), HOSTILE)
    waiver = Waiver(metric=HOSTILE, reason=HOSTILE, expires=date(2027, 6, 30))
    bounds = [judgement(outcome, **text) for outcome in Outcome]
    of = answer(MayShow.NO, *bounds, sentence=HOSTILE)
    return verdict(*bounds, judgement(Outcome.FAIL, waiver=waiver, **text), policy=HOSTILE, of=of)


def hostile(report: Report) -> Report:
    """Someone else's text wherever a report has room for text."""
    content = report.model_dump(mode="json")
    kept = {"sha256", "task", "rows", "unit", "method", "started", "reason", "removal", "replay"}
    kept |= {"quoting", "sharing", "dtype", "verdict", "direction", "level", "outcome"}
    kept |= {"answer_score"}

    def spoilt(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: spoilt(part, key) for key, part in value.items()}
        if isinstance(value, list):
            return value if name == "checks" else [spoilt(part, name) for part in value]
        return HOSTILE if isinstance(value, str) and name not in kept else value

    return Report.model_validate(spoilt(content))
