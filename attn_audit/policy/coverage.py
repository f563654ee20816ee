"""How many examples a check says something about."""

from attn_audit.results.report import Report


def coverage(check: str, report: Report) -> int | None:
    """Examples for which a check has all of its numbers.

    Of the correlation check these are the examples with every tau that was asked for: those with
    fewer than 5 units count, since only their significance is untestable.

    Args:
        check: Id of a check, or `performance`.
        report: Any report.

    Returns:
        The number of examples; None where the check has no result at all, which its bounds say,
        and for `performance`, which is no check.
    """
    checks = report.checks
    if check == "correlation" and checks.correlation is not None:
        found = checks.correlation
        gaps = (
            ()
            if found.gap is None
            else (found.gap.attention_gradient, found.gap.attention_leave_one_out)
        )
        taus = (
            found.attention_gradient,
            found.attention_leave_one_out,
            found.gradient_leave_one_out,
        )
        return min((tau.n for tau in (*taus, *gaps) if tau is not None), default=0)
    if check == "permutation" and checks.permutation is not None:
        return checks.permutation.distance.n
    if check == "adversarial" and checks.adversarial is not None:
        return checks.adversarial.max_jsd.n
    return None
