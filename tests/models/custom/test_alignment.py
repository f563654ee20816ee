"""Attention of every shape and extent is read at the right tokens, and replaced there."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from attn_audit.errors import UnsupportedModelError
from attn_audit.models.custom.intercepted_model import CustomInterceptedModel
from tests.models.custom.toys import (
    EXAMPLES,
    Pooling,
    attend_plainly,
    between_markers,
    custom_of,
    masked,
    model_of,
    pad_ids,
)

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


def along_positions(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    weights = masked(scores, mask).unsqueeze(2).softmax(dim=1)
    return (weights * states).sum(dim=1)


def one_query(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    weights = masked(scores, mask).unsqueeze(1).softmax(dim=2)
    return (weights @ states).squeeze(1)


def positions_first(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    weights = masked(scores, mask).T.softmax(dim=0)
    return torch.einsum("pb,bph->bh", weights, states)


def one_head_twice(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    heads = torch.stack([masked(scores, mask), masked(2 * scores, mask)], dim=1)
    weights = heads.unsqueeze(2).softmax(dim=-1)
    mixed = weights @ states.unsqueeze(1)
    return mixed.mean(dim=1).squeeze(1)


def heads_in_the_batch(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    heads = torch.stack([masked(scores, mask), masked(2 * scores, mask)], dim=1)
    weights = heads.flatten(0, 1).unsqueeze(1).softmax(dim=-1)
    return (weights @ states.repeat_interleave(2, dim=0)).reshape(len(states), 2, -1).mean(dim=1)


def inner_tokens(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    return attend_plainly(states[:, 1:-1], scores[:, 1:-1], mask[:, 1:-1])


def behind_the_start(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    return attend_plainly(states[:, 1:], scores[:, 1:], mask[:, 1:])


ONE_HEAD = (attend_plainly, along_positions, one_query, positions_first)
SEVERAL_HEADS = (one_head_twice, heads_in_the_batch)


def expected_attention(attend: Attend = attend_plainly) -> list[Tensor]:
    """Each text's own, from the module's parts."""
    module = Pooling(attend)
    found = []
    for example in EXAMPLES:
        ids = pad_ids([example.text.split()], before=0, after=0)
        scores = module.score(module.hidden(module.embedding(ids)).tanh())
        found.append(scores.squeeze(-1).softmax(-1)[0].detach())
    return found


def read_attention(model: CustomInterceptedModel) -> Tensor:
    (reading,) = model.read(model.collate(model.encode(EXAMPLES)), [model.default_site])
    return reading.attention[:, 0]


def require_at_the_tokens(model: CustomInterceptedModel) -> None:
    found = read_attention(model)
    for row, expected in zip(found, expected_attention(), strict=True):
        assert torch.allclose(row[: len(expected)], expected, atol=1e-5)
        assert not row[len(expected) :].any()


@pytest.mark.parametrize("attend", ONE_HEAD)
def test_attention_of_any_shape_is_read_at_the_tokens(attend: Attend) -> None:
    require_at_the_tokens(between_markers(attend))


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [(0, 0, False), (2, 0, False), (0, 1, False), (1, 1, True), (0, 1, True)],
)
def test_so_is_attention_whatever_stands_around_the_tokens(
    before: int, after: int, left: bool
) -> None:
    encode = partial(pad_ids, before=before, after=after, left=left)
    require_at_the_tokens(model_of(custom_of(Pooling(attend_plainly), encode)))


@pytest.mark.parametrize(
    ("attend", "left"),
    [(attend_plainly, False), (along_positions, False), (attend_plainly, True)],
)
def test_so_is_attention_over_a_fixed_number_of_positions(attend: Attend, left: bool) -> None:
    encode = partial(pad_ids, width=20, left=left)
    require_at_the_tokens(model_of(custom_of(Pooling(attend), encode)))


def test_attention_over_the_tokens_alone_leaves_the_markers_out() -> None:
    require_at_the_tokens(model_of(custom_of(Pooling(inner_tokens), pad_ids)))


@pytest.mark.parametrize("width", [0, 20])
def test_attention_may_leave_out_the_start_alone(width: int) -> None:
    encode = partial(pad_ids, after=0, width=width)
    require_at_the_tokens(model_of(custom_of(Pooling(behind_the_start), encode)))


@pytest.mark.parametrize("attend", SEVERAL_HEADS)
def test_heads_are_read_each_by_itself(attend: Attend) -> None:
    model = between_markers(attend)
    (reading,) = model.read(model.collate(model.encode(EXAMPLES)), [model.default_site])
    assert model.layers[0].n_heads == 2
    for row, expected in zip(reading.attention[:, 0], expected_attention(), strict=True):
        assert torch.allclose(row[: len(expected)], expected, atol=1e-5)


@pytest.mark.parametrize("attend", [*ONE_HEAD, *SEVERAL_HEADS])
def test_attention_on_one_token_gives_that_tokens_output(attend: Attend) -> None:
    module, model = Pooling(attend), between_markers(attend)
    batch = model.collate(model.encode(EXAMPLES))
    (reading,) = model.read(batch, [model.default_site])
    n_rows, n_units = reading.attention.shape[1:]
    ones = torch.eye(n_units).unsqueeze(1).expand(len(batch), -1, n_rows, -1)
    found = reading.replay(ones)
    for i, example in enumerate(EXAMPLES):
        ids = pad_ids([example.text.split()], before=0, after=0)
        alone = module.output(module.hidden(module.embedding(ids)).tanh())[0]
        assert torch.allclose(found[i, : len(alone)], alone, atol=1e-5)


def tokens_and_one_marker(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    return torch.einsum("bp,bph->bh", scores[:, 1:].softmax(-1), states[:, 1:])


def test_a_trial_shows_which_marker_attention_leaves_out() -> None:
    model = model_of(custom_of(Pooling(tokens_and_one_marker)))
    for example, expected in zip(EXAMPLES, expected_attention(), strict=True):
        (reading,) = model.read(model.collate(model.encode([example])), [model.default_site])
        assert torch.allclose(reading.attention[0, 0], expected, atol=1e-5)
        assert float(reading.mass[0, 0]) < 1


def last_tokens_alike(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    return torch.einsum("bp,bph->bh", torch.zeros_like(scores[:, 1:]).softmax(-1), states[:, 1:])


def test_where_a_trial_cannot_tell_the_user_says_it() -> None:
    with pytest.raises(UnsupportedModelError, match=r"one column less .* cannot be told") as caught:
        model_of(custom_of(Pooling(last_tokens_alike)))
    assert "columns=-1" in str(caught.value.hint)
    model = model_of(custom_of(Pooling(last_tokens_alike), columns=-1))
    (reading,) = model.read(model.collate(model.encode(EXAMPLES[:1])), [model.default_site])
    assert torch.allclose(reading.attention[0, 0], torch.full((5,), 0.2))
    assert float(reading.mass[0, 0]) == pytest.approx(5 / 6)


def test_what_the_user_says_is_tried_too() -> None:
    with pytest.raises(UnsupportedModelError, match="columns=0: changing a token"):
        model_of(custom_of(Pooling(tokens_and_one_marker), columns=0))


def test_a_softmax_over_as_many_labels_as_tokens_is_not_attention() -> None:
    class Probabilities(Pooling):
        def forward(self, ids: Tensor) -> Tensor:
            return super().forward(ids).softmax(-1)

    labels = [f"label{i}" for i in range(5)]
    custom = custom_of(
        Probabilities(attend_plainly, n_outputs=5),
        partial(pad_ids, before=0, after=0),
        labels=labels,
        task="multiclass",
        output="probabilities",
    )
    model = model_of(custom, EXAMPLES[:1])
    assert len(EXAMPLES[0].text.split()) == len(labels)
    assert len(model.layers) == 1
    (reading,) = model.read(model.collate(model.encode(EXAMPLES[:1])), [model.default_site])
    assert torch.allclose(reading.attention[0, 0], expected_attention()[0], atol=1e-5)
