"""What is found at every site; memory that is not enough makes batches smaller, no more."""

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import pytest
import torch

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.base import AuditedBatch, Columns
from attn_audit.checks.correlation import Correlation
from attn_audit.checks.permutation import Permutation
from attn_audit.engine import in_process
from attn_audit.engine.in_process import (
    LocalEngine,
    Plan,
    RecordTables,
    audit_batch,
    batches_of,
    cut,
)
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.errors import InvalidOutputError, OutOfMemoryError
from attn_audit.findings.example import ATTENTION, HEAD, LAYER, READOUT_UNIT
from attn_audit.findings.measure import LEAVE_ONE_OUT
from attn_audit.findings.permutation import (
    REACH_DISTANCE_FIELD,
    REACH_FIELD,
    REACH_TURNS_FIELD,
)
from attn_audit.findings.registry import site_fields
from attn_audit.models.capacity import BatchLimits, Capacity
from attn_audit.models.contract import AuditedModel, Batch, Reading, RowChoice, Site
from attn_audit.process import is_out_of_memory
from attn_audit.progress import Watcher
from attn_audit.results.table import Row
from tests.rows import RowsModel, texts

SITES = (Site(1), Site(0), Site(1), Site(0, 2), Site(1, 0))
PLAN = Plan((Correlation(), Permutation(0.05, 9), Adversarial(0.05, n_iterations=20)), SITES, 0)


REACH = {REACH_DISTANCE_FIELD, REACH_FIELD, REACH_TURNS_FIELD}
"""What is not measured at single heads."""


def audit(plan: Plan, *lengths: int) -> RecordTables:
    model = RowsModel()
    return audit_batch(model, model.encode(texts(*lengths)), plan, Stopwatch())


def test_a_site_is_found_as_if_it_were_audited_alone() -> None:
    """Its adversary and permutations change that site only, whatever else is asked for."""
    together = audit(PLAN, 6, 9)
    assert together.sites is not None
    for i, site in enumerate(SITES[1:]):
        alone = audit(dataclasses.replace(PLAN, sites=(site,)), 6, 9)
        of_site = together.sites.to_pylist()[i :: len(SITES) - 1]
        for found, expected in zip(of_site, alone.records.to_pylist(), strict=True):
            assert (found[LAYER.name], found[HEAD.name]) == (site.layer, site.head)
            left_out = REACH if site.head is not None else set()
            for field in set(site_fields()) - {LAYER, HEAD} - left_out:
                assert found[field.name] == expected[field.name], field.name


def test_the_audited_site_is_the_first() -> None:
    together = audit(PLAN, 7)
    alone = audit(dataclasses.replace(PLAN, sites=SITES[:1]), 7)
    assert together.records == alone.records
    assert alone.sites is None


def test_all_sites_are_read_in_one_pass() -> None:
    model = RowsModel()
    audit_batch(model, model.encode(texts(6, 9)), PLAN, Stopwatch())
    assert model.n_reads == 1


def test_the_readout_unit_is_recorded() -> None:
    model = RowsModel()
    first, second = model.encode(texts(6, 9))
    encoded = [first, dataclasses.replace(second, readout_unit=8)]
    found = audit_batch(model, encoded, PLAN, Stopwatch())
    assert found.records[READOUT_UNIT.name].to_pylist() == [None, 8]


def test_many_sites_make_small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "MAX_SITE_RECORDS", 2 * len(SITES))
    plan = dataclasses.replace(PLAN, checks=())
    engine = LocalEngine(RowsModel(), plan, Stopwatch(), Watcher())
    shards = list(engine.audit(cut(texts(5, 6, 7, 8, 4), plan)))
    ids = [shard.records["id"].to_pylist() for shard in shards]
    assert ids == [["text-0", "text-1"], ["text-2", "text-3"], ["text-4"]]


class Overflowing(Permutation):
    """A check that finds no number for the second example."""

    def run(self, audited: AuditedBatch) -> Columns:
        """Args: audited: Any batch."""
        return super().run(audited) | {"permutation.uniform.distance": [0.5, math.nan]}


def test_what_a_check_finds_must_be_numbers() -> None:
    plan = dataclasses.replace(PLAN, checks=(Overflowing(0.05, 9),))
    with pytest.raises(InvalidOutputError, match="output under other attention is not finite"):
        audit(plan, 6, 9)


SMALL = Plan((Correlation(), Permutation(0.05, 9)), (Site(1),), seed=0)
EXAMPLES = texts(*(5 + i % 17 for i in range(24)))


class Cramped(RowsModel):
    """Can read only so many tokens at once, padding included."""

    def __init__(self, room: int, error: Callable[[], Exception]) -> None:
        super().__init__()
        self.room, self.error = room, error
        self.sizes: list[int] = []

    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        self.sizes.append(batch.unit_mask.numel())
        if self.sizes[-1] > self.room:
            raise self.error()
        return super().read(batch, sites)


def audited(
    model: RowsModel, plan: Plan = SMALL, watcher: Watcher | None = None
) -> Iterator[RecordTables]:
    engine = LocalEngine(model, plan, Stopwatch(), watcher or Watcher())
    return engine.audit(cut(EXAMPLES, plan))


def records(model: RowsModel, plan: Plan = SMALL, watcher: Watcher | None = None) -> list[Row]:
    shards = audited(model, plan, watcher)
    return [record for shard in shards for record in shard.records.to_pylist()]


def no_memory() -> Exception:
    return RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


@cache
def undisturbed() -> list[Row]:
    return records(RowsModel())


@pytest.mark.parametrize(
    ("room", "error"),
    [(30, MemoryError), (100, torch.OutOfMemoryError), (400, no_memory)],
)
def test_records_do_not_depend_on_memory(room: int, error: Callable[[], Exception]) -> None:
    for found, expected in zip(records(Cramped(room, error)), undisturbed(), strict=True):
        for name, value in expected.items():
            if isinstance(value, float | list) and name != "units":
                assert found[name] == pytest.approx(value, abs=1e-9), name
            else:
                assert found[name] == value, name


def test_batches_stay_small_once_memory_was_not_enough() -> None:
    model = Cramped(100, MemoryError)
    records(model)
    failed = [size for size in model.sizes if size > model.room]
    assert all(later <= earlier // 2 + 21 for earlier, later in itertools.pairwise(failed))
    assert len(failed) <= 5


class Interrupted(RowsModel):
    """Has not enough memory for one batch, the third: as where others use it for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []

    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        self.batches.append([encoded.example.id for encoded in batch.encoded])
        if len(self.batches) == 3:
            raise MemoryError
        return super().read(batch, sites)


def test_a_batch_that_had_not_enough_memory_is_all_that_is_repeated() -> None:
    model = Interrupted()
    found = records(model, dataclasses.replace(SMALL, limits=BatchLimits(n_examples=4)))
    assert [record["id"] for record in found] == [example.id for example in EXAMPLES]
    passes = Counter(itertools.chain.from_iterable(model.batches))
    failed = set(model.batches[2])
    assert len(failed) == 4
    assert passes == {example.id: 2 if example.id in failed else 1 for example in EXAMPLES}


def test_it_is_said_once() -> None:
    notes: list[str] = []
    records(Cramped(30, MemoryError), watcher=Watcher(on_note=notes.append))
    assert notes == [
        "out of memory with 24 examples of up to 21 tokens at once: going on with smaller batches"
    ]


def test_nothing_is_said_where_memory_is_enough() -> None:
    notes: list[str] = []
    records(RowsModel(), watcher=Watcher(on_note=notes.append))
    assert notes == []


def test_an_example_that_does_not_fit_alone_is_named() -> None:
    with pytest.raises(
        OutOfMemoryError, match=r"'text-16': out of memory, though .* alone"
    ) as error:
        records(Cramped(20, MemoryError))
    assert error.value.exit_code == 3


def test_other_errors_are_no_matter_of_memory() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        records(Cramped(30, lambda: RuntimeError("shapes do not match")))
    assert not is_out_of_memory(ValueError("can't allocate memory"))


def test_the_longest_batch_comes_first() -> None:
    """Memory that is not enough shows at once."""
    model = Cramped(10**9, MemoryError)
    records(model, Plan(SMALL.checks, SMALL.sites, 0, BatchLimits(n_examples=4)))
    assert model.sizes[0] == max(model.sizes)


def test_the_capacity_is_that_of_before_when_memory_was_not_enough() -> None:
    model = Cramped(30, MemoryError)
    before = model.capacity
    records(model)
    assert model.capacity == before


class Watching(RowsModel):
    """Notes how much it may compute at once."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.tried = room, list[int]()

    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        self.tried.append(self.capacity.n_tokens)
        if self.tried[-1] > self.room:
            raise MemoryError
        return super().read(batch, sites)


def test_what_is_computed_beside_the_batch_becomes_smaller_too() -> None:
    """A text alone may fail because of all that is tried of it together."""
    model = Watching(room=100)
    assert len(records(model)) == len(EXAMPLES)
    assert min(model.tried) <= 100 < max(model.tried)


def of_rows(model: AuditedModel, limits: BatchLimits, rows: RowChoice) -> list[list[int]]:
    encoded = model.encode(texts(3, 9, 4, 9, 3))
    return batches_of(model, encoded, [Site(1, rows=rows)], limits)


def test_batches_are_known_before_they_are_read() -> None:
    """Three heads with a row of each of nine units: 243 weights of a long text."""
    model = RowsModel(every_row=True)
    assert of_rows(model, BatchLimits(), RowChoice.READOUT) == [[0, 4, 2, 1, 3]]
    model.capacity = Capacity(memory=256 * 3 * 9 * 9 * 2, cache=2**20, n_tokens=2**10)
    assert of_rows(model, BatchLimits(), RowChoice.READOUT) == [[0, 4], [2, 1], [3]]


def test_at_several_sites_little_of_a_batch_is_padding() -> None:
    """There a text is replayed so often that passes of padding would cost the most."""
    model = RowsModel()
    encoded = model.encode(texts(10, 11, 12, 13, 40, 10))
    batches = batches_of(model, encoded, [Site(1), Site(0)], BatchLimits())
    assert batches == [[0, 5, 1, 2], [3], [4]]


def test_one_text_is_never_divided() -> None:
    model = RowsModel()
    model.capacity = Capacity(memory=1, cache=1, n_tokens=1)
    assert sorted(map(len, of_rows(model, BatchLimits(), RowChoice.ALL))) == [1] * 5


def test_every_batch_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = RowsModel(every_row=True)
    model.capacity = Capacity(memory=256 * 3 * 20 * 20 * 4, cache=2**20, n_tokens=2**10)
    for found, expected in zip(records(model), records(RowsModel(every_row=True)), strict=True):
        assert found[ATTENTION.name] == pytest.approx(expected[ATTENTION.name])
        assert found[LEAVE_ONE_OUT.name] == pytest.approx(expected[LEAVE_ONE_OUT.name])
    assert model.n_reads == len(
        batches_of(model, model.encode(EXAMPLES), SMALL.sites, SMALL.limits)
    )
