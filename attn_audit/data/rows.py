"""One row of a data set, as every format gives it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from attn_audit.errors import RowError


@dataclass(frozen=True, slots=True)
class Row:
    """The values of one row and where it stands."""

    values: Mapping[str, object]
    """What was read, by field name; absent and None both mean that there is nothing."""
    names: Collection[str]
    """All fields that the row has, those included that are not read."""
    file: str
    number: int
    """The line in a text file, the row in a table; both from 1."""
    counted_in: str = "line"
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the file calls the classes that the numbers in a field stand for, by field."""

    @property
    def where(self) -> str:
        """File and line (`test.jsonl:17`), or file and row."""
        return self.place(self.number)

    def place(self, number: int) -> str:
        """Another line of the same file, in the same words."""
        return (
            line_of(self.file, number) if self.counted_in == "line" else f"{self.file} row {number}"
        )

    def error(self, problem: str, *, hint: str | None = None) -> RowError:
        """The error that says what is wrong with this row."""
        return RowError(self.where, problem, hint=hint)


def line_of(file: str, number: int) -> str:
    """A line as editors and compilers write it.

    Example:
        >>> line_of("test.jsonl", 17)
        'test.jsonl:17'
    """
    return f"{file}:{number}"
