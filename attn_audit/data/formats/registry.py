"""The kinds of data files, by what their names end in."""

from attn_audit.data.formats.base import FileFormat
from attn_audit.data.formats.lines import JsonLines
from attn_audit.data.formats.parquet import Parquet
from attn_audit.data.formats.tables import CommaSeparated, TabSeparated

_EVERY: tuple[FileFormat, ...] = (JsonLines(), CommaSeparated(), TabSeparated(), Parquet())

FORMATS = {suffix: each for each in _EVERY for suffix in each.suffixes}
