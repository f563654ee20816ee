"""HuggingFace classifiers that have no attention, and those of which nobody asks for any."""

import torch
from transformers import AutoTokenizer, FNetConfig, FNetForSequenceClassification

from attn_audit.measures.leave_one_out import leave_out
from attn_audit.measures.registry import applicable
from attn_audit.models.huggingface.model import HuggingFaceModel
from attn_audit.models.interception.classifier import or_probes
from tests.checkpoints import transformers_model
from tests.conftest import Checkpoint
from tests.models.huggingface.conftest import Load


def test_transforms_of_fourier_mix_tokens_without_attention(checkpoint: Checkpoint) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint("bert"))
    torch.manual_seed(0)
    module = FNetForSequenceClassification(
        FNetConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            num_hidden_layers=1,
            intermediate_size=16,
            max_position_embeddings=64,
        )
    )
    model = transformers_model(module.eval(), tokenizer)
    assert model.layers == ()
    assert "FNetForSequenceClassification calls neither" in str(model.no_attention_because)
    assert model.describe().details["removal"] == "delete"
    batch = model.collate(model.encode(or_probes(())[:1]))
    ids = batch.inputs.keywords["input_ids"]
    with torch.no_grad():
        whole, without = (
            module(input_ids=given).logits.double().softmax(-1)
            for given in (ids, torch.cat([ids[:, :1], ids[:, 2:]], dim=1))
        )
    found = leave_out(model, batch).distance[0, 0]
    assert abs(float(found) - float((whole - without).abs().sum() / 2)) < 1e-6


def test_attention_that_nobody_asks_for_is_not_looked_for(load: Load) -> None:
    classifier, texts = load("bert"), or_probes(())
    seen = HuggingFaceModel(classifier, texts)
    blind = HuggingFaceModel(classifier, texts, is_blind=True)
    assert (len(seen.layers), blind.layers) == (3, ())
    assert blind.no_attention_because == "it was not looked for, as was asked"
    assert applicable(blind) == (
        "gradient", "leave_one_out", "gradient_x_input", "integrated_gradients",
    )  # fmt: skip
    one, other = (
        leave_out(model, model.collate(model.encode(texts))).distance for model in (seen, blind)
    )
    assert torch.allclose(one, other, atol=1e-6)
