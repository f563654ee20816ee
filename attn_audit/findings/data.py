"""How much of the data is audited: what every number is of."""

from typing import TYPE_CHECKING

from attn_audit.findings.metric import Metric, TotalMetric
from attn_audit.statistics.estimate import Estimate

if TYPE_CHECKING:
    from attn_audit.results.examples import Examples
    from attn_audit.statistics.intervals import Resamples


def _left_out(examples: "Examples", resamples: "Resamples") -> Estimate:
    if not examples.n_rows:
        return Estimate(None, 0)
    return Estimate(examples.n_left_out / examples.n_rows, examples.n_rows)


LEFT_OUT = TotalMetric(
    "data.left_out",
    "Rows of the data that were left out: by --on-bad-row skip, and by labels that --label-map "
    "maps to nothing",
    number=_left_out, has_interval=False,
)  # fmt: skip

METRICS: tuple[Metric, ...] = (LEFT_OUT,)
