"""A data set as the user names it and as it was found, and what its fields are called."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Literal

from attn_audit.errors import RowError
from attn_audit.quoting import listed, quoted
from attn_audit.settings import AuditedTexts


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The data set's own names for what an example is made of."""

    id: str = "id"
    text: str = "text"
    text_pair: str = "text_pair"
    label: str = "label"
    labels: str = "labels"
    candidates: str = "candidates"
    ignored: Collection[str] = ()
    """Of `id` and `label`: what is not read, whatever it is called."""
    rationale: str | None = None
    """None: it is not read, whatever stands there."""
    shown: tuple[str, ...] = ()
    """Fields of scores that a product shows."""
    audited: AuditedTexts = "first"
    """Of pairs: whose rationale is read, and whose scores are."""
    prompt: tuple[str, ...] | None = None
    """Fields that stand beside the text in a prompt; there is then no second text. None: there is
    no prompt."""

    def wanted(
        self, names: Sequence[str], where: str, may_be_flags: Collection[str] = ()
    ) -> list[str]:
        """Those columns of a table that are read; everything else in a data set is left alone.

        Args:
            may_be_flags: Those that may say yes or no, which are read where none holds labels.

        Raises:
            RowError: None of them holds the text.
        """
        ours = {getattr(self, role) for role in ROLES}
        if self.text not in names:
            outermost = self.text.partition(".")[0]
            if outermost == self.text or outermost not in names:
                problem, hint = missing_field("text", self.text, names)
                raise RowError(where, problem, hint=hint)
        marked = filter(None, (self.rationale, self.rationale_pair))
        ours |= {*self.shown, *(self.prompt or ()), *marked}
        ours |= {name.partition(".")[0] for name in ours if name not in names}
        flags = () if self.hold_labels(names) else may_be_flags
        return [name for name in names if name in ours or name in flags]

    @property
    def rationale_pair(self) -> str | None:
        """The field of what people marked in the second text; None: it is not read."""
        is_read = self.rationale is not None and self.audited != "first"
        return f"{self.rationale}_pair" if is_read else None

    def hold_labels(self, names: Collection[str]) -> bool:
        """Whether one of a data set's fields is that of labels, or none is looked for."""
        ours = {self.label, self.labels}
        ours |= {name.partition(".")[0] for name in ours}
        return "label" in self.ignored or not ours.isdisjoint(names)

    @property
    def of_one_label(self) -> str | None:
        """The field of one label; None where its name was given to the field of several."""
        is_given_away = self.labels == self.label == "label"
        return None if is_given_away or "label" in self.ignored else self.label

    @property
    def of_several_labels(self) -> str | None:
        """The field of several labels; None where its name was given to the field of one."""
        is_taken = self.labels == self.of_one_label or "label" in self.ignored
        return None if is_taken else self.labels

    def renamed(self) -> dict[str, str]:
        """The optional fields that were given another name, by role."""
        names = {role: getattr(self, role) for role in ROLES if role != "text"}
        return {role: name for role, name in names.items() if name != role}


_NO_ROLES = ("ignored", "rationale", "shown", "audited", "prompt")
ROLES = tuple(field.name for field in fields(FieldNames) if field.name not in _NO_ROLES)
"""What a field can be: id, text, text_pair, label, labels, candidates."""


def missing_field(role: str, name: str, names: Iterable[str]) -> tuple[str, str]:
    """The sentence and the hint for a field that is not there.

    Example:
        >>> missing_field("text", "text", ["txt", "label"])
        ("no field 'text' (fields: txt, label)", 'Name it with --text-field.')
    """
    flag = f"--{role.replace('_', '-')}-field"
    return f"no field {quoted(name)} (fields: {listed(names)})", f"Name it with {flag}."


Quoting = Literal["auto", "none", "csv"]


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data set as the user names it."""

    location: str
    """A file, a pattern of several, `-`, a folder of splits, a URL of either, or a HuggingFace data
    set's name (`owner/name:config`)."""
    split: str = "test"
    """Which split of a folder or hub data set; `dev` and `validation` are one. Files ignore it."""
    fields: FieldNames = field(default_factory=FieldNames)
    label_map: Mapping[str, str] = field(default_factory=dict)
    """New names of labels, applied to gold labels and candidates; others keep their own. Of one
    that has no new name, rows are left out."""
    max_unpacked_mb: int | None = None
    """How much a packed file may hold; None: what is likely for its size."""
    more: tuple[str, ...] = ()
    """Other locations, whose rows come behind these."""
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
    more: tuple["ResolvedSource", ...] = ()
    """Other files, read behind it as if all were one."""
