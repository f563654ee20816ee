"""What happened between two releases: did calibration move, or attention change?

A factor on all logits, as of a temperature, widens every margin, changes every distance, and leaves
decisions, rankings and shares of the margin as they are.
"""

from collections.abc import Mapping, Sequence

from attn_audit.findings import attended, performance, permutation
from attn_audit.findings.correlation.pairs import OF_TWINS
from attn_audit.findings.example import PREDICTION
from attn_audit.judgement.comparability import Pairs
from attn_audit.numbers import number, percent
from attn_audit.results.verdict import Change

NOTICEABLE = 0.01
"""A change of a share, of a tau, or of margins as a part of themselves, below which it is none."""

SCALE_FREE = (
    attended.EFFECT, attended.SMALL_EFFECT, attended.TOP_UNIT, attended.POLARITY, attended.AGAINST,
    attended.UNATTENDED, permutation.JSD, permutation.TURNED, permutation.HALF, permutation.REACH,
    *OF_TWINS.values(),
)  # fmt: skip
"""Numbers that a factor on all logits leaves as they are."""

MAX_NAMED = 3


def what_changed(changes: Sequence[Change], pairs: Pairs | None) -> str | None:
    """Tell calibration from attention, in a sentence.

    Args:
        changes: Of all numbers of two reports.
        pairs: None: the summaries alone were compared.

    Returns:
        None where one of the reports does not say how wide its margins are.
    """
    of = {change.metric: change for change in changes}
    margin = of.get(performance.MARGIN.name)
    if margin is None or not margin.base:
        return None
    names = [metric.name for metric in SCALE_FREE if _has_changed(of, metric.name)]
    turned = 0.0 if pairs is None else _share_turned(pairs)
    if turned >= NOTICEABLE:
        names.insert(0, f"{percent(turned)} of the decisions")
    wide = f"margins are {number(margin.new / margin.base)} times as wide"
    named = f"{', '.join(names[:MAX_NAMED])}{', ...' if len(names) > MAX_NAMED else ''}"
    match _has_changed(of, margin.metric, abs(margin.base)), bool(names):
        case True, False:
            return (
                f"Calibration moved, attention did not: {wide}, and decisions, rankings and shares "
                "of the margin stayed. Distances of outputs follow the margins, and say nothing of "
                "attention here."
            )
        case True, True:
            return f"Attention changed ({named}), and calibration moved as well: {wide}."
        case False, True:
            return f"Attention changed ({named}); calibration did not move."
        case _:
            return "Neither attention nor calibration changed by more than chance would."


def _has_changed(changes: Mapping[str, Change], name: str, unit: float = 1.0) -> bool:
    change = changes.get(name)
    return (
        change is not None
        and change.is_beyond_chance
        and abs(change.difference) >= NOTICEABLE * unit
    )


def _share_turned(pairs: Pairs) -> float:
    before, after = pairs.base.answers(PREDICTION), pairs.new.answers(PREDICTION)[pairs.places]
    differs = before != after
    return float((differs.any(axis=1) if differs.ndim > 1 else differs).mean())
