"""Erasure of whole batches, against leaving units out of one text at a time, and on made models."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from attn_audit.checks.base import AuditedBatch, Columns, read_batch
from attn_audit.checks.correlation import Correlation
from attn_audit.checks.erasure import Erasure
from attn_audit.data.example import Example
from attn_audit.errors import InvalidOutputError
from attn_audit.findings.erasure import ATTENTION, RANDOM, rankings_of
from attn_audit.findings.field import Field, Shape
from attn_audit.findings.measure import LEAVE_ONE_OUT, Measure
from attn_audit.findings.registry import added
from attn_audit.measures.base import Computation
from attn_audit.measures.registry import COMPUTATIONS, Importances
from attn_audit.models.contract import AuditedModel, Batch
from attn_audit.models.margin import Margin
from attn_audit.models.paper.network import EncoderKind
from attn_audit.models.task import TaskKind
from attn_audit.progress import following
from attn_audit.statistics.rankings import bin_sizes, curve_sizes, first_of, limits_of
from tests.tiny import tiny_examples, tiny_model

LEFT_OUT, LEFT_OUT_SIZE = rankings_of(LEAVE_ONE_OUT)
CHECK = Erasure((LEAVE_ONE_OUT.name,))
EXAMPLES = tiny_examples(5, lengths=(2, 12), seed=1)


def batch_of(model: AuditedModel, examples: Sequence[Example]) -> AuditedBatch:
    return read_batch(model, model.collate(model.encode(examples)), model.default_site, seed=1)


def judged(columns: Columns, row: int) -> dict[str, float]:
    return {name: values[row] for name, values in columns.items() if isinstance(values[row], float)}


def likely_without(whole: AuditedBatch, row: int, gone: int, operator: str | None) -> float:
    """How probable the prediction of one text alone is, without a bitset of units."""
    model, encoded = whole.model, whole.batch.encoded[row]
    batch = model.collate([encoded])
    keep = torch.tensor([[[not gone >> unit & 1 for unit in range(encoded.n_units)]]])
    p = float(model.task.probabilities(model.erase(batch, keep, operator))[0, 0, 0])
    return p if float(whole.reading.logits[row, 0]) >= 0 else 1 - p


def gain(whole: AuditedBatch, row: int, sets: Sequence[int], operator: str | None = None) -> float:
    full = likely_without(whole, row, 0, operator)
    return float(np.mean([full - likely_without(whole, row, gone, operator) for gone in sets]))


@pytest.mark.parametrize("encoder", EncoderKind)
def test_numbers_of_attention_are_those_of_one_text_and_one_set_at_a_time(
    encoder: EncoderKind,
) -> None:
    whole = batch_of(tiny_model(encoder), EXAMPLES)
    columns = CHECK.run(whole)
    for row, n in enumerate(whole.lengths.tolist()):
        order = np.argsort(-whole.explanation[row, :n].numpy(), kind="stable").tolist()
        every, found = (1 << n) - 1, judged(columns, row)
        sets, bins = first_of(order, curve_sizes(n)), first_of(order, bin_sizes(n))
        expected = {
            "erasure.attention": gain(whole, row, sets),
            "erasure.attention.neutral": gain(whole, row, sets, "neutral"),
            "erasure.attention.sufficiency": gain(whole, row, [every ^ these for these in sets]),
            "erasure.attention.comprehensiveness_bins": gain(whole, row, bins),
            "erasure.attention.sufficiency_bins": gain(whole, row, [every ^ b for b in bins]),
        }
        assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-5)


def test_limits_and_chance_of_short_texts_are_those_of_all_orders() -> None:
    whole = batch_of(tiny_model(), tiny_examples(3, lengths=(3, 5)))
    columns = CHECK.run(whole)
    for row, n in enumerate(whole.lengths.tolist()):
        orders = [first_of(list(o), curve_sizes(n)) for o in permutations(range(n))]
        table = {gone: gain(whole, row, [gone]) for gone in range(1 << n)}
        of_all = [float(np.mean([table[gone] for gone in sets])) for sets in orders]
        found = judged(columns, row)
        assert columns["erasure.limits"][row] == "exact"
        assert found["erasure.upper"] == pytest.approx(max(of_all), abs=1e-5)
        assert found["erasure.lower"] == pytest.approx(min(of_all), abs=1e-5)
        assert found["erasure.random"] == pytest.approx(float(np.mean(of_all)), abs=1e-5)


def test_a_longer_text_is_searched_where_it_is_asked_for_and_bounded_from_below() -> None:
    model = tiny_model(scale=2.0)
    whole = batch_of(model, tiny_examples(3, lengths=(11, 12), seed=4))
    searched = whole.ids[0]
    columns = Erasure((LEAVE_ONE_OUT.name,), searched=frozenset([searched])).run(whole)
    assert columns["erasure.limits"] == ["beam", None, None]
    n = int(whole.lengths[0])
    keep = torch.tensor([[[not s >> u & 1 for u in range(n)] for s in range(1 << n)]])
    batch = model.collate([whole.batch.encoded[0]])
    p = model.task.probabilities(model.erase(batch, keep))[0, :, 0].numpy()
    gains = p[0] - p if p[0] >= 0.5 else p - p[0]
    upper = judged(columns, 0)["erasure.upper"]
    assert upper <= limits_of(gains).upper + 1e-6
    assert upper >= judged(columns, 0)["erasure.random"]
    assert "erasure.lower" not in columns


@contextmanager
def additive(model: AuditedModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every unit adds what its word is worth to the probability of the second label."""

    def erase(batch: Batch, keep: Tensor, operator: str | None = None) -> Tensor:
        worth = torch.zeros(batch.unit_mask.shape, dtype=torch.float64)
        for row, item in zip(worth, batch.encoded, strict=True):
            values = [(int(unit.text[1:]) - 10) / 1000 for unit in item.units]
            row[: item.n_units] = torch.tensor(values, dtype=torch.float64)
        p = 0.5 + torch.einsum("bvu,bu->bv", keep.double(), worth)
        return torch.logit(p).unsqueeze(2)

    with monkeypatch.context() as patched:
        patched.setattr(model, "erase", erase)
        yield


def test_on_an_additive_model_leaving_one_out_reaches_the_limit_and_chance_is_half_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_model()
    whole = batch_of(model, tiny_examples(12, lengths=(2, 9), seed=7))
    with additive(model, monkeypatch):
        logits = model.erase(whole.batch, whole.batch.unit_mask.unsqueeze(1))[:, 0]
        margin = Margin.of(model.task, logits)
        importances = Importances(model, whole.batch, margin)
        columns = CHECK.run(replace(whole, margin=margin, importances=importances))
    for row, n in enumerate(whole.lengths.tolist()):
        found = judged(columns, row)
        assert found["erasure.leave_one_out"] == pytest.approx(found["erasure.upper"], abs=1e-9)
        worth = sum(int(unit.text[1:]) - 10 for unit in whole.batch.encoded[row].units) / 1000
        assert found["erasure.random"] == pytest.approx(abs(worth) * (n + 1) / (2 * n), abs=1e-9)
        assert found["erasure.leave_one_out.above_random"] >= 0.5


@pytest.mark.parametrize("kind", TaskKind)
def test_every_kind_of_output_is_judged(kind: TaskKind) -> None:
    n_labels = 2 if kind is TaskKind.BINARY else 4
    columns = CHECK.run(batch_of(tiny_model(kind=kind, n_labels=n_labels), EXAMPLES[:4]))
    for row in range(4):
        found = judged(columns, row)
        assert found["erasure.lower"] <= found["erasure.random"] <= found["erasure.upper"]
        assert found["erasure.lower"] <= found["erasure.attention"] <= found["erasure.upper"]


def test_the_order_and_the_company_of_texts_change_nothing() -> None:
    model = tiny_model(EncoderKind.CNN)
    examples = tiny_examples(6, lengths=(2, 14), seed=3)
    together = CHECK.run(batch_of(model, examples))
    backwards = CHECK.run(batch_of(model, examples[::-1]))
    few = frozenset(example.id for example in examples[:2])
    sampled = Erasure(CHECK.measures, sample=few).run(batch_of(model, examples))
    for row in range(6):
        assert judged(backwards, 5 - row) == pytest.approx(judged(together, row), abs=1e-6)
        alone = CHECK.run(batch_of(model, examples[row : row + 1]))
        assert judged(alone, 0) == pytest.approx(judged(together, row), abs=1e-6)
        if row < 2:
            assert judged(sampled, row) == pytest.approx(judged(together, row), abs=1e-6)
        else:
            assert sampled["erasure.status"][row] == "not_sampled"
            assert judged(sampled, row) == {}


def test_no_set_of_a_text_is_run_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    model, run = tiny_model(), list[tuple[str, str | None, tuple[bool, ...]]]()
    whole = batch_of(model, tiny_examples(3, lengths=(9, 13)))
    own = model.erase

    def counted(batch: Batch, keep: Tensor, operator: str | None = None) -> Tensor:
        for item, variants in zip(batch.encoded, keep.tolist(), strict=True):
            kept = [tuple(variant[: item.n_units]) for variant in variants]
            run.extend((item.example.id, operator, k) for k in kept if not all(k))
        return own(batch, keep, operator)

    whole.importances.left_out  # noqa: B018 - a measure's own passes are none of erasure's
    monkeypatch.setattr(model, "erase", counted)
    _, n_run = Erasure(CHECK.measures, searched=frozenset(whole.ids)).measured(whole)
    assert len(run) == len(set(run)) > 0
    assert 0 <= n_run - len(run) <= 2 * len(whole.ids)  # nothing left out is a set, too


def measure_of(name: str) -> Measure:
    field = Field[tuple[float, ...] | None](name, "A made one", shape=Shape.UNITS, null="no")
    return Measure(field, name, "", "", noise=0.0)


def made(values: list[float]) -> Computation:
    def scores(model: AuditedModel, batch: Batch) -> Tensor:
        table = torch.zeros(batch.unit_mask.shape, dtype=torch.float64)
        for row, item in zip(table, batch.encoded, strict=True):
            row[: item.n_units] = torch.tensor(values[: item.n_units])
        return table

    return Computation(scores)


SCORES = [0.3, -1.0, 2.0, 0.3, 0.3, 1.0, -2.0, 0.9, 0.3, 5.0, -0.1, 0.2]


def test_an_increasing_transform_of_scores_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = measure_of("first"), measure_of("second")
    monkeypatch.setitem(COMPUTATIONS, "first", made(SCORES))
    monkeypatch.setitem(COMPUTATIONS, "second", made([float(np.exp(s)) for s in SCORES]))
    with added(first, second):
        columns = Erasure(("first", "second")).run(batch_of(tiny_model(), EXAMPLES))
    for suffix in rankings_of(first)[0].fields:
        if suffix != "saco":  # weighs pairs by how far their scores differ
            names = [".".join(filter(None, ("erasure", m, suffix))) for m in ("first", "second")]
            assert columns[names[0]] == columns[names[1]]


def test_a_measure_without_scores_of_a_text_is_left_out_there_and_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent = measure_of("silent")
    monkeypatch.setitem(COMPUTATIONS, "silent", made([0.1, float("nan"), *SCORES]))
    with added(silent):
        columns = Erasure(("silent",)).run(batch_of(tiny_model(), EXAMPLES))
        assert set(columns["erasure.status"]) == {silent.status_undefined}
    assert "erasure.silent" not in columns or set(columns["erasure.silent"]) == {None}
    assert None not in columns["erasure.attention"]


def test_equal_scores_are_the_mean_of_drawn_orders_and_rank_like_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(COMPUTATIONS, "equal", made([1.0] * 12))
    with added(measure_of("equal")):
        columns = Erasure(("equal",)).run(
            batch_of(tiny_model(), tiny_examples(60, lengths=(2, 12), seed=5))
        )
    above = [value for value in columns["erasure.equal.above_random"] if value is not None]
    assert np.mean(above) == pytest.approx(0.5, abs=0.1)
    assert {value for value in columns["erasure.equal.saco"] if value is not None} == set()


def test_a_model_that_knows_no_neutral_unit_has_no_such_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_model()
    missing = SimpleNamespace(why_not="it has none")
    monkeypatch.setattr(model, "removals", {**model.removals, "neutral": missing})
    columns = CHECK.run(batch_of(model, EXAMPLES[:3]))
    assert not any("neutral" in name for name in columns)
    assert None not in columns["erasure.attention"]


def test_a_single_unit_is_no_order() -> None:
    columns = CHECK.run(batch_of(tiny_model(), [Example("a", "w5"), Example("b", "w5 w6")]))
    assert columns["erasure.status"] == ["untestable_single_unit", "measured"]
    assert judged(columns, 0) == {}
    assert judged(columns, 1).keys() >= {f.name for f in ATTENTION.fields.values()}
    assert judged(columns, 1).keys() >= {f.name for f in RANDOM.fields.values()}


def test_an_output_that_is_no_number_is_refused_by_the_texts_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_model()
    whole = batch_of(model, EXAMPLES[:2])
    whole.importances.left_out  # noqa: B018 - fails by itself
    own = model.erase

    def erase(batch: Batch, keep: Tensor, operator: str | None = None) -> Tensor:
        return own(batch, keep, operator).masked_fill(~keep[:, :, :1], torch.nan)

    monkeypatch.setattr(model, "erase", erase)
    with pytest.raises(InvalidOutputError, match=whole.ids[0]):
        CHECK.run(whole)


def test_halves_depend_on_the_id_alone_and_are_about_equal() -> None:
    examples = tiny_examples(40, lengths=(2, 3))
    model = tiny_model()
    first = CHECK.run(batch_of(model, examples))["erasure.half"]
    batch = model.collate(model.encode(examples[::-1]))
    other = CHECK.run(read_batch(model, batch, model.default_site, seed=9))["erasure.half"]
    assert first == other[::-1]
    assert 10 <= first.count("fit") <= 30


def test_scores_that_no_other_check_records_are_kept_of_the_texts_that_are_judged() -> None:
    whole = batch_of(tiny_model(), EXAMPLES)
    few = frozenset(whole.ids[:2])
    name = LEAVE_ONE_OUT.name
    found = Erasure((name,), sample=few, recorded=(name,)).run(whole)[name]
    wanted = Correlation((name,)).run(whole)[name]
    assert found[:2] == wanted[:2]
    assert list(found[2:]) == [None] * (len(whole.ids) - 2)
    assert name not in CHECK.run(whole)


def test_it_tells_how_far_it_is_over_all_that_it_leaves_out() -> None:
    """Long texts, whose best orders are searched for last."""
    examples = tiny_examples(3, lengths=(12, 14), seed=1)
    check = replace(CHECK, searched=frozenset(example.id for example in examples))
    silent, told = check.run(batch_of(tiny_model(), examples)), list[float]()
    with following(told.append):
        heard = check.run(batch_of(tiny_model(), examples))
    assert told == sorted(told)
    assert 0 < told[0] < 0.1
    assert sum(0.1 < done < 0.95 for done in told) > 14  # a level of the search for each unit
    assert told[-1] == pytest.approx(1)
    assert heard == silent
