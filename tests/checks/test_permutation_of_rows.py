"""The permutation check where there are several heads and query rows, against brute force."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.checks.permutation import Permutation
from attn_audit.models.capacity import Capacity
from attn_audit.models.contract import Site
from attn_audit.randomness import example_keys, permutations
from tests.brute import Rows, Text, explanation, permuted
from tests.rows import RowsModel, Sight, texts

MODELS = {
    "heads": RowsModel(),
    "heads near": RowsModel(sight=Sight.NEAR),
    "rows": RowsModel(every_row=True),
    "rows before": RowsModel(every_row=True, sight=Sight.BEFORE),
    "rows near": RowsModel(every_row=True, sight=Sight.NEAR),
}
N_DRAWS = 9


def audited(model: RowsModel, site: Site, *lengths: int) -> AuditedBatch:
    return read_batch(model, model.collate(model.encode(texts(*lengths))), site, seed=0)


def text_of(whole: AuditedBatch, i: int) -> Text:
    assert isinstance(whole.model, RowsModel)
    return Text(whole.model, [int(unit.text[1:]) for unit in whole.batch.encoded[i].units])


def orders_of(whole: AuditedBatch, i: int) -> list[np.ndarray]:
    n = int(whole.lengths[i])
    if n <= 4:
        return [np.array(order) for order in itertools.permutations(range(n))]
    keys = example_keys(0, [whole.ids[i]], "permutation")
    return list(permutations(keys, np.array([n]), range(N_DRAWS), n)[0])


def shuffled(text: Text, rows: Rows, order: np.ndarray) -> Rows:
    return {
        (head, row): permuted(weights, order, text.admissible(row))
        for (head, row), weights in rows.items()
    }


@pytest.mark.parametrize("site", [Site(1), Site(0), Site(1, head=2)], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_every_row_takes_its_part_of_the_same_order(name: str, site: Site) -> None:
    whole = audited(MODELS[name], site, 3, 7, 5)
    columns = Permutation(epsilon=0.05, n_draws=N_DRAWS).run(whole)
    for i in range(3):
        text = text_of(whole, i)
        every = text.weights(site.layer)
        own = {key: row for key, row in every.items() if site.head in (None, key[0])}
        before = text.probability(site.layer, own)
        changed = [shuffled(text, own, order) for order in orders_of(whole, i)]
        distances = [abs(text.probability(site.layer, rows) - before) for rows in changed]
        shown = explanation(own)
        divergences = [jensenshannon(shown, explanation(rows)) ** 2 for rows in changed]
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
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_uniform_attention_is_uniform_over_what_a_row_may_attend_to(name: str) -> None:
    whole = audited(MODELS[name], Site(1), 3, 7, 5)
    columns = Permutation(epsilon=0.05, n_draws=2).run(whole)
    for i in range(3):
        text, uniform = text_of(whole, i), {}
        for (head, row), weights in text.weights(1).items():
            uniform[head, row] = np.zeros_like(weights)
            seen = text.admissible(row)
            if seen:
                uniform[head, row][seen] = weights.sum() / len(seen)
        before = text.probability(1, {})
        expected = abs(text.probability(1, uniform) - before)
        assert columns["permutation.uniform.distance"][i] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_batch_and_portions_change_nothing(name: str) -> None:
    check = Permutation(epsilon=0.05, n_draws=N_DRAWS)
    whole = audited(MODELS[name], Site(1), 6, 2, 5, 8)
    at_once = check.run(whole)
    whole.model.capacity = Capacity(memory=2**20, cache=2000 * 64, n_tokens=2**10)
    in_portions = check.run(whole)
    for field, values in at_once.items():
        assert in_portions[field] == pytest.approx(values), field
    for i, item in enumerate(whole.batch.encoded):
        alone = read_batch(whole.model, whole.model.collate([item]), Site(1), seed=0)
        for field, values in check.run(alone).items():
            assert values[0] == pytest.approx(at_once[field][i]), field


def test_a_text_whose_rows_see_one_unit_at_most_is_untestable() -> None:
    whole = audited(MODELS["rows before"], Site(1), 2, 1, 3)
    columns = Permutation(epsilon=0.05).run(whole)
    assert columns["permutation.status"] == [
        "untestable_single_unit",
        "untestable_single_unit+undefined_no_audited_mass",
        "measured",
    ]
    assert columns["permutation.distance"][:2] == [None, None]


def test_replaying_one_site_leaves_the_others_as_they_are() -> None:
    """Shuffling a head moves the output by less than it could if all heads were shuffled alike."""
    model = MODELS["heads"]
    own = audited(model, Site(1), 6).probabilities
    for site in (Site(1), Site(0), Site(1, head=0)):
        whole = audited(model, site, 6)
        logits = whole.reading.replay(whole.reading.attention.unsqueeze(1)).squeeze(1)
        assert model.task.probabilities(logits).numpy() == pytest.approx(own.numpy())
