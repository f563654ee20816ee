"""Which formats a report can be written in: a file's suffix says which."""

from pathlib import Path
from typing import Final

from attn_audit.errors import ConfigurationError

FORMATS: Final[dict[str, str]] = {
    ".json": "attn_audit.formats.json",
    ".html": "attn_audit.formats.html",
    ".md": "attn_audit.formats.markdown",
    ".xml": "attn_audit.formats.junit",
    ".sarif": "attn_audit.formats.sarif",
    ".csv": "attn_audit.formats.csv",
    ".txt": "attn_audit.formats.text",
}
"""By suffix the module whose `render(report, verdict)` gives the text; the verdict, what a policy
says of the report, may be None. A module is imported when its format is asked for."""

COMPARISONS: Final[dict[str, str]] = {
    ".json": "attn_audit.formats.comparison.json",
    ".html": "attn_audit.formats.comparison.html",
    ".md": "attn_audit.formats.comparison.markdown",
    ".xml": "attn_audit.formats.comparison.junit",
    ".sarif": "attn_audit.formats.comparison.sarif",
    ".csv": "attn_audit.formats.comparison.csv",
    ".txt": "attn_audit.formats.comparison.text",
}
"""The same for two reports that are compared: each has `render(comparison)`."""

JUDGED: Final = (".xml", ".sarif")
"""Formats that hold judgements and nothing else: without a policy there is nothing to write."""


def require_format(path: Path, *, is_judged: bool) -> None:
    """Refuse a file name that says no format, or one that cannot be made.

    Args:
        path: Of a report to write.
        is_judged: Whether a policy judges the report.

    Raises:
        ConfigurationError: Its suffix is no format's, or its format takes a policy and there is
            none.
    """
    if path.suffix not in FORMATS:
        raise ConfigurationError(
            f"--output {path}: the suffix says the format, and {path.suffix!r} is none",
            hint=f"Use one of {', '.join(FORMATS)}.",
        )
    if path.suffix in JUDGED and not is_judged:
        raise ConfigurationError(
            f"--output {path}: {path.suffix} holds how each bound of a policy came out, and no "
            "policy is named",
            hint="Name one with --policy FILE, or --policy default for the packaged one.",
        )
