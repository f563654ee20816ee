"""Where to look when a bound does not pass."""

from attn_audit.results.report import Report

TELLING = {
    "correlation": ("disagreeing", "where attention disagrees most with the measures"),
    "permutation": ("insensitive", "where attention is peaked and shuffling changes least"),
    "adversarial": ("adversarial", "where attention is peaked and could be elsewhere"),
}
"""By check: the reason of the telling examples that show it, and what they are."""

MAX_NAMED = 3


def where_to_look(check: str, report: Report) -> str:
    """The examples that show what a check found, and the parts of the report that part it.

    Args:
        check: Id of a check, or `performance`.
        report: Any report.
    """
    if check == "performance":
        return "In the records, `label` beside `prediction`."
    reason, meaning = TELLING[check]
    named = [
        str(example.record["id"])
        for example in report.telling_examples
        if example.reason == reason and "id" in example.record
    ]
    parts = f"The {check} section of the report, by prediction and by length"
    if not named:
        return f"{parts}."
    return f"{parts}; examples {meaning}: {', '.join(named[:MAX_NAMED])}."
