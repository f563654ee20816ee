"""The user's module is left as it was but for what is documented: eval mode, and no gradients."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import _get_current_function_mode_stack

from attn_audit.models.contract import Batch, RowChoice, Site
from attn_audit.models.interception.model import InterceptedModel
from tests.models.interception.matrix import padded_batch, read
from tests.models.interception.passes import random_attention
from tests.models.interception.zoo import IdsClassifier, build, examples

NAMES = ("bert", "bart", "eurobert")  # replayed by row, by row behind an encoder, by resuming


def snapshot(module: nn.Module) -> dict[str, Any]:
    """All that an audit could leave behind in a module, and in torch."""
    parts = {
        name: (
            part.__dict__.get("forward"),
            {key: list(hooks) for key, hooks in vars(part).items() if "hooks" in key},
            part.training,
            sorted(vars(part)),
        )
        for name, part in module.named_modules()
    }
    return {
        "parts": parts,
        "parameters": {n: (id(p), p.requires_grad, p.grad) for n, p in module.named_parameters()},
        "config": copy.deepcopy(module.config.to_dict()),  # type: ignore[operator, union-attr]
        "modes": _get_current_function_mode_stack(),  # type: ignore[no-untyped-call]
        "gradients": torch.is_grad_enabled(),
    }


def audited(module: nn.Module, name: str) -> InterceptedModel:
    return InterceptedModel(IdsClassifier(module, name), examples())


def measure(model: InterceptedModel, batch: Batch) -> None:
    """All that is ever asked of a model."""
    model.describe()
    for layer in (0, model.default_site.layer):
        for rows in RowChoice:
            reading = read(model, batch, Site(layer, rows=rows))
            replayed = reading.replay(random_attention(reading, 2).requires_grad_())
            torch.autograd.backward(replayed.sum())
    for hold_attention in (False, True):
        embeddings = model.embed(batch).requires_grad_()
        torch.autograd.backward(model.forward(batch, embeddings, hold_attention).sum())
    model.erase(batch, batch.unit_mask.unsqueeze(1))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_behind(name: str) -> None:
    module = build(name).requires_grad_(False)
    before = snapshot(module)
    model = audited(module, name)
    measure(model, padded_batch(model))
    assert snapshot(module) == before


def test_a_module_in_training_mode_is_put_into_eval_mode_without_gradients() -> None:
    module = build("bert").train()
    audited(module, "bert")
    assert not any(part.training for part in module.modules())
    assert not any(parameter.requires_grad for parameter in module.parameters())


ASKING: dict[str, Callable[[InterceptedModel, Batch], object]] = {
    "reading": lambda model, batch: read(model, batch),
    "embedding": lambda model, batch: model.forward(batch, model.embed(batch), True),
    "erasing": lambda model, batch: model.erase(batch, batch.unit_mask.unsqueeze(1)),
}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_behind_when_the_module_raises(name: str) -> None:
    module = build(name)
    model = audited(module, name)
    batch = padded_batch(model)
    readings = model.read(batch, [Site(layer) for layer in range(len(model.layers))])
    fail_in_last_layer(module)
    before = snapshot(module)
    for what, ask in ASKING.items():
        with pytest.raises(OverflowError):
            ask(model, batch)
        assert snapshot(module) == before, what
    for reading in readings:
        with pytest.raises(OverflowError):
            reading.replay(random_attention(reading, 2))
        assert snapshot(module) == before


def fail_in_last_layer(module: nn.Module) -> None:
    """Let the classification head raise whenever it is called."""

    def fail(part: nn.Module, args: object) -> None:
        raise OverflowError

    heads = [part for part in module.modules() if isinstance(part, nn.Linear)]
    heads[-1].register_forward_pre_hook(fail)


def test_a_forward_that_others_have_patched_is_put_back() -> None:
    module = build("bert")
    patched = {}
    for name, part in module.named_modules():
        part.forward = patched[name] = part.forward  # on the instance, as accelerate does
    model = audited(module, "bert")
    measure(model, padded_batch(model))
    assert all(part.__dict__["forward"] is patched[n] for n, part in module.named_modules())
