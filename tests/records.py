"""Records written by hand: what is not said of them is null."""

from collections.abc import Sequence

import pyarrow as pa

from attn_audit.results.table import Row, record_table, schemas


def table(rows: Sequence[Row], schema: pa.Schema | None = None) -> pa.Table:
    """As an audit has them.

    Args:
        schema: None: that of a binary model's examples.
    """
    schema = schema or schemas(1, is_multilabel=False)[0]
    columns = {name: [row.get(name) for row in rows] for name in schema.names}
    return record_table(columns, schema)
