"""The record of one audited example: a row of the field table's columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from attn_audit.findings.example import FAILED, ID, STATUS
from attn_audit.findings.field import Field

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What was found for one example, or for one at one site. A field that is not there is null."""

    values: Mapping[str, Any]
    """By the fields' names."""

    def __getitem__(self, field: Field[T]) -> T:
        value: Any = self.values.get(field.name)
        found: T = value
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.plain() == other.plain()

    @property
    def id(self) -> str:
        """The example's."""
        return self[ID]

    @property
    def has_failed(self) -> bool:
        """Whether nothing could be measured."""
        return self.values.get(STATUS.name) == FAILED

    def plain(self) -> dict[str, Any]:
        """What is not null, as JSON knows it."""
        return {name: plain(value) for name, value in self.values.items() if value is not None}


def plain(value: Any) -> Any:
    """A value as JSON knows it: tuples and matrices become lists."""
    if isinstance(value, tuple):
        return list(value)
    return value.tolist() if hasattr(value, "tolist") else value
