"""How leave-one-out left units out, in words: what its numbers are numbers of."""

from attn_audit.formats.numbers import counted
from attn_audit.results.description import Findings
from attn_audit.results.report import Report

SHIFT = "the tokens behind it move up"


def removal(report: Report) -> tuple[str, ...]:
    """How units were left out and why so; nothing where leave-one-out was not measured.

    Args:
        report: Any report; the paper's models have one way only, and say nothing.
    """
    findings = report.model.findings
    if findings is None or "leave_one_out" not in report.settings.measures:
        return ()
    unit = report.settings.unit
    if findings.removal == "delete":
        return (f"Leave-one-out deletes each {unit}, and {SHIFT}: {_why_deleted(findings)}.",)
    together = ", all its tokens together" if unit == "word" else ""
    hidden = f"Leave-one-out hides each {unit} by the attention mask{together}"
    return (f"{hidden}; the others keep their places.", *_readout(report))


def _why_deleted(findings: Findings) -> str:
    if findings.masking_leaks is None:
        return "this model takes no attention mask"
    if findings.masking_leaks:
        return "in this model a masked token still moves the output"
    return "as was asked for, masking would be exact"


def _readout(report: Report) -> tuple[str, ...]:
    n = report.data.n_readout_deleted
    if n == 0:
        return ()
    unit = report.settings.unit
    return (
        f"In {counted(n, 'example')} the {unit} that the output is read from is itself audited; "
        f"what it holds cannot be hidden, so that {unit} is deleted.",
    )
