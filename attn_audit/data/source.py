"""A data set as the user names it, and as it was found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from attn_audit.data.fields import FieldNames

Quoting = Literal["auto", "none", "csv"]


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data set as the user names it."""

    location: str
    """A file, `-`, a folder of splits, a URL of either, or a HuggingFace data set's name
    (`owner/name:config`)."""
    split: str = "test"
    """Which split of a folder or hub data set; `dev` and `validation` are one. Files ignore it."""
    fields: FieldNames = field(default_factory=FieldNames)
    label_map: Mapping[str, str] = field(default_factory=dict)
    """New names of labels, applied to gold labels and candidates; others keep their own."""
    max_unpacked_mb: int | None = None
    """How much a packed file may hold; None: what is likely for its size."""
    quoting: Quoting = "auto"
    """Whether cells of a table are quoted; `auto`: in CSV, and in TSV if the whole file says so."""


class SourceKind(StrEnum):
    """Where examples can come from."""

    FILE = "file"
    STANDARD_INPUT = "standard input"
    SAVED = "saved data set"
    HUB = "hub data set"


@dataclass(frozen=True, slots=True)
class ResolvedSource:
    """The one file, stream or data set that a `DataSource` turned out to be."""

    kind: SourceKind
    name: str
    """What messages call it: the file's name, `<stdin>`, or the hub's name with its split."""
    location: str
    """The path of the file or folder that was found, `-`, or the hub's name."""
    split: str | None = None
    """The split asked of a hub; None where the location says it all."""
