"""What an audit of several sites will cost, in a sentence: dozens of heads are no small thing."""

from collections.abc import Sequence
from statistics import median_low

from attn_audit.checks.registry import measured_by, passes_of
from attn_audit.engine.batch import Plan
from attn_audit.models.contract import Encoded
from attn_audit.numbers import count, counted, duration


def cost_ahead(
    plan: Plan, sample: Sequence[Encoded], n_examples: int, seconds_of_pass: float | None
) -> str:
    """Passes of a text of median length, and the time of all.

    Args:
        sample: Some of the texts, at least one.
        seconds_of_pass: About; None where none was timed.

    Example:
        >>> cost_ahead(plan, sample, 16, 0.01)  # doctest: +SKIP
        '73 sites: about 1,638 passes a text, up to about 4.4 min for 16 texts'
    """
    sites = list(dict.fromkeys(plan.sites))
    n_units = median_low([item.n_units for item in sample])
    first = measured_by(plan.checks)
    each = [passes_of(check, first[check.id], n_units, sites) for check in plan.checks]
    passes = sum(audited + (len(sites) - 1) * beside for audited, beside in each)
    said = f"{count(len(sites))} sites: about {count(passes)} passes a text"
    if seconds_of_pass is None:
        return said
    seconds = duration(passes * n_examples * seconds_of_pass)
    return f"{said}, up to about {seconds} for {counted(n_examples, 'text')}"
