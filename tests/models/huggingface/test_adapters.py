import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from attn_audit.data.example import Example
from attn_audit.errors import UnreadableCheckpointError, UnsupportedModelError
from attn_audit.models.huggingface import adapters
from attn_audit.models.huggingface.loading import load_classifier
from attn_audit.models.huggingface.options import LoadingOptions
from tests.checkpoints import SENTENCES
from tests.conftest import Checkpoint
from tests.models.huggingface.conftest import CPU, Damage

HEAD = "score.weight"


def written(folder: Path, **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"} | config))
    return folder


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "find_spec", lambda name: name)


def refused(folder: Path) -> str:
    with pytest.raises((UnreadableCheckpointError, UnsupportedModelError)) as raised:
        load_classifier(str(folder), LoadingOptions(), CPU)
    assert raised.value.message.isprintable()
    return raised.value.message


def test_an_adapter_needs_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(adapters, "find_spec", lambda name: None)
    assert "is a PEFT adapter, and the package peft is not installed" in refused(written(tmp_path))


@pytest.mark.usefixtures("installed")
def test_an_adapter_that_is_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    (written(tmp_path) / "adapter_model.bin").write_bytes(b"")
    assert "its weights are a pickle (adapter_model.bin)" in refused(tmp_path)


@pytest.mark.usefixtures("installed")
def test_an_adapter_names_its_model(tmp_path: Path) -> None:
    (written(tmp_path) / "adapter_model.safetensors").write_bytes(b"")
    assert "names no base_model_name_or_path" in refused(tmp_path)


@pytest.fixture
def base(damaged: Damage) -> Path:
    """A decoder whose head nobody trained."""
    folder = damaged("llama")
    weights = load_file(folder / "model.safetensors")
    del weights[HEAD]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForSequenceClassification

    config = peft.LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["q_proj"])
    model = peft.get_peft_model(AutoModelForSequenceClassification.from_pretrained(base), config)
    for name, parameter in model.named_parameters():
        if "lora" in name or "score" in name:
            torch.nn.init.normal_(parameter.data)
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_is_loaded_into_its_model(adapter: Path, base: Path) -> None:
    peft = pytest.importorskip("peft")
    classifier = load_classifier(str(adapter), LoadingOptions(), CPU)
    inputs = classifier.collate(classifier.encode([Example("a", text) for text in SENTENCES[:1]]))
    expected = peft.AutoPeftModelForSequenceClassification.from_pretrained(adapter).eval()
    with torch.no_grad():
        found = expected(**dict(inputs.keywords)).logits
    assert torch.allclose(classifier.logits(inputs), found[:, 1:] - found[:, :1], atol=1e-6)
    description = classifier.describe()
    assert description.details["base model"] == str(base)
    assert description.source == str(adapter)
    assert not any(parameter.requires_grad for parameter in classifier.module.parameters())


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_that_brings_no_head_either(adapter: Path) -> None:
    weights = load_file(adapter / "adapter_model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.endswith(HEAD)}
    save_file(kept, adapter / "adapter_model.safetensors", metadata={"format": "pt"})
    assert "its files lack score.weight" in refused(adapter)


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_beside_its_model_is_loaded_as_well(
    adapter: Path, checkpoint: Checkpoint
) -> None:
    alone = load_classifier(str(checkpoint("llama")), LoadingOptions(), CPU)
    whole = adapter.parent / "whole"
    shutil.copytree(checkpoint("llama"), whole)
    for file in adapter.glob("adapter*"):
        shutil.copy(file, whole)
    classifier = load_classifier(str(whole), LoadingOptions(), CPU)
    inputs = classifier.collate(classifier.encode([Example("a", SENTENCES[0])]))
    assert not torch.allclose(classifier.logits(inputs), alone.logits(inputs), atol=1e-3)
