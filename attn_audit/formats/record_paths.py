"""What records files are called. Apart from writing them, so that names are checked at once."""

from pathlib import Path

from attn_audit.errors import ConfigurationError

SUFFIXES = (".parquet", ".jsonl", ".csv")


def records_suffix(path: Path) -> str:
    """The suffix that decides the format of a records file.

    Args:
        path: Of the records file.

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

    Args:
        records: The records file.

    Example:
        >>> site_records_path(Path("audit.jsonl")).name
        'audit.sites.jsonl'
    """
    return records.with_name(f"{records.stem}.sites{records.suffix}")
