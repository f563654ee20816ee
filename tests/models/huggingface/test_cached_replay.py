"""Replay of a decoder before its last layer: the last token alone, over what the others left."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

import attn_audit
from attn_audit import Example
from attn_audit.models.contract import Reading, Site
from attn_audit.models.huggingface.model import HuggingFaceModel
from attn_audit.models.interception.replay import full
from tests.checkpoints import SENTENCES, randomize
from tests.conftest import Checkpoint
from tests.models.huggingface.test_language_model import OF_ONE_TOKEN, PROMPT
from tests.models.interception.zoo import CONFIGURATIONS

CLOSE = 1e-4
LAYER, N_LAYERS = 2, 5
EXAMPLES = [Example(f"e{i}", text) for i, text in enumerate(SENTENCES[:5])]


def decoder(model_type: str, language_model: Checkpoint, **sizes: Any) -> HuggingFaceModel:
    """A random one that is asked, with the tokenizer of another."""
    tokenizer = AutoTokenizer.from_pretrained(language_model("llama"))
    own = {"vocab_size": len(tokenizer), "pad_token_id": None}
    config = AutoConfig.for_model(model_type, **CONFIGURATIONS[model_type] | own | sizes)
    module = AutoModelForCausalLM.from_config(config).eval()
    randomize(module)
    model = attn_audit.wrap(
        module, tokenizer, prompt=PROMPT, options=OF_ONE_TOKEN, examples=EXAMPLES[:3]
    )
    assert isinstance(model, HuggingFaceModel)
    return model


def read(model: HuggingFaceModel, examples: list[Example], site: Site) -> Reading:
    (reading,) = model.read(model.collate(model.encode(examples)), [site])
    return reading


def by_full_passes(model: HuggingFaceModel, examples: list[Example], site: Site) -> Reading:
    key = (site.layer, site.rows)
    taken = model._way(site)
    model._ways[key] = replace(taken, name="full", prepare=full)
    reading = read(model, examples, site)
    reading.replay(reading.attention.unsqueeze(1))  # a way is looked up when it is first gone
    model._ways[key] = taken
    return reading


def some_attention(reading: Reading, n_variants: int) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    shape = (len(reading.attention), n_variants, *reading.attention.shape[1:])
    weights = torch.rand(shape, generator=draw) * reading.admissible.unsqueeze(1)
    return (weights / weights.sum(-1, keepdim=True)).requires_grad_()


@pytest.mark.parametrize("model_type", ["llama", "gpt2"])
def test_its_gradient_is_that_of_full_passes_and_nothing_else_is_run(
    model_type: str, language_model: Checkpoint
) -> None:
    depth = {"llama": "num_hidden_layers", "gpt2": "n_layer"}[model_type]
    model, site = decoder(model_type, language_model, **{depth: N_LAYERS}), Site(LAYER)
    assert model._way(site).name == "cache"
    reading, whole = read(model, EXAMPLES, site), by_full_passes(model, EXAMPLES, site)
    attention = some_attention(reading, n_variants=3)
    reading.replay(attention)  # what is prepared once

    seen = list[torch.Size]()

    def note(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        seen.append(args[0].shape)

    feed_forward = [part for name, part in model.module.named_modules() if name.endswith(".mlp")]
    hooks = [part.register_forward_pre_hook(note) for part in feed_forward]
    replayed = reading.replay(attention)
    for hook in hooks:
        hook.remove()
    assert len(feed_forward) == N_LAYERS
    assert [shape[:2] for shape in seen] == [(3 * len(EXAMPLES), 1)] * (N_LAYERS - LAYER)

    expected = whole.replay(attention)
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad((replayed * direction).sum(), attention)
    (of_whole,) = torch.autograd.grad((expected * direction).sum(), attention)
    assert torch.allclose(replayed, expected, atol=CLOSE)
    assert torch.allclose(gradient, of_whole, rtol=0, atol=CLOSE * float(of_whole.abs().max()))
    assert not torch.allclose(expected, reading.logits.unsqueeze(1), atol=0.01)


def test_a_text_that_a_window_does_not_hold_is_run_as_a_whole(language_model: Checkpoint) -> None:
    model, site = decoder("mistral", language_model, sliding_window=40), Site(0)
    assert model._way(site).name == "cache"  # no text that was tried is as long
    long = [Example("long", "It is dull. " * 6), EXAMPLES[0]]
    reading, whole = read(model, long, site), by_full_passes(model, long, site)
    with torch.no_grad():
        attention = some_attention(reading, n_variants=3)
        replayed, expected = reading.replay(attention), whole.replay(attention)
    assert torch.allclose(replayed, expected, atol=CLOSE)
