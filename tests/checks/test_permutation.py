"""The permutation check against brute force."""

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.checks.permutation import Permutation, orders_within
from attn_audit.data.example import Example
from attn_audit.models.capacity import Capacity
from attn_audit.models.task import TaskKind
from attn_audit.randomness import example_keys, permutations
from tests.brute import permuted
from tests.tiny import tiny_examples, tiny_model


def audited(examples: list[Example], **settings: object) -> AuditedBatch:
    model = tiny_model(**settings)  # type: ignore[arg-type]
    return read_batch(model, model.collate(model.encode(examples)), model.default_site, seed=0)


def output_distance(whole: AuditedBatch, i: int, weights: np.ndarray) -> float:
    """Replayed alone, one permutation at a time."""
    rows = torch.zeros_like(whole.reading.attention).unsqueeze(1)
    rows[i, 0, 0, : len(weights)] = torch.tensor(weights)
    probability = whole.model.task.probabilities(whole.reading.replay(rows).squeeze(1))
    return float(whole.model.task.distance(probability, whole.probabilities)[i])


@pytest.mark.parametrize("n_units", [2, 3, 4])
def test_short_texts_get_the_median_over_all_permutations(n_units: int) -> None:
    whole = audited(tiny_examples(3, lengths=(n_units, n_units)))
    columns = Permutation(epsilon=0.05).run(whole)
    for i in range(3):
        a = whole.explanation[i, :n_units].numpy()
        every = [a[list(order)] for order in itertools.permutations(range(n_units))]
        distances = [output_distance(whole, i, weights) for weights in every]
        divergences = [jensenshannon(a, weights) ** 2 for weights in every]
        found = (
            columns["permutation.distance"][i],
            columns["permutation.jsd"][i],
            columns["permutation.within_epsilon"][i],
        )
        expected = (
            np.median(distances),
            np.median(divergences),
            np.mean(np.array(distances) <= 0.05),
        )
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.MULTICLASS, TaskKind.MULTILABEL])
def test_longer_texts_get_the_median_over_their_draws(kind: TaskKind) -> None:
    examples = tiny_examples(4, lengths=(6, 12))
    whole = audited(examples, kind=kind, n_labels=2 if kind is TaskKind.BINARY else 3)
    columns = Permutation(epsilon=0.05, n_draws=11).run(whole)
    for i, n in enumerate(whole.lengths):
        keys = example_keys(0, [examples[i].id], "permutation")
        orders = permutations(keys, np.array([n]), range(11), int(n))[0]
        a = whole.explanation[i, :n].numpy()
        distances = [output_distance(whole, i, a[order]) for order in orders]
        assert columns["permutation.distance"][i] == pytest.approx(np.median(distances), abs=1e-6)


def test_uniform_attention_is_replayed_beside_it() -> None:
    whole = audited(tiny_examples(4, lengths=(3, 9)))
    columns = Permutation(epsilon=0.05).run(whole)
    for i, n in enumerate(whole.lengths):
        expected = output_distance(whole, i, np.full(n, 1 / n))
        assert columns["permutation.uniform.distance"][i] == pytest.approx(expected, abs=1e-6)
    assert set(columns["permutation.uniform.prediction"]) <= {"label0", "label1"}


def test_uniform_attention_permutes_to_itself() -> None:
    whole = audited(tiny_examples(3, lengths=(6, 6)))
    flat = torch.full_like(whole.reading.attention, 1 / 6)
    reading = dataclasses.replace(
        whole.reading,
        attention=flat,
        logits=whole.reading.replay(flat.unsqueeze(1)).squeeze(1),
    )
    even = dataclasses.replace(
        whole,
        reading=reading,
        attention=flat.double(),
        explanation=flat[:, 0].double(),
        probabilities=whole.model.task.probabilities(reading.logits),
    )
    columns = Permutation(epsilon=0.05).run(even)
    assert columns["permutation.distance"] == pytest.approx([0, 0, 0], abs=1e-6)
    assert columns["permutation.jsd"] == pytest.approx([0, 0, 0], abs=1e-7)
    assert columns["permutation.within_epsilon"] == [1, 1, 1]


def test_a_single_unit_is_untestable() -> None:
    columns = Permutation(epsilon=0.05).run(audited(tiny_examples(2, lengths=(1, 1))))
    assert columns["permutation.status"] == ["untestable_single_unit"] * 2
    assert columns["permutation.distance"] == [None, None]
    assert columns["permutation.uniform.prediction"] == [None, None]


def test_portions_change_nothing() -> None:
    whole = audited(tiny_examples(5, lengths=(2, 12)))
    at_once = Permutation(epsilon=0.05).run(whole)
    whole.model.capacity = Capacity(memory=2**20, cache=300 * 64, n_tokens=2**10)
    in_portions = Permutation(epsilon=0.05).run(whole)
    # A product in float32 is summed up in another order where it has more columns.
    for name, values in at_once.items():
        assert in_portions[name] == pytest.approx(values, abs=1e-5), name


@given(
    st.integers(1, 7).flatmap(
        lambda n: st.tuples(
            st.permutations(range(n)), st.lists(st.booleans(), min_size=n, max_size=n)
        )
    )
)
def test_a_row_takes_its_units_in_the_common_order(case: tuple[list[int], list[bool]]) -> None:
    order, admissible = np.array(case[0]), np.array(case[1])
    weights = np.arange(len(order)) + 1.0
    within = orders_within(
        torch.from_numpy(order)[None, None], torch.from_numpy(admissible)[None, None]
    )
    expected = permuted(weights, order, np.flatnonzero(admissible).tolist())
    assert (weights[within[0, 0, 0].numpy()] == expected).all()


@given(st.permutations(range(6)))
def test_a_row_that_sees_everything_takes_the_common_order(order: list[int]) -> None:
    common = torch.tensor(order)[None, None]
    within = orders_within(common, torch.ones(1, 1, 6, dtype=torch.bool))
    assert within[:, :, 0].equal(common)


def test_every_order_of_a_rows_units_is_as_frequent() -> None:
    every = torch.tensor(list(itertools.permutations(range(5))))[None]
    admissible = torch.tensor([[[True, False, True, True, False]]])
    within = orders_within(every, admissible)[0, :, 0]
    found = Counter(tuple(order) for order in within[:, [0, 2, 3]].tolist())
    assert set(found) == set(itertools.permutations((0, 2, 3)))
    assert set(found.values()) == {120 // 6}
    assert (within[:, [1, 4]] == torch.tensor([1, 4])).all()


def test_rows_of_a_batch_do_not_mix() -> None:
    torch.manual_seed(0)
    order = torch.rand(3, 4, 6).argsort(-1)
    admissible = torch.rand(3, 2, 6) < 0.6
    together = orders_within(order, admissible)
    for i, v, r in itertools.product(range(3), range(4), range(2)):
        alone = orders_within(order[i : i + 1, v : v + 1], admissible[i : i + 1, r : r + 1])
        assert together[i, v, r].equal(alone[0, 0, 0])


def logits_at(whole: AuditedBatch, i: int, weights: np.ndarray, mass: float | None = None) -> float:
    """Replayed alone: the one logit."""
    rows = torch.zeros_like(whole.reading.attention).unsqueeze(1)
    rows[i, 0, 0, : len(weights)] = torch.tensor(weights)
    given = None if mass is None else torch.full_like(whole.reading.mass, mass)
    return float(whole.reading.replay(rows, given)[i, 0, 0])


def test_margins_reach_and_leverage_are_those_of_replays_by_hand() -> None:
    examples = tiny_examples(8, lengths=(3, 9))
    whole = audited(examples)
    columns = Permutation(epsilon=0.05, n_draws=11).run(whole)
    for i, n in enumerate(whole.lengths.tolist()):
        own = float(whole.reading.logits[i, 0])
        a = whole.explanation[i, :n].numpy()
        keys = example_keys(0, [examples[i].id], "permutation")
        draws = {3: 6, 4: 24}.get(n, 11)
        orders = permutations(keys, np.array([n]), range(draws), n)[0]
        shuffled = np.array([logits_at(whole, i, a[order]) for order in orders])
        single = np.array([logits_at(whole, i, row) for row in np.eye(n)])
        cut = logits_at(whole, i, a, mass=0.0)
        expected = {
            "permutation.margin": np.median(np.abs(1 - shuffled / own)),
            "permutation.turned": np.mean(shuffled * own < 0),
            "permutation.uniform.margin": abs(1 - logits_at(whole, i, np.full(n, 1 / n)) / own),
            "permutation.reach": np.abs(1 - single / own).max(),
            "permutation.reach.turns": float((single * own < 0).any()),
            "permutation.leverage": abs(1 - cut / own),
        }
        found = {name: columns[name][i] for name in expected}
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_reach_is_the_largest_change_of_the_output_too() -> None:
    whole = audited(tiny_examples(6, lengths=(2, 9)))
    columns = Permutation(epsilon=0.05, n_draws=5).run(whole)
    for i, n in enumerate(whole.lengths.tolist()):
        expected = max(output_distance(whole, i, row) for row in np.eye(n))
        assert columns["permutation.reach.distance"][i] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", TaskKind)
def test_single_units_within_a_cache_or_not_are_the_same(kind: TaskKind) -> None:
    n_labels = 2 if kind is TaskKind.BINARY else 4
    whole = audited(tiny_examples(6, lengths=(2, 9)), kind=kind, n_labels=n_labels)
    check, names = Permutation(epsilon=0.05, n_draws=5), ("", ".turns", ".distance")
    at_once = check.run(whole)
    whole.model.capacity = Capacity(memory=2**20, cache=64, n_tokens=2**10)
    one_by_one = check.run(whole)
    for name in (f"permutation.reach{suffix}" for suffix in names):
        assert at_once[name] == pytest.approx(one_by_one[name], rel=1e-4)
