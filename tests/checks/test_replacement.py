"""Replacement at several sites, against passes whose softmaxes are altered row by row by hand."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from attn_audit.checks.base import AuditedBatch, Columns, read_batch
from attn_audit.checks.replacement import N_SHUFFLES, Replacement
from attn_audit.findings.replacement import RULES, STATUS
from attn_audit.models.capacity import Capacity
from attn_audit.models.contract import NewWeights, RowWeights
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.randomness import example_keys, hashes, normals, row_keys
from tests.models.interception.matrix import audited
from tests.models.interception.passes import classifier_of, softmax_of_layer
from tests.models.interception.patching import softmax_patched
from tests.models.interception.zoo import examples

SEED = 3
NAMES = {rule.rule: rule for rule in RULES}
MODELS = ("bert", "gpt2")
"""With every row seeing all and special tokens between, and causal, padded on the left."""

Row = Callable[[np.ndarray, str, int], np.ndarray]
"""Gets the weights of the units that a row may attend to, its example's key and its number."""


@cache
def batch_of(name: str, lengths: tuple[int, ...] = (10, 6, 8)) -> AuditedBatch:
    """Shared by all tests, so left as it is."""
    model = audited(name)
    batch = model.collate(model.encode(examples(lengths, seed=2)))
    return read_batch(model, batch, model.default_site, SEED)


@cache
def replaced(name: str, layers: tuple[int, ...], lengths: tuple[int, ...] = (10, 6, 8)) -> Columns:
    """By every rule; shared like the batch."""
    return Replacement(layers).run(batch_of(name, lengths))


def key_of(name: str, id_: str, number: int) -> np.ndarray:
    return row_keys(example_keys(SEED, [id_], name), np.array([[number]])).ravel()


def by_hand(
    name: str, whole: AuditedBatch, rule: str, draw: int, layers: tuple[int, ...]
) -> Tensor:
    """A pass in which every row of some layers is changed, one after the other."""
    batch = whole.batch
    assert isinstance(batch, InterceptedBatch)
    units = batch.inputs.units.numpy()
    layer_of = {softmax_of_layer(name, layer): layer for layer in layers}

    def altered(number: int, own: Tensor) -> Tensor:
        if number not in layer_of:
            return own
        changed = own.double().numpy().copy()
        for i, id_ in enumerate(whole.ids):
            real = np.flatnonzero(batch.inputs.real[i].numpy())
            for head in range(own.shape[1]):
                for place, query in enumerate(real):
                    row = changed[i, head, query]
                    may = np.flatnonzero((units[i] >= 0) & (row > 0))
                    chosen = f"replacement/{rule}/{layer_of[number]}/{draw}"
                    key = key_of(chosen, id_, head * 2**20 + place)
                    changed[i, head, query] = new_row(rule, row, may, units[i][may], key)
        return torch.from_numpy(changed).to(own.dtype)

    with torch.no_grad(), softmax_patched(altered):
        return classifier_of(name).logits(batch.inputs)


def new_row(
    rule: str, row: np.ndarray, may: np.ndarray, units: np.ndarray, key: np.ndarray
) -> np.ndarray:
    row, mass = row.copy(), row[may].sum()
    n = int(1 + max(units, default=0))
    match rule:
        case "shuffled":
            scores = hashes(key, range(1), n)[0, 0][units]
            row[may] = row[may][np.argsort(scores)]
        case "equal":
            row[may] = mass / max(1, len(may))
        case "random":
            powers = np.exp(normals(key, 1, n)[0, 0][units])
            row[may] = mass * powers / powers.sum()
        case _:
            row[may] = 0
            row /= max(row.sum(), 1e-30)
    return row


@pytest.mark.parametrize("rule", NAMES)
@pytest.mark.parametrize("name", MODELS)
def test_each_row_of_every_layer_is_replaced_by_its_own_draw(name: str, rule: str) -> None:
    whole = batch_of(name)
    layers = tuple(range(len(whole.model.layers)))
    found = replaced(name, layers)
    n_draws = N_SHUFFLES if rule == "shuffled" else 1
    logits = torch.stack([by_hand(name, whole, rule, d, layers) for d in range(n_draws)], 1)
    own = whole.reading.logits
    assert not torch.allclose(logits[:, 0], own, atol=0.01)
    p, q = logits.double().softmax(-1), own.double().softmax(-1)
    distance = (p - q.unsqueeze(1)).abs().sum(-1) / 2
    expected = NAMES[rule]
    assert found[expected.distance.name] == pytest.approx(distance.quantile(0.5, 1), abs=1e-5)
    first = own.argmax(-1)
    order = own.argsort(-1, descending=True)
    margins = logits.gather(2, order[:, None, :2].expand(-1, n_draws, -1)).double()
    margin = own.gather(1, order[:, :2]).double()
    moved = (1 - (margins[..., 0] - margins[..., 1]) / (margin[:, :1] - margin[:, 1:])).abs()
    assert found[expected.margin.name] == pytest.approx(moved.quantile(0.5, 1), rel=2e-3)
    turned = (logits.argmax(-1) != first.unsqueeze(1)).double().mean(1)
    assert found[expected.turned.name] == pytest.approx(turned)
    labels = whole.model.task.labels
    assert found[expected.prediction.name] == [labels[i] for i in logits[:, 0].argmax(-1)]


@pytest.mark.parametrize("name", MODELS)
def test_only_the_layers_that_are_named_are_replaced(name: str) -> None:
    whole = batch_of(name)
    found = replaced(name, (1,))[NAMES["equal"].distance.name]
    logits = by_hand(name, whole, "equal", 0, (1,))
    task = whole.model.task
    distance = task.distance(task.probabilities(logits), whole.probabilities)
    assert found == pytest.approx(distance.tolist(), abs=1e-5)
    assert found != pytest.approx(replaced(name, (0, 1))[NAMES["equal"].distance.name])


@pytest.mark.parametrize("name", MODELS)
def test_a_text_draws_the_same_whatever_stands_beside_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, alone = batch_of(name), batch_of(name, (10,))
    assert whole.ids[0] == alone.ids[0]
    together, by_itself = replaced(name, (0, 1)), replaced(name, (0, 1), (10,))
    small = Capacity(1, whole.model.capacity.cache, whole.model.capacity.n_tokens)
    monkeypatch.setattr(whole.model, "capacity", small)  # each text in a portion of its own
    in_portions = Replacement((0, 1)).run(whole)
    for rule in RULES:
        expected = pytest.approx(by_itself[rule.distance.name][0], abs=1e-5)
        assert together[rule.distance.name][0] == expected
        assert in_portions[rule.distance.name][0] == expected


def test_draws_differ_between_texts_layers_draws_heads_rows_and_seeds() -> None:
    name = "replacement/random/0/0"
    others = [
        key_of(name, "b", 0), key_of("replacement/random/1/0", "a", 0),
        key_of("replacement/random/0/1", "a", 0), key_of("replacement/shuffled/0/0", "a", 0),
        key_of(name, "a", 1), key_of(name, "a", 2**20),
        row_keys(example_keys(SEED + 1, ["a"], name), np.array([[0]])).ravel(),
    ]  # fmt: skip
    drawn = [normals(key, 1, 5).ravel() for key in [key_of(name, "a", 0), *others]]
    assert len({tuple(each) for each in drawn}) == len(drawn)


@pytest.mark.parametrize("rule", ["shuffled", "equal", "random"])
@pytest.mark.parametrize("name", MODELS)
def test_rows_keep_their_mass_and_nothing_goes_where_a_row_may_not_attend(
    name: str, rule: str
) -> None:
    whole = batch_of(name)
    given: list[tuple[RowWeights, NewWeights]] = []
    check = Replacement((0,))
    for rules in check.rules(rule, whole.batch, whole):
        for site, change in rules.items():

            def noted(own: RowWeights, change: object = change) -> NewWeights:
                new: NewWeights = change(own)  # type: ignore[operator]
                given.append((own, new))
                return new

            whole.model.intervene(whole.batch, {site: noted})
    for own, new in given:
        assert new.mass is None
        assert float((new.attention * ~own.admissible).abs().max()) == 0
        if rule == "shuffled":
            before, after = own.attention.sort(-1).values, new.attention.sort(-1).values
            assert torch.equal(before, after)


def test_a_text_of_one_unit_says_nothing() -> None:
    whole = batch_of("bert", (1, 6))
    found = Replacement((0, 1)).run(whole)
    assert found[STATUS.name] == ["untestable_single_unit", "measured"]
    for rule in RULES:
        for field in rule.fields:
            assert (found[field.name][0], found[field.name][1] is None) == (None, False)


def test_it_says_what_it_costs() -> None:
    whole = batch_of("bert")
    model, n_passes = whole.model, 0
    assert isinstance(model, InterceptedModel)
    logits = model.classifier.logits

    def counted(inputs: object) -> Tensor:
        nonlocal n_passes
        n_passes += 1
        return logits(inputs)  # type: ignore[arg-type]

    check = Replacement((0, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.classifier, "logits", counted)
        check.run(whole)
    assert n_passes == check.passes(10) == 23
