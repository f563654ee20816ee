from typing import Any

import pytest
import torch

from attn_audit.measures.attention_gradient import attention_gradient
from attn_audit.models.task import TaskKind
from tests.measures.brute import Loaded, assert_each, over_units, texts_of
from tests.tiny import tiny_examples, tiny_model


@pytest.mark.parametrize(("kind", "row"), [("bert", 0), ("gpt2", -1)])
def test_is_what_speaks_for_the_output_in_all_layers(loaded: Loaded, kind: str, row: int) -> None:
    model, batch = loaded(kind, "word")
    module: Any = model.module
    expected = []
    for text in texts_of(model, batch):
        with torch.enable_grad():
            ids = text.inputs.keywords["input_ids"]
            embeddings = module.get_input_embeddings()(ids).detach().requires_grad_()
            others = {k: v for k, v in text.inputs.keywords.items() if k != "input_ids"}
            found = module(**others, inputs_embeds=embeddings, output_attentions=True)
            score = found.logits[0].max()
        gradients = torch.autograd.grad(score, found.attentions)
        relevance = torch.eye(ids.shape[1], dtype=torch.float64)
        for weights, gradient in zip(found.attentions, gradients, strict=True):
            relevance = relevance + (weights * gradient)[0].clamp_min(0).mean(dim=0) @ relevance
        relevance.fill_diagonal_(0)
        expected.append(over_units(text, relevance[row].detach()))
    assert_each(attention_gradient(model, batch), batch, expected)


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.MULTICLASS, TaskKind.MULTILABEL])
def test_where_tokens_are_pooled_is_what_each_adds_to_the_log_odds(kind: TaskKind) -> None:
    model = tiny_model(kind=kind, n_labels=2 if kind is TaskKind.BINARY else 3)
    batch = model.collate(model.encode(tiny_examples(5)))
    (reading,) = model.read(batch, [model.default_site])
    encoder, readout = model.network.text_encoder.encoder, model.network.readout
    states = encoder(model.embed(batch), batch.inputs.arguments[1])
    values = readout.unit_values(states[:, 1:-1])  # attention adds up what these are
    units = readout.logits(values, None) - readout.logits(torch.zeros_like(values), None)
    units = units.detach().double()
    logits = reading.logits.double()
    if kind is TaskKind.BINARY:
        slope = units[..., 0] * logits[:, :1].sign()
    elif kind is TaskKind.MULTICLASS:
        own = logits.argmax(dim=1, keepdim=True)
        others = logits.scatter(1, own, -torch.inf).softmax(dim=1)
        slope = units.gather(2, own.unsqueeze(1).expand(-1, units.shape[1], 1)).squeeze(2)
        slope = slope - (units * others.unsqueeze(1)).sum(dim=2)
    else:
        is_on = logits >= 0
        first = logits == logits.amax(dim=1, keepdim=True)
        audited = torch.where(is_on.any(dim=1, keepdim=True), is_on, first)
        parts = torch.where(is_on, 1.0, -1.0) * audited / audited.sum(dim=1, keepdim=True)
        slope = (units * parts.unsqueeze(1)).sum(dim=2)
    found = attention_gradient(model, batch)
    attention = reading.attention[:, 0].double()
    expected = (attention * slope).clamp_min(0) * batch.unit_mask
    total = expected.sum(dim=1, keepdim=True)
    assert torch.allclose(found, expected / torch.where(total > 0, total, 1), atol=1e-4)
