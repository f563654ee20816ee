"""What a policy says of a report, as Markdown."""

from attn_audit.formats.markdown.escaping import code, escaped, table
from attn_audit.formats.sentences.bounds import found, name, wanted
from attn_audit.formats.sentences.judgements import Standing, explained, in_short, standing
from attn_audit.results.verdict import Outcome, Verdict

MARKS = {
    Standing.FAILED: "❌",
    Standing.INCONCLUSIVE: "❔",
    Standing.WARNING: "⚠️",
    Standing.WAIVED: "⏸️",
    Standing.PASSED: "✅",
}

OUTCOMES = {
    Outcome.PASS: "✅ pass",
    Outcome.FAIL: "❌ fail",
    Outcome.INCONCLUSIVE: "❔ inconclusive",
}


def verdict_lines(verdict: Verdict) -> list[str]:
    """How the policy came out, a table of its bounds, and why those that did not pass did not.

    Args:
        verdict: Of any policy.
    """
    order = list(Standing)
    judged = sorted(verdict.judgements, key=lambda judgement: order.index(standing(judgement)))
    rows = [
        (f"{MARKS[standing(j)]} {standing(j)}", code(name(j)), wanted(j), escaped(found(j)))
        for j in judged
    ]
    reasons = [
        f"- {MARKS[standing(j)]} {code(name(j))}: {escaped(explained(j))}"
        for j in judged
        if standing(j) is not Standing.PASSED
    ]
    lines = [f"Policy {code(verdict.policy)}: {in_short(verdict)}.", ""]
    if rows:
        lines += [*table(("", "metric", "asked for", "found"), rows, n_left=2), ""]
    return [*lines, *reasons, ""] if reasons else lines
