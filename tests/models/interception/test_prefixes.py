"""Beginnings that are computed once, against passes through all texts."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from attn_audit import Example
from attn_audit.models.interception.classifier import InterceptedBatch, ModelInputs
from attn_audit.models.interception.model import InterceptedModel
from tests.checkpoints import SENTENCES, transformers_model, write_language_model
from tests.models.interception.matrix import OfKind, assert_close

TEXTS = [Example(f"e{i}", text) for i, text in enumerate(SENTENCES[:6])]


ANSWERS = ("dull", "wonderful and touching", "bad")
FOLLOWED = [
    Example(f"e{i}", text, fields={"answer": ANSWERS[i % 3]})
    for i, text in enumerate(SENTENCES[:6])
]
PROMPT = "Nobody liked the film, and it is about love. Review: {text}"
QUESTIONS: dict[str, dict[str, Any]] = {
    "one token": {"prompt": PROMPT + "\nSo:", "options": (" bad", " not", " never")},
    "several tokens": {"prompt": PROMPT + "\nSo:", "options": (" dull", " wonderful", " bad")},
    "what a row says": {"prompt": PROMPT + "\nSo: {answer}", "target": "answer"},
    "right behind the text": {"prompt": PROMPT + " {answer}", "target": "answer"},
}


def some_units(batch: InterceptedBatch) -> Tensor:
    """Each unit left out alone, and random halves."""
    n_batch, n_units = batch.unit_mask.shape
    generator = torch.Generator().manual_seed(0)
    halves = torch.rand(n_batch, 4, n_units, generator=generator) < 0.5
    halves[:, :, -1] = True
    each = ~torch.eye(n_units, dtype=torch.bool).expand(n_batch, -1, -1)
    keep = torch.cat([each, halves], dim=1)
    keep[(keep & batch.unit_mask.unsqueeze(1)).sum(dim=2) == 0] = True
    return keep


def n_computed(model: InterceptedModel, batch: InterceptedBatch, keep: Tensor, way: str) -> int:
    n_positions = 0

    def count(module: nn.Module, args: Any, given: dict[str, Any]) -> None:
        nonlocal n_positions
        n_positions += given["input_ids"].numel()

    with model.module.register_forward_pre_hook(count, with_kwargs=True):
        model.erase(batch, keep, way)
    return n_positions


@pytest.mark.parametrize("way", ["mask", "delete", "neutral"])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_texts_that_begin_alike_share_it(
    of_kind: OfKind, kind: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = of_kind(kind)
    batch = model.collate(model.encode(TEXTS))
    keep = some_units(batch)
    found = model.erase(batch, keep, way)
    n_with = n_computed(model, batch, keep, way)
    monkeypatch.setattr(type(model.classifier), "can_continue", False)
    n_without = n_computed(model, batch, keep, way)
    if model.removals[way].is_of_tokens:  # GPT-2 has no token that says nothing
        assert n_with < 0.8 * n_without
    assert_close(found, model.erase(batch, keep, way))


@pytest.mark.parametrize(
    ("kind", "question"), [*(("llama", question) for question in QUESTIONS), ("gpt2", "one token")]
)
def test_prompts_that_begin_alike_share_it_whatever_is_asked(
    tmp_path: Path, kind: str, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_language_model(kind, tmp_path / kind, max_position_embeddings=128)
    module: nn.Module = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.model_max_length = 128
    model = transformers_model(module, tokenizer, examples=FOLLOWED[:3], **QUESTIONS[question])
    batch = model.collate(model.encode(FOLLOWED))
    keep = some_units(batch)
    for way in ("mask", "delete"):
        found = model.erase(batch, keep, way)
        n_with = n_computed(model, batch, keep, way)
        with monkeypatch.context() as patch:
            patch.setattr(type(model.classifier), "can_continue", False)
            n_without = n_computed(model, batch, keep, way)
            assert_close(found, model.erase(batch, keep, way))
        assert n_with < 0.5 * n_without


def test_where_tokens_see_later_ones_nothing_is_shared(
    of_kind: OfKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder that would take keys and values."""
    model = of_kind("bert")
    classifier = model.classifier
    monkeypatch.setattr(type(classifier), "can_continue", True)
    monkeypatch.setattr(type(classifier), "kept_prefixes", lambda self, inputs: inputs)

    def continued(
        self: object, kept: ModelInputs, rows: Tensor, n_kept: Tensor, inputs: ModelInputs
    ) -> Tensor:
        """What a causal model would give: nothing before the first change looks behind it."""
        return classifier.logits(kept.take(rows))

    monkeypatch.setattr(type(classifier), "continued", continued)
    batch = model.collate(model.encode(TEXTS))
    keep = some_units(batch)
    found = model.erase(batch, keep, "delete")
    monkeypatch.setattr(type(classifier), "can_continue", False)
    assert_close(found, model.erase(batch, keep, "delete"))
