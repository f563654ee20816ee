"""Memory that runs out in the middle of a shard: the batch is audited again in smaller ones."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torch import Tensor

import attn_audit
from attn_audit.errors import OutOfMemoryError
from attn_audit.models.contract import Batch, Reading, Site
from attn_audit.results.table import Row
from tests.faults.comparing import contents
from tests.rows import RowsModel, texts

EXAMPLES = texts(8, 8, 16, *(9 + i % 7 for i in range(33)))
"""Two are so short that the self-check does not read the longer ones below."""

AT = "text-17"
"""In the second of three shards, and not in the first of its three batches."""

SETTINGS: dict[str, Any] = {
    "checks": "correlation,permutation",
    "batch_size": 4,
    "shard_size": 12,
    "permutations": 9,
    "reproducible": True,
}


class Cramped(RowsModel):
    """Runs out of memory where an example is in a batch with others, at some stage of it."""

    def __init__(self, stage: str = "nowhere", most: int = 1) -> None:
        super().__init__(n_layers=1)  # leverage by layer would read all texts first
        self.stage, self.most = stage, most
        self.read_ids: list[list[str]] = []

    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        self.read_ids.append([encoded.example.id for encoded in batch.encoded])
        self.require(batch, "reading")
        return super().read(batch, sites)

    def erase(self, batch: Batch, keep: Tensor, operator: str | None = None) -> Tensor:
        self.require(batch, "leaving out")
        return super().erase(batch, keep, operator)

    def require(self, batch: Batch, stage: str) -> None:
        ids = [encoded.example.id for encoded in batch.encoded]
        if stage == self.stage and AT in ids and len(ids) > self.most:
            raise MemoryError


def audit(folder: Path, model: Cramped, **settings: Any) -> Cramped:
    attn_audit.audit(model, EXAMPLES, run_dir=str(folder), **{**SETTINGS, **settings})
    return model


def records(folder: Path) -> list[Row]:
    shards = sorted(folder.glob("records/*.parquet"))
    rows: list[Row] = pa.concat_tables(map(pq.read_table, shards)).to_pylist()
    return rows


def near(value: object) -> object:
    """What equals it up to rounding, in lists too."""
    if isinstance(value, list):
        return [near(item) for item in value]
    return pytest.approx(value, abs=1e-6) if isinstance(value, float) else value


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of an audit with room enough."""
    folder = tmp_path_factory.mktemp("plain")
    audit(folder, Cramped())
    return folder


@pytest.mark.parametrize("stage", ["reading", "leaving out"])
def test_the_batch_is_halved_and_no_other_repeated(tmp_path: Path, plain: Path, stage: str) -> None:
    with pytest.warns(UserWarning, match="out of memory with 4 examples") as noted:
        model = audit(tmp_path / "cramped", Cramped(stage))
    assert len(noted) == 1
    found, expected = records(tmp_path / "cramped"), records(plain)
    assert [record["id"] for record in found] == [example.id for example in EXAMPLES]
    for one, other in zip(found, expected, strict=True):
        for name, value in other.items():
            assert one[name] == near(value), (one["id"], name)
    shard = {example.id for example in EXAMPLES[12:24]}
    *failed, last = [ids for ids in model.read_ids if AT in ids]
    assert last == [AT]
    after_self_check = next(i for i, ids in enumerate(model.read_ids) if len(ids) == 4)
    read = [ids for ids in model.read_ids[after_self_check:] if set(ids) <= shard]
    passes = Counter(name for ids in read for name in ids)
    tried_in_vain = Counter(name for ids in failed for name in ids)
    assert passes == Counter(shard) + tried_in_vain
    next_shard = {example.id for example in EXAMPLES[24:]}
    assert [len(ids) for ids in model.read_ids if set(ids) <= next_shard] == [4, 4, 4]


def test_an_example_too_large_alone_leaves_what_was_finished(tmp_path: Path, plain: Path) -> None:
    with (
        pytest.warns(UserWarning, match="out of memory with 4"),
        pytest.raises(OutOfMemoryError, match=AT) as raised,
    ):
        audit(tmp_path / "cramped", Cramped("reading", most=0))
    assert "go on with --resume" in raised.value.__notes__[0]
    assert len(records(tmp_path / "cramped")) == 12
    audit(tmp_path / "cramped", Cramped(), resume=True)
    assert contents(tmp_path / "cramped") == contents(plain)
