"""Attended units against brute force, one text and one unit at a time."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attn_audit import audit
from attn_audit.checks.attended import UNATTENDED, AttendedUnits, unattended_units
from attn_audit.checks.base import AuditedBatch, Columns, read_batch
from attn_audit.checks.correlation import Correlation
from attn_audit.checks.permutation import Permutation
from attn_audit.data.example import Example
from attn_audit.measures.registry import Importances
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.intercepted_model import build_custom_model
from attn_audit.models.paper.network import EncoderKind
from attn_audit.models.task import TaskKind
from attn_audit.selftest import Vocabulary, build, hidden
from tests.tiny import tiny_examples, tiny_model


def audited(examples: list[Example], **settings: object) -> AuditedBatch:
    model = tiny_model(**settings)  # type: ignore[arg-type]
    return read_batch(model, model.collate(model.encode(examples)), model.default_site, seed=0)


def logits_without(whole: AuditedBatch, i: int, gone: list[int], operator: str) -> float:
    """Of one text alone."""
    batch = whole.model.collate([whole.batch.encoded[i]])
    keep = batch.unit_mask.unsqueeze(1).clone()
    keep[0, 0, gone] = False
    return float(whole.model.erase(batch, keep, operator)[0, 0, 0])


@pytest.mark.parametrize("encoder", EncoderKind)
def test_effects_and_signs_are_those_of_leaving_out_by_hand(encoder: EncoderKind) -> None:
    whole = audited(tiny_examples(12, lengths=(3, 9)), encoder=encoder)
    columns = AttendedUnits().run(whole)
    for i, n in enumerate(whole.lengths.tolist()):
        own = float(whole.reading.logits[i, 0])
        lost = [1 - logits_without(whole, i, [u], "delete") / own for u in range(n)]
        assert columns["margin_lost"][i] == pytest.approx(lost, rel=1e-3, abs=1e-4)
        top = int(whole.explanation[i].argmax())
        largest = max(map(abs, lost))
        assert columns["attended.top_lost"][i] == pytest.approx(lost[top], rel=1e-3, abs=1e-4)
        assert columns["attended.top_effect"][i] == pytest.approx(
            abs(lost[top]) / largest, abs=1e-3
        )
        assert columns["attended.top_is_largest"][i] == (abs(lost[top]) == largest)
        if abs(lost[top]) >= 0.06 * largest:
            assert columns["attended.top_is_against"][i] == (lost[top] < 0)
        against = sum(
            a for a, by in zip(whole.explanation[i].tolist(), lost, strict=False) if by < 0
        )
        assert columns["attended.against_attention"][i] == pytest.approx(against, abs=1e-6)


def test_a_decision_turns_where_it_does_both_ways() -> None:
    whole = audited(tiny_examples(60, lengths=(4, 14)), encoder=EncoderKind.AVERAGE)
    columns = AttendedUnits().run(whole)
    for i, n in enumerate(whole.lengths.tolist()):
        weights = whole.explanation[i, :n].tolist()
        gone: list[int] = []
        for unit in sorted(range(n), key=lambda u: weights[u]):
            if sum(weights[u] for u in (*gone, unit)) > UNATTENDED:
                break
            gone.append(unit)
        assert columns["attended.n_unattended"][i] == len(gone)
        own = float(whole.reading.logits[i, 0])
        ways = [logits_without(whole, i, gone, how) * own < 0 for how in ("delete", "neutral")]
        assert columns["attended.turned_without_unattended"][i] == float(all(ways) and bool(gone))
    turned = [t for t in columns["attended.turned_without_unattended"] if t]
    assert len(turned) == sum(unit is not None for unit in columns["attended.decider"])


@given(
    st.lists(st.sampled_from([0.01, 0.02, 0.05, 0.2, 0.4]), min_size=2, max_size=12),
)
def test_equal_weights_are_unattended_together_or_not_at_all(weights: list[float]) -> None:
    a = np.array([weights]) / sum(weights)
    ranks = np.unique(a, return_inverse=True)[1].reshape(a.shape)
    chosen = unattended_units(a, ranks, np.array([len(weights)]))[0]
    assert a[0][chosen].sum() <= UNATTENDED + 1e-9
    for weight in a[0][chosen]:
        assert chosen[a[0] == weight].all()
    rest = a[0][~chosen]
    assert rest.min() >= a[0][chosen].max(initial=0)
    next_ones = rest[rest == rest.min()]
    assert a[0][chosen].sum() + next_ones.sum() > UNATTENDED


def chosen_of(*weights: float) -> list[bool]:
    a = np.array([weights])
    ranks = np.unique(a, return_inverse=True)[1].reshape(a.shape)
    found: list[bool] = unattended_units(a, ranks, np.array([len(weights)]))[0].tolist()
    return found


@pytest.mark.parametrize(
    ("weight", "is_unattended"),
    [(0.099, True), (0.1, True), (0.1 + 5e-10, True), (0.1 + 5e-9, False), (0.12, False)],
)
def test_units_have_a_tenth_of_the_attention_together_but_for_rounding(
    weight: float, is_unattended: bool
) -> None:
    assert chosen_of(1 - weight, weight) == [False, is_unattended]


def test_of_units_that_share_the_largest_attention_the_mean_is_said() -> None:
    columns = of_words(Pooled(lambda logit: logit, 1), ["good bad", "good fine bad", "fine good"])
    # The margin is 1.5; without `good` it is -1, without `bad` 4.
    assert columns["margin_lost"][0] == pytest.approx((5 / 3, -5 / 3), rel=1e-5)
    assert columns["attended.top_effect"][0] == pytest.approx(1)
    assert columns["attended.top_is_against"][0] == 0.5
    assert columns["attended.top_is_largest"][0] == 1.0


def test_texts_that_say_nothing_are_named() -> None:
    columns = AttendedUnits().run(audited([Example("a", "w5"), Example("b", "w5 w6")]))
    assert columns["attended.status"] == ["untestable_single_unit", "measured"]
    assert columns["attended.top_effect"][0] is None


@pytest.mark.parametrize("kind", TaskKind)
def test_every_kind_of_output_is_measured(kind: TaskKind) -> None:
    n_labels = 2 if kind is TaskKind.BINARY else 5
    columns = AttendedUnits().run(
        audited(tiny_examples(8, lengths=(3, 9)), kind=kind, n_labels=n_labels)
    )
    assert set(columns["attended.status"]) == {"measured"}
    assert all(0 <= effect <= 1 for effect in columns["attended.top_effect"])


class Pooled(torch.nn.Module):
    """Attention alike on all tokens, which speak by their id; an output of some kind."""

    def __init__(self, output: Callable[[torch.Tensor], torch.Tensor], width: int) -> None:
        super().__init__()
        values = torch.tensor([[0.0], [4.0], [-1.0], [1.0], [400.0]])
        self.embedding = torch.nn.Embedding(5, 1, _weight=values)
        self.output, self.width = output, width

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        weights = (ids > 0).double().log().softmax(-1).float()
        logit = (weights.unsqueeze(-1) * self.embedding(ids)).sum(1)
        both = torch.cat([torch.zeros_like(logit), logit], dim=1)
        return self.output(logit if self.width == 1 else both)


def of_words(module: Pooled, texts: list[str], **said: Any) -> Columns:
    names = {"good": 1, "bad": 2, "fine": 3, "great": 4}

    def encode(split: list[list[str]]) -> torch.Tensor:
        rows = [torch.tensor([names[token] for token in text]) for text in split]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)

    kind = "binary" if module.width == 1 else "multiclass"
    custom = CustomModel(module, encode, ("no", "yes"), kind, tokenize=str.split, **said)
    examples = [Example(str(i), text) for i, text in enumerate(texts)]
    model = build_custom_model(custom, examples, torch.device("cpu"))
    batch = model.collate(model.encode(examples))
    found = read_batch(model, batch, model.default_site, seed=0)
    return AttendedUnits().run(found) | Correlation().run(found) | Permutation(0.01, 5).run(found)


@pytest.mark.parametrize(
    ("width", "link"), [(1, torch.sigmoid), (2, partial(torch.softmax, dim=1))]
)
def test_a_probability_of_1_is_counted_and_ranks_nothing(
    width: int, link: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    texts = ["good bad", "good fine bad", "great good fine"]
    given = of_words(Pooled(link, width), texts, output="probabilities")
    logits = of_words(Pooled(lambda found: found, width), texts)
    assert given["attended.status"] == ["measured", "measured", "undefined_clipped_margin"]
    assert logits["attended.status"] == ["measured"] * 3
    for i in (0, 1):
        assert given["margin_lost"][i] == pytest.approx(logits["margin_lost"][i], rel=1e-3)
    for name in (
        "margin_lost", "attended.top_effect", "attended.turned_without_unattended",
        "correlation.attention_margin", "permutation.margin", "permutation.turned",
    ):  # fmt: skip
        assert given[name][2] is None


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_a_hidden_word_that_stands_there_twice_is_named(scale: float) -> None:
    vocabulary = Vocabulary.of(2)
    players = set(vocabulary.players)
    texts = [str(row["text"]) for row in vocabulary.texts(with_players=1.0)[:60]]
    twice = [
        " ".join(f"{word} {word}" if word in players else word for word in text.split())
        for text in texts
    ]
    model = build(TaskKind.BINARY, 2, hidden, scale)
    found = audit(model, twice, checks="attended", threads=1)
    named = {unit.unit for unit in found.unattended_units}
    assert named == players
    assert sum(unit.n for unit in found.unattended_units) > 12


def test_one_rule_says_of_all_checks_which_texts_have_a_margin() -> None:
    whole = audited(tiny_examples(4, lengths=(4, 9)), encoder=EncoderKind.AVERAGE)
    undecided = whole.margin.whole.clone()
    undecided[2] = torch.nan
    margin = replace(whole.margin, whole=undecided)
    whole = replace(whole, margin=margin, importances=Importances(whole.model, whole.batch, margin))
    found = AttendedUnits().run(whole) | Correlation().run(whole) | Permutation(0.01, 5).run(whole)
    for name in (
        "margin_lost", "attended.top_lost", "attended.against_attention", "attended.n_unattended",
        "correlation.attention_margin", "permutation.margin", "permutation.reach",
    ):  # fmt: skip
        assert [value is None for value in found[name]] == [False, False, True, False], name
    assert found["attended.status"][2] == "undefined_no_margin"
