"""Table 2 of the paper: tau within each predicted class."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from attn_audit.document import Cell, Table
from attn_audit.findings.check import BY_PREDICTION, parts_of
from attn_audit.findings.thresholds import SIGNIFICANT
from attn_audit.numbers import count, digits, mean, number, share
from attn_audit.statistics.summary import CountedShare, Distribution

if TYPE_CHECKING:
    from attn_audit.findings.pairs import PairMetrics
    from attn_audit.results.report import Report

P_VALUE = f"p <= {SIGNIFICANT:g}"
"""Over the share of significant taus, of either sign."""

TESTED = (
    f"{P_VALUE}: share of the taus that are significant, above or below 0, each by itself; of the "
    "examples, those too short to be tested are left out of it"
)
"""What stands in that column, of which the examples beside it may be more."""


def by_class(report: "Report", pairs: "Iterable[tuple[str, PairMetrics]]") -> Table:
    """Mean, standard deviation and share of significant taus of each predicted class, and of all.

    Args:
        pairs: What is compared, by what tables call it.
    """
    return Table(
        ("", "examples", "tau", "sd", P_VALUE),
        tuple(row for name, of in pairs for row in _rows(report, name, of)),
        f"Tau {BY_PREDICTION}: Table 2 of the paper",
        note=f"sd: over examples; {TESTED}",
    )


def _rows(report: "Report", name: str, of: "PairMetrics") -> Iterator[tuple[Cell, ...]]:
    tau, significant = report[of.tau], report.get(of.significant)
    shares = {} if significant is None else {p.name: p for p in significant.by_prediction}
    decimals = digits(tau)
    for part in parts_of(name, tau.by_prediction):
        if isinstance(part, str):
            yield (part,)
        else:
            yield _row(f"  {part.name}", part.distribution, shares.get(part.name), decimals)
    yield _row("  all", tau, significant, decimals)


def _row(
    name: str, tau: Distribution, significant: CountedShare | None, decimals: int
) -> tuple[Cell, ...]:
    spread = "-" if tau.sd is None else number(tau.sd, decimals)
    share_of_it = "-" if significant is None else share(significant)
    return name, count(tau.n), mean(tau, decimals), spread, share_of_it
