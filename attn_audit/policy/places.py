"""Where to look when a bound does not pass."""

from attn_audit.findings.registry import checks
from attn_audit.results.report import Report

MAX_NAMED = 3


def where_to_look(check: str, report: Report) -> str:
    """The examples that show what a check found, and the parts of the report that part it.

    Args:
        check: Id of a check, or `performance`.
        report: Any report.
    """
    if check == "performance":
        return "In the records, `label` beside `prediction`."
    (findings,) = (found for found in checks() if found.check == check)
    place = f"The {check} section of the report"
    if not findings.telling:
        return f"{place}."
    of = findings.telling[0]
    named = [
        str(example.record["id"])
        for example in report.telling_examples
        if example.reason == of.reason and "id" in example.record
    ]
    parts = f"{place}, by prediction and by length"
    if not named:
        return f"{parts}."
    return f"{parts}; examples {of.where}: {', '.join(named[:MAX_NAMED])}."
