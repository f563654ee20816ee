"""What the fields of a data set are called."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields

from attn_audit.data.quoting import listed, quoted
from attn_audit.errors import RowError


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The data set's own names for what an example is made of."""

    id: str = "id"
    text: str = "text"
    text_pair: str = "text_pair"
    label: str = "label"
    labels: str = "labels"
    candidates: str = "candidates"

    def wanted(
        self, names: Sequence[str], where: str, may_be_flags: Collection[str] = ()
    ) -> list[str]:
        """Those columns of a table that are read; everything else in a data set is left alone.

        Args:
            names: All columns, in order.
            where: What messages call the table.
            may_be_flags: Those that may say yes or no, which are read where none holds labels.

        Raises:
            RowError: None of them holds the text.
        """
        if self.text not in names:
            problem, hint = missing_field("text", self.text, names)
            raise RowError(where, problem, hint=hint)
        ours = {getattr(self, role) for role in ROLES}
        flags = () if self.hold_labels(names) else may_be_flags
        return [name for name in names if name in ours or name in flags]

    def hold_labels(self, names: Collection[str]) -> bool:
        """Whether one of a data set's fields is that of labels."""
        return self.label in names or self.labels in names

    @property
    def of_one_label(self) -> str | None:
        """The field of one label; None where its name was given to the field of several."""
        is_given_away = self.labels == self.label == "label"
        return None if is_given_away else self.label

    @property
    def of_several_labels(self) -> str | None:
        """The field of several labels; None where its name was given to the field of one."""
        return None if self.labels == self.of_one_label else self.labels

    def renamed(self) -> dict[str, str]:
        """The optional fields that were given another name, by role."""
        names = {role: getattr(self, role) for role in ROLES if role != "text"}
        return {role: name for role, name in names.items() if name != role}


ROLES: tuple[str, ...] = tuple(field.name for field in fields(FieldNames))
"""What a field can be: id, text, text_pair, label, labels, candidates."""


def missing_field(role: str, name: str, names: Iterable[str]) -> tuple[str, str]:
    """The sentence and the hint for a field that is not there.

    Example:
        >>> missing_field("text", "text", ["txt", "label"])
        ("no field 'text' (fields: txt, label)", 'Name it with --text-field.')
    """
    flag = f"--{role.replace('_', '-')}-field"
    return f"no field {quoted(name)} (fields: {listed(names)})", f"Name it with {flag}."
