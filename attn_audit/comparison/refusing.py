"""Refusing to compare what cannot be compared."""

from collections.abc import Iterable

from attn_audit.comparison.differences import (
    Difference,
    of_data,
    of_definitions,
    of_settings,
    of_task,
)
from attn_audit.errors import ComparisonRefusedError
from attn_audit.results.report import Report


def require_comparable(base: Report, new: Report, *, allow_different_data: bool) -> None:
    """Refuse two reports whose numbers do not mean the same.

    Args:
        base: One report.
        new: The other.
        allow_different_data: Whether other examples are no reason.

    Raises:
        ComparisonRefusedError: Names everything of the first kind that differs.
    """
    _refuse("the reports are of different tasks", of_task(base, new), "Compare models of one task.")
    _refuse(
        "the reports' numbers are defined differently",
        of_definitions(base, new),
        "Audit both models again with this version, and with the same `--removal`.",
    )
    _refuse(
        "the reports were made with different settings",
        of_settings(base, new),
        "Audit the new model again with the base's settings.",
    )
    if allow_different_data:
        return
    _refuse(
        "the reports are of different data",
        of_data(base, new),
        "Audit both models on the same data, or compare the summaries alone with "
        "`--allow-different-data`.",
    )


def _refuse(why: str, differences: Iterable[Difference], hint: str) -> None:
    named = "; ".join(map(str, differences))
    if named:
        raise ComparisonRefusedError(f"{why}: {named}", hint=hint)
