"""A real causal language model that is asked, against plain code around `transformers`.

Logits are about 10: float32 gives them within 3e-5 of what float64 gives, by either way.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AutoModelForCausalLM, AutoTokenizer

from attn_audit import Example
from attn_audit.models.contract import Site
from attn_audit.models.huggingface.model import HuggingFaceModel
from tests.checkpoints import SENTENCES
from tests.models.huggingface.test_language_model import PROMPT, asked, by_plain_code, logits_of

CLOSE = 1e-4
OPTIONS = (" negative", " positive")
LONGER = (" a waste of time", " wonderful")
TEXTS = SENTENCES[:3]
EXAMPLES = [Example(f"e{i}", text) for i, text in enumerate(TEXTS)]
LAYERS = (0, 15, 29)

Change = Callable[[int, Tensor], Tensor]
"""Of a layer's weights."""


@pytest.fixture(scope="module")
def folder() -> Path:
    found = os.environ.get("ATTN_AUDIT_SMOLLM2")
    if found is None:
        pytest.skip("needs SmolLM2-135M-Instruct: its folder in ATTN_AUDIT_SMOLLM2")
    return Path(found)


@pytest.fixture(scope="module")
def model(folder: Path) -> HuggingFaceModel:
    return asked(folder, options=OPTIONS)


class Plain:
    """The model as the library loads it, with the textbook's attention in it."""

    def __init__(self, folder: Path) -> None:
        self._change: Change = lambda layer, weights: weights
        AttentionInterface.register("textbook", self._attend)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.module: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="textbook"
        ).eval()
        self._answers = [self.tokenizer(o, add_special_tokens=False)["input_ids"] for o in OPTIONS]

    def _attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, **given: Any
    ) -> tuple[Tensor, Tensor]:
        key, value = (part.repeat_interleave(3, dim=1) for part in (key, value))
        scores = query @ key.transpose(2, 3) * module.head_dim**-0.5
        later = torch.ones(scores.shape[2:]).triu(1).bool()
        weights = scores.masked_fill(later, -torch.inf).softmax(dim=-1)
        weights = self._change(module.layer_idx, weights)
        return (weights @ value).transpose(1, 2).contiguous(), weights

    @contextmanager
    def with_weights(self, change: Change) -> Iterator[None]:
        own, self._change = self._change, change
        yield
        self._change = own

    def ids(self, text: str) -> tuple[Tensor, list[int]]:
        """Of the prompt, and the places of the text's own tokens."""
        given = self.tokenizer(PROMPT.format(text=text), return_offsets_mapping=True)
        start = PROMPT.index("{")
        offsets = enumerate(given["offset_mapping"])
        own = [i for i, (a, b) in offsets if a < start + len(text) and b > start]
        return torch.tensor([given["input_ids"]]), own

    def logits(self, **given: Tensor) -> Tensor:
        logits: Tensor = self.module(**given).logits[0, -1]
        return logits[[ids[0] for ids in self._answers]]


@pytest.fixture(scope="module")
def plain(folder: Path) -> Plain:
    return Plain(folder)


def test_answers_have_the_librarys_numbers(folder: Path, model: HuggingFaceModel) -> None:
    found, expected = (
        logits_of(model, EXAMPLES),
        by_plain_code(folder, list(TEXTS), OPTIONS, "first"),
    )
    assert torch.allclose(found, expected, rtol=0, atol=CLOSE)
    longer = asked(folder, options=LONGER, answer_score="mean")
    expected = by_plain_code(folder, list(TEXTS), LONGER, "mean")
    assert torch.allclose(logits_of(longer, EXAMPLES), expected, rtol=0, atol=CLOSE)


@torch.no_grad()
def test_attention_of_every_layer_is_what_the_library_says(
    model: HuggingFaceModel, plain: Plain
) -> None:
    sites = [Site(layer) for layer in range(len(model.layers))]
    for example in EXAMPLES:
        readings = model.read(model.collate(model.encode([example])), sites)
        ids, own = plain.ids(example.text)
        every = plain.module(input_ids=ids, output_attentions=True).attentions
        assert len(every) == len(readings) == 30
        for reading, weights in zip(readings, every, strict=True):
            found = reading.attention[0] * reading.mass[0].unsqueeze(1)
            assert torch.allclose(found, weights[0, :, -1, own], rtol=0, atol=CLOSE)


@torch.no_grad()
def test_without_each_token_the_logits_are_those_of_the_shorter_prompt(
    model: HuggingFaceModel, plain: Plain
) -> None:
    batch = model.collate(model.encode(EXAMPLES))
    keep = ~torch.eye(batch.unit_mask.shape[1], dtype=torch.bool).expand(len(EXAMPLES), -1, -1)
    whole, n_computed = logits_of(model, EXAMPLES), 0

    def count(module: nn.Module, args: Any, given: dict[str, Any]) -> None:
        nonlocal n_computed
        n_computed += given["input_ids"].numel()

    model.erase(batch, keep, "delete")  # the trial that it is exact
    with model.module.register_forward_pre_hook(count, with_kwargs=True):
        found = model.erase(batch, keep, "delete")
    n_whole = 0
    for row, text in enumerate(TEXTS):
        ids, own = plain.ids(text)
        for unit, place in enumerate(own):
            shorter = torch.cat([ids[:, :place], ids[:, place + 1 :]], dim=1)
            n_whole += shorter.numel()
            expected = plain.logits(input_ids=shorter)
            assert torch.allclose(found[row, unit], expected, rtol=0, atol=CLOSE)
            assert not torch.allclose(found[row, unit], whole[row], rtol=0, atol=10 * CLOSE)
    assert n_computed < 0.9 * n_whole


@torch.no_grad()
@pytest.mark.parametrize("layer", LAYERS)
def test_permuted_attention_gives_what_it_gives_in_a_plain_pass(
    layer: int, model: HuggingFaceModel, plain: Plain
) -> None:
    draw = torch.Generator().manual_seed(layer)
    for example in EXAMPLES:
        ids, own = plain.ids(example.text)
        order = torch.randperm(len(own), generator=draw)
        (reading,) = model.read(model.collate(model.encode([example])), [Site(layer)])
        found = reading.replay(reading.attention[..., order].unsqueeze(1))[0, 0]

        def permuted(
            at: int, weights: Tensor, own: list[int] = own, order: Tensor = order
        ) -> Tensor:
            if at == layer:
                weights[:, :, -1, own] = weights[:, :, -1, own][..., order]
            return weights

        with plain.with_weights(permuted):
            expected = plain.logits(input_ids=ids)
        assert torch.allclose(found, expected, rtol=0, atol=CLOSE)
        assert not torch.allclose(found, reading.logits[0], rtol=0, atol=10 * CLOSE)


@pytest.mark.parametrize("is_held", [False, True])
def test_gradients_are_those_of_a_plain_backward_pass(
    is_held: bool, model: HuggingFaceModel, plain: Plain
) -> None:
    def held(layer: int, weights: Tensor) -> Tensor:
        return weights.detach() if is_held else weights

    for example in EXAMPLES:
        ids, own = plain.ids(example.text)
        embedded = plain.module.get_input_embeddings()(ids).detach().requires_grad_()
        with plain.with_weights(held):
            logits = plain.logits(inputs_embeds=embedded)
        (slope,) = torch.autograd.grad(logits[0] - logits[1], embedded)
        expected = slope[0, own]
        batch = model.collate(model.encode([example]))
        embeddings = model.embed(batch).detach().requires_grad_()
        ours = model.forward(batch, embeddings, hold_attention=is_held)[0]
        (slope,) = torch.autograd.grad(ours[0] - ours[1], embeddings)
        found = slope[0][batch.inputs.units[0] >= 0]
        assert torch.allclose(found, expected, rtol=0, atol=CLOSE * float(expected.abs().max()))
