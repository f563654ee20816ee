import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from huggingface_hub.utils import are_progress_bars_disabled
from transformers.utils import logging as transformers_logging

from attn_audit.data.example import Example
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.hub import quiet
from attn_audit.models.huggingface.loading import load_classifier
from attn_audit.models.options import ModelOptions
from attn_audit.results.model_description import ModelDescription
from tests.checkpoints import KINDS, MAX_LENGTH, SENTENCES, write_checkpoint
from tests.conftest import Checkpoint
from tests.models.huggingface.conftest import CPU, Damage, Load

EXAMPLES = [Example(str(i), text) for i, text in enumerate(SENTENCES[:5])]


@pytest.mark.parametrize("kind", KINDS)
def test_loads_what_transformers_loads(checkpoint: Checkpoint, load: Load, kind: str) -> None:
    folder = checkpoint(kind)
    classifier = load(kind)
    module = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for encoded in classifier.encode(EXAMPLES):
        given = tokenizer(encoded.example.text, return_tensors="pt")
        with torch.no_grad():
            expected = module(**given).logits
            logits = classifier.logits(classifier.collate([encoded]))
        assert torch.allclose(logits, expected[:, 1:] - expected[:, :1], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_describes_the_model(load: Load, kind: str) -> None:
    description = load(kind).describe()
    assert description.format == "HuggingFace"
    assert description.labels == ("negative", "positive")
    assert description.dtype == "float32"
    assert description.details["max length"] == MAX_LENGTH
    assert description.details["model type"] == kind
    assert "x 4 heads, hidden size 32" in description.architecture
    assert description.sha256 is not None
    assert description.layers == ()


def test_an_encoder_decoder_has_two_depths(load: Load) -> None:
    assert "3 + 3 layers" in load("t5").describe().architecture
    assert "3 + 3 layers" in load("bart").describe().architecture


def test_nothing_is_trained_or_dropped(load: Load) -> None:
    module = load("bert").module
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_the_attention_is_the_models_own(load: Load) -> None:
    module: Any = load("bert").module
    assert module.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_the_attention_is_the_one_that_is_asked_for(load: Load, implementation: str) -> None:
    module: Any = load("bert", attention_implementation=implementation).module
    assert module.config._attn_implementation == implementation


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_computes_in_the_dtype_asked_for(load: Load, dtype: torch.dtype) -> None:
    classifier = load("bert", dtype=str(dtype).removeprefix("torch."))
    assert classifier.describe().dtype == str(dtype).removeprefix("torch.")
    logits = classifier.logits(classifier.collate(classifier.encode(EXAMPLES)))
    assert logits.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


def test_a_real_model_classifies(shared: Path) -> None:
    location = str(shared / "models" / "minilm_sst")
    classifier = load_classifier(location, ModelOptions(), CPU)
    texts = [Example("a", "A gorgeous, witty movie."), Example("b", "A mess from start to end.")]
    logits = classifier.logits(classifier.collate(classifier.encode(texts)))
    found = classifier.task.predictions(classifier.task.probabilities(logits.detach()))
    assert found == ["positive", "negative"]
    description = classifier.describe()
    assert description.source == location
    assert description.details["max length"] == 512
    assert description.n_parameters == 22_713_986
    assert description.architecture == (
        "BertForSequenceClassification, 6 layers x 12 heads, hidden size 384"
    )


def test_the_fingerprint_is_of_the_files_that_are_used(damaged: Damage) -> None:
    def fingerprint() -> str | None:
        return load_classifier(str(folder), ModelOptions(), CPU).describe().sha256

    folder = damaged()
    before = fingerprint()
    (folder / "README.md").write_text("notes")
    (folder / "optimizer.pt").write_bytes(b"state")
    assert fingerprint() == before
    (folder / "tokenizer_config.json").write_text(
        (folder / "tokenizer_config.json").read_text() + "\n"
    )
    assert fingerprint() != before


def test_one_sigmoid_is_one_logit(tmp_path: Path) -> None:
    folder = write_checkpoint("distilbert", tmp_path / "toxic", num_labels=1)
    classifier = load_classifier(str(folder), ModelOptions(task="binary"), CPU)
    assert classifier.task.labels == ("0", "1")
    encoded = classifier.encode([Example("a", "A fine film.", labels=("1",))])
    inputs = classifier.collate(encoded)
    assert torch.equal(classifier.logits(inputs), classifier.module(**dict(inputs.keywords)).logits)


@pytest.mark.parametrize("problem_type", [None, "multi_label_classification"])
def test_several_labels_keep_their_logits(tmp_path: Path, problem_type: str | None) -> None:
    folder = write_checkpoint("bert", tmp_path / "topics", num_labels=3, problem_type=problem_type)
    classifier = load_classifier(str(folder), ModelOptions(), CPU)
    inputs = classifier.collate(classifier.encode(EXAMPLES))
    assert classifier.task.name == ("multilabel" if problem_type else "multiclass")
    assert torch.equal(classifier.logits(inputs), classifier.module(**dict(inputs.keywords)).logits)


def test_a_model_in_memory_is_left_as_it_is(checkpoint: Checkpoint) -> None:
    module = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint("gpt2"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint("gpt2"))
    classifier = HuggingFaceClassifier(module, tokenizer)
    classifier.logits(classifier.collate(classifier.encode(EXAMPLES)))
    assert module.config.pad_token_id is None
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert classifier.describe().source == "in memory"
    assert classifier.describe().sha256 is None


def test_nothing_is_said_on_the_terminal(
    checkpoint: Checkpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    classifier = load_classifier(str(checkpoint("bert")), ModelOptions(max_length=6), CPU)
    pair = Example("a", SENTENCES[0], SENTENCES[1])
    load_classifier(
        str(checkpoint("bert")), ModelOptions(max_length=6, takes_pairs=True), CPU
    ).encode([pair])
    classifier.encode([Example("b", " ".join(SENTENCES))])
    assert capfd.readouterr() == ("", "")


def test_the_libraries_speak_again_afterwards() -> None:
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_info()
    try:
        with quiet(), quiet():
            assert transformers_logging.get_verbosity() == logging.CRITICAL
            assert are_progress_bars_disabled()
            warnings.warn("not shown", stacklevel=1)
        assert transformers_logging.get_verbosity() == logging.INFO
        assert transformers_logging.is_progress_bar_enabled()
        assert not are_progress_bars_disabled()
    finally:
        transformers_logging.set_verbosity(before)


OWN = """
from transformers import BertConfig, BertForSequenceClassification

class OwnConfig(BertConfig):
    model_type = "own"

class Own(BertForSequenceClassification):
    config_class = OwnConfig
"""


def test_code_that_is_trusted_is_run_and_reported(
    damaged: Damage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    names = {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.Own"}
    folder = damaged(model_type="own", auto_map=names)
    (folder / "own.py").write_text(OWN)

    def description() -> ModelDescription:
        options = ModelOptions(trust_remote_code=True)
        return load_classifier(str(folder), options, CPU).describe()

    before = description()
    assert before.architecture.startswith("Own, 3 layers")
    assert before.details["trust_remote_code"] is True
    (folder / "own.py").write_text(OWN + "# changed")
    assert description().sha256 != before.sha256
