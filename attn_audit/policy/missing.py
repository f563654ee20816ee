"""Why a report does not hold a number that a policy asks for."""

from attn_audit.results.metrics import Metric
from attn_audit.results.report import Report


def why_missing(metric: Metric, report: Report) -> tuple[str, str]:
    """The reason, and what to do.

    Args:
        metric: That has no estimate in the report.
        report: Without it.
    """
    check, settings = metric.check, report.settings
    if check == "performance" or metric.name.startswith("permutation.uniform.accuracy"):
        if report.data.n_labelled == 0:
            return "The data has no labels.", "Audit data with gold labels."
        if check == "performance":
            return "It is not defined for this task and these labels.", "Bound another number."
    if check not in settings.checks:
        return (
            f"The {check} check was not run (only {', '.join(settings.checks)}).",
            f"Audit again with `--checks {','.join((*settings.checks, check))}`.",
        )
    if getattr(report.checks, check) is None:
        return (
            f"The {check} check was started and left no result: it raised an error.",
            "What the audit printed, and `--debug`.",
        )
    if check == "correlation" and len(settings.measures) < 2:
        return (
            f"It needs measures that were not computed (only {settings.measures[0]}).",
            "Audit again with `--measures gradient,leave_one_out`.",
        )
    return (
        f"The {check} check has no such number of any example.",
        "The degenerate examples of this check, by reason.",
    )
