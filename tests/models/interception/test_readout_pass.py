"""Passes of which only the row that is read out is computed to the end, against whole ones."""

import torch
from torch import Tensor, nn

from attn_audit.models.interception.readout import ONE_ROW
from attn_audit.models.interception.readout_pass import ReadoutPass, are_equal
from tests.models.interception.matrix import audited, over_architectures, padded_batch
from tests.models.interception.zoo import POOLS

CUTS = ("bert", "roberta", "distilbert", "gpt2", "llama", "mistral")
"""Kinds whose last layer is known to be cut."""

PROJECTED = ("bert", "roberta", "distilbert")
"""Those of them of which a linear layer makes each of queries, keys and values, as it is taken."""


@over_architectures
def test_it_is_the_whole_pass_or_is_not_taken(name: str) -> None:
    model = audited(name)
    inputs = padded_batch(model).inputs
    short = ReadoutPass(model.classifier, model._survey).proved([inputs])
    assert short or name not in CUTS
    if short is None:
        return
    assert name not in POOLS
    assert model._survey.rule in ONE_ROW
    assert name not in PROJECTED or short.projections is not None
    with torch.no_grad():
        assert torch.allclose(short.logits(inputs), model.classifier.logits(inputs), atol=1e-5)


def test_what_is_not_computed_is_never_read_in_silence() -> None:
    """A layer that reads its values once more where a trial did not see it."""
    model = audited("bert")
    inputs = padded_batch(model).inputs
    short = ReadoutPass(model.classifier, model._survey).proved([inputs])
    assert short is not None
    assert short.projections is not None
    value, output = short.projections[2].layer, model._survey.points[-1].follower
    assert output is not None
    seen: list[Tensor] = []

    def add(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        same = [values for values in seen if values.shape[:2] == args[0].shape[:2]]
        return (args[0] + same[-1],)

    with (
        torch.no_grad(),
        value.register_forward_hook(lambda module, args, out: seen.append(out)),
        output.register_forward_pre_hook(add),
    ):
        whole = model.classifier.logits(inputs)
        assert torch.allclose(short.logits(inputs), whole, atol=1e-5)


def test_equal_is_what_rounding_leaves() -> None:
    logits = torch.tensor([[1.0, -1.0], [2.0, 0.5]])
    assert are_equal(logits + 1e-7, logits)
    assert not are_equal(logits + 1e-4, logits)
    assert not are_equal(logits * torch.nan, logits)
    same = torch.ones(3, 2)
    assert not are_equal(same + 1e-6, same)
