"""What every kind of data file can do."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from attn_audit.data.rows import Row
from attn_audit.data.source import DataSource
from attn_audit.files import AnyPath


class FileFormat(ABC):
    """A kind of data file, known by its name."""

    suffixes: ClassVar[tuple[str, ...]]
    """What its name ends in, perhaps packed."""

    @abstractmethod
    def rows(self, path: AnyPath, name: str, source: DataSource) -> Iterator[Row]:
        """Its rows in order, with flat memory.

        Args:
            source: What its fields are called, and how it is to be read.

        Raises:
            RowError: A row is wrong; names file and line.
            UnreadableDataError: It cannot be read, or is another kind of file.
        """

    def n_rows(self, path: AnyPath, n_lines: int) -> int | None:
        """About how many rows it has; None where that cannot be told without reading it.

        Args:
            n_lines: Line ends among its bytes.
        """
        return None if path.name.lower().endswith(".gz") else n_lines
