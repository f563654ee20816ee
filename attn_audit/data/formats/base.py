"""What every kind of data file can do."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from attn_audit.data.rows import Row
from attn_audit.data.source import DataSource
from attn_audit.errors import RowError
from attn_audit.files import AnyPath


class FileFormat(ABC):
    """A kind of data file, known by its name."""

    suffixes: ClassVar[tuple[str, ...]]
    """What its name ends in, perhaps packed."""

    @abstractmethod
    def rows(self, path: AnyPath, name: str, source: DataSource) -> Iterator[Row | RowError]:
        """Its rows in order, with flat memory; for one that is wrong, and alone, its error.

        Args:
            source: What its fields are called, and how it is to be read.

        Raises:
            RowError: What is wrong concerns the rows behind it too; names file and line.
            UnreadableDataError: It cannot be read, or is another kind of file.
        """
