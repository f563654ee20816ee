"""Where files lie: a local path, or a URL (`s3://bucket/folder`) that fsspec can open."""

from pathlib import Path

from upath import UPath

AnyPath = Path | UPath
"""Both read and write alike; what only local disks have (locks, temporary names) needs a `Path`."""


def is_url(name: str) -> bool:
    """Whether a name says by what protocol it is reached.

    Example:
        >>> is_url("s3://bucket/sst"), is_url("data/sst")
        (True, False)
    """
    return "://" in name


def located(name: str) -> AnyPath:
    """The place that a user's name stands for.

    Args:
        name: A path or URL.

    Raises:
        ValueError: A URL of a protocol that fsspec does not know.
        ImportError: The protocol's package is not installed; says which.
    """
    return UPath(name) if is_url(name) else Path(name)
