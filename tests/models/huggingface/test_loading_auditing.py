"""Models in memory: the user's own transformers objects."""

from typing import Any

import pytest
import torch

from attn_audit import Example, audit, wrap
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.loading import load_classifier
from attn_audit.models.huggingface.model import choose_padding_side
from attn_audit.models.interception.classifier import ModelInputs
from attn_audit.models.options import ModelOptions
from attn_audit.models.units import UnitName
from tests.checkpoints import SENTENCES
from tests.conftest import Checkpoint


def objects(checkpoint: Checkpoint, kind: str) -> tuple[torch.nn.Module, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = checkpoint(kind)
    module: torch.nn.Module = AutoModelForSequenceClassification.from_pretrained(folder)
    return module, AutoTokenizer.from_pretrained(folder)


EXAMPLES = [Example(f"e{i}", text) for i, text in enumerate(SENTENCES[:6])]


@pytest.mark.parametrize("unit", ["token", "word"])
def test_a_model_in_memory_is_audited_like_its_checkpoint(
    checkpoint: Checkpoint, unit: UnitName
) -> None:
    settings: dict[str, Any] = {"checks": ["permutation"], "permutations": 5, "reproducible": True}
    wrapped = wrap(*objects(checkpoint, "bert"), unit=unit)
    from_memory = audit(wrapped, EXAMPLES, **settings)
    from_folder = audit(checkpoint("bert"), EXAMPLES, unit=unit, **settings)
    assert from_memory.metrics == from_folder.metrics
    assert from_memory.settings.unit == from_folder.settings.unit == unit


def test_a_wrapped_model_works_as_before(checkpoint: Checkpoint) -> None:
    module, tokenizer = objects(checkpoint, "bert")
    module.train()
    inputs = tokenizer(SENTENCES[:3], return_tensors="pt", padding=True)
    before = module.eval()(**inputs).logits
    audit(wrap(module, tokenizer), EXAMPLES, checks=["correlation"])
    assert torch.equal(module(**inputs).logits, before)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama", "t5"])
def test_shorter_texts_are_padded_on_the_right(checkpoint: Checkpoint, kind: str) -> None:
    classifier = load_classifier(str(checkpoint(kind)), ModelOptions(), torch.device("cpu"))
    choose_padding_side(classifier, classifier.encoder.encode(EXAMPLES))
    assert classifier.padding_side == "right"


def test_shorter_texts_are_padded_on_the_left_where_the_last_position_is_read(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = load_classifier(str(checkpoint("llama")), ModelOptions(), torch.device("cpu"))

    def last_position(self: HuggingFaceClassifier, inputs: ModelInputs) -> torch.Tensor:
        module: Any = self.module
        states = module.model(**inputs.keywords).last_hidden_state[:, -1]
        logits: torch.Tensor = module.score(states)[:, :1]
        return logits

    monkeypatch.setattr(HuggingFaceClassifier, "logits", last_position)
    choose_padding_side(classifier, classifier.encoder.encode(EXAMPLES))
    assert classifier.padding_side == "left"


@pytest.mark.parametrize("kept", [torch.float16, torch.bfloat16])
def test_half_precision_in_memory_is_computed_with_in_single(
    checkpoint: Checkpoint, kept: torch.dtype
) -> None:
    module, tokenizer = objects(checkpoint, "bert")
    rounded, _ = objects(checkpoint, "bert")
    settings: dict[str, Any] = {"checks": ["correlation"], "reproducible": True}
    expected = audit(wrap(rounded.to(kept).float(), tokenizer), EXAMPLES, **settings)
    module = module.to(kept).train()
    with pytest.warns(UserWarning, match="a copy of it computes in float32"):
        wrapped = wrap(module, tokenizer)
    report = audit(wrapped, EXAMPLES, **settings)
    assert report.metrics == expected.metrics
    assert report.model.dtype == "float32"
    assert report.model.details["weights in memory"] == str(kept).removeprefix("torch.")
    assert {parameter.dtype for parameter in module.parameters()} == {kept}
    assert module.training


def test_half_precision_is_kept_where_it_is_asked_for(checkpoint: Checkpoint) -> None:
    module, tokenizer = objects(checkpoint, "bert")
    wrapped = wrap(module.to(torch.bfloat16), tokenizer, dtype="bfloat16")
    assert wrapped.module is module
    assert wrapped.describe().dtype == "bfloat16"
    assert "weights in memory" not in wrapped.describe().details


def test_double_precision_is_kept_and_can_be_asked_for(checkpoint: Checkpoint) -> None:
    module, tokenizer = objects(checkpoint, "bert")
    assert wrap(module, tokenizer, dtype="float64").describe().dtype == "float64"
    assert module.dtype == torch.float32
    assert wrap(module.double(), tokenizer).describe().dtype == "float64"


def test_quantised_weights_stay_as_they_are(checkpoint: Checkpoint) -> None:
    module, tokenizer = objects(checkpoint, "bert")
    module = module.to(torch.bfloat16)
    setattr(module, "is_quantized", True)  # noqa: B010 - transformers sets it
    assert wrap(module, tokenizer).module is module
