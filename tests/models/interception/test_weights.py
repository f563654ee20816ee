"""What is read is what the architecture's own eager code reports."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit.models.contract import Reading, RowChoice, Site
from attn_audit.models.interception.classifier import NOT_AUDITED, InterceptedBatch
from attn_audit.models.interception.model import InterceptedModel
from tests.models.interception.matrix import (
    MAX_ERROR,
    REPRESENTATIVE,
    assert_close,
    audited,
    eager,
    over,
    over_architectures,
    padded_batch,
    read,
)
from tests.models.interception.toys import LstmToy, audited_toy

REPORTED_OTHERWISE: dict[str, Callable[[Tensor], Tensor]] = {
    # Reports the scores under the name of the weights.
    "squeezebert": lambda scores: scores.softmax(dim=-1),
}
"""What makes weights of what an architecture's eager code reports, where that is something else.

Of the others, GPT-OSS leaves out the weight of its attention sink, which here is `rest`.
"""

MAX_DIFFERENCE = {"t5": 1e-5, "mt5": 1e-5}
"""Where it is not 1e-6: the decoder's attention to itself runs on the model's own kernel, and what
that rounds otherwise than eager code is seen in the layers behind."""


@over_architectures
def test_weights_are_what_eager_reports(name: str) -> None:
    model = audited(name)
    batch = padded_batch(model)
    reported = reported_weights(eager(name), name, batch)
    assert len(reported) == len(model.layers)
    for reading, expected in zip(readings(model, batch), reported, strict=True):
        queries = by_query(reading.row_mask, expected)[:, 0]
        seen = by_query(reading.attention * reading.mass.unsqueeze(-1), expected)
        difference = (seen - of_units(expected, batch)).abs().amax(dim=(1, 3))
        assert difference[queries].max() <= MAX_DIFFERENCE.get(name, 1e-6)


@over_architectures
def test_a_key_is_admissible_where_nothing_masks_it(name: str) -> None:
    model = audited(name)
    batch = padded_batch(model)
    gentle = eager(name)
    with torch.no_grad():
        for parameter in gentle.parameters():
            parameter.mul_(0.1)  # so that a weight is zero only where a mask makes it so
    reported = reported_weights(gentle, name, batch)
    for reading, expected in zip(readings(model, batch), reported, strict=True):
        has_weight = of_units(expected, batch).flatten(1, 2) > 0
        assert torch.equal(reading.admissible, has_weight & reading.row_mask.unsqueeze(-1))


@over(REPRESENTATIVE)
def test_shares_of_a_row_sum_to_one(name: str) -> None:
    model = audited(name)
    for reading in readings(model, padded_batch(model)):
        one = reading.row_mask.float()
        assert torch.allclose(reading.attention.sum(-1), one, atol=1e-6)
        assert torch.allclose(reading.mass + reading.rest, one, atol=1e-6)


@over(REPRESENTATIVE)
def test_a_head_alone_is_that_head_of_all(name: str) -> None:
    model = audited(name)
    batch = padded_batch(model)
    layer = model.default_site.layer
    n_heads = model.layers[layer].n_heads
    together, *alone = model.read(
        batch, [model.default_site, *(Site(layer, head) for head in range(n_heads))]
    )
    heads = [reading.attention for reading in alone]
    assert torch.equal(torch.cat(heads, dim=1), together.attention)


@over(REPRESENTATIVE)
def test_layers_read_in_one_pass_are_read_as_alone(name: str) -> None:
    model = audited(name)
    batch = padded_batch(model)
    for layer, reading in enumerate(readings(model, batch)):
        alone = read(model, batch, Site(layer, rows=RowChoice.ALL))
        assert_close(reading.logits, alone.logits, MAX_ERROR[name])
        assert_close(reading.attention, alone.attention, MAX_ERROR[name])


def test_a_key_whose_weight_underflows_is_still_admissible() -> None:
    toy = LstmToy()
    with torch.no_grad():
        toy.scores.get_parameter("2.weight").mul_(50)
    model = audited_toy(toy, can_mask=False)
    batch = padded_batch(model)
    reading = read(model, batch)
    assert (reading.attention == 0)[batch.unit_mask.unsqueeze(1)].any()
    assert torch.equal(reading.admissible.squeeze(1), batch.unit_mask)


def test_weight_on_an_attention_sink_is_the_rest() -> None:
    model = audited("gpt_oss")
    assert (read(model, padded_batch(model)).rest > 1e-3).all()


def test_weight_on_an_end_token_is_the_rest() -> None:
    model = audited("bart")
    assert (read(model, padded_batch(model)).rest > 1e-3).all()


def readings(model: InterceptedModel, batch: InterceptedBatch) -> list[Reading]:
    """Every row of every layer, from one pass."""
    sites = [Site(layer, rows=RowChoice.ALL) for layer in range(len(model.layers))]
    return model.read(batch, sites)


def by_query(rows: Tensor, weights: Tensor) -> Tensor:
    """Rows as heads and queries."""
    return rows.reshape(*weights.shape[:3], *rows.shape[2:])


def of_units(
    weights: Float[Tensor, "batch head query key"], batch: InterceptedBatch
) -> Float[Tensor, "batch head query unit"]:
    """The weights of the keys that are units."""
    n_units = batch.unit_mask.shape[1]
    units = torch.where(batch.inputs.units == NOT_AUDITED, n_units, batch.inputs.units)
    index = units[:, None, None].expand_as(weights)
    out = weights.new_zeros(*weights.shape[:3], n_units + 1)
    return out.scatter(3, index, weights)[..., :n_units]


def reported_weights(model: Any, name: str, batch: InterceptedBatch) -> list[Tensor]:
    """An eager model's own report of its weights over the input's tokens, in call order."""
    with torch.no_grad():
        output = model(**batch.inputs.keywords, output_attentions=True)
    if "cross_attentions" in output:  # the decoder's attention to itself is not over the input
        reported = [*output.encoder_attentions, *output.cross_attentions]
    else:
        reported = list(output.attentions)
    if name == "funnel":
        reported = reported[:2]  # the third attends to what the second has pooled
    as_weights = REPORTED_OTHERWISE.get(name, torch.clone)
    return [as_weights(each) for each in reported]
