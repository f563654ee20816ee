"""Which formats results and records can be written in: a file's suffix says which."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attn_audit.errors import ConfigurationError

DOCUMENTS: Final[dict[str, str]] = {
    ".html": "attn_audit.formats.html",
    ".md": "attn_audit.formats.markdown",
    ".tex": "attn_audit.formats.latex",
    ".txt": "attn_audit.formats.terminal",
}
"""For people, by suffix: the module whose `render(document)` gives the text. It is imported when
its format is asked for."""

FIGURES: Final = (".svg", ".png", ".pdf")
"""Each figure is written in all of them."""

JUDGED: Final = (".xml", ".sarif")
"""Formats that hold judgements and nothing else: without a policy there is nothing to write."""

OF_RESULTS: Final = [".json", *DOCUMENTS]
"""Every result can be written so."""

FORMATS: Final = [".json", ".html", ".md", ".tex", *JUDGED, ".csv", ".txt"]
"""Reports and comparisons can also be written so."""


def register_format(suffix: str, module: str) -> None:
    """Write every result in a format of one's own, too, until the process ends.

    Args:
        suffix: Of its files, with the dot.
        module: Name of one that can be imported and has `render(document)`.

    Raises:
        ValueError: There is a format of that suffix already.
    """
    if suffix in FORMATS:
        raise ValueError(f"there is a format {suffix!r} already")
    DOCUMENTS[suffix] = module
    OF_RESULTS.append(suffix)
    FORMATS.append(suffix)


def require_format(path: Path, formats: Sequence[str] = FORMATS, *, is_judged: bool) -> None:
    """Refuse a file name that says no format, or one that cannot be made.

    Raises:
        ConfigurationError: Its suffix is no format's, or its format takes a policy and there is
            none.
    """
    if path.suffix not in formats:
        raise ConfigurationError(
            f"--output {path}: the suffix says the format, and {path.suffix!r} is none"
            + (" for this" if path.suffix in FORMATS else ""),
            hint=f"Use one of {', '.join(formats)}.",
        )
    if path.suffix in JUDGED and not is_judged:
        raise ConfigurationError(
            f"--output {path}: {path.suffix} holds how each bound of a policy came out, and no "
            "policy is named",
            hint="Name one with --policy FILE, or --policy default for the packaged one.",
        )


SUFFIXES = (".parquet", ".jsonl", ".csv")


def records_suffix(path: Path) -> str:
    """The suffix that decides the format of a records file.

    Raises:
        ConfigurationError: Another suffix than `.parquet`, `.jsonl` or `.csv`.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigurationError(
            f"--records {path}: the suffix says the format, and {path.suffix!r} is none",
            hint=f"Use one of {', '.join(SUFFIXES)}.",
        )
    return path.suffix


def site_records_path(records: Path) -> Path:
    """Where the site records go: beside the records, in the same format.

    Example:
        >>> site_records_path(Path("audit.jsonl")).name
        'audit.sites.jsonl'
    """
    return records.with_name(f"{records.stem}.sites{records.suffix}")
