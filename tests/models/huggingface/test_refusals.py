import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, LlamaForTokenClassification

from attn_audit.errors import (
    AttnAuditError,
    CheckpointNotFoundError,
    ConfigurationError,
    InvalidWeightsError,
    UnreadableCheckpointError,
    UnsupportedModelError,
)
from attn_audit.models.huggingface.hub import quiet
from attn_audit.models.huggingface.loading import load_classifier
from attn_audit.models.options import ModelOptions
from tests.conftest import Checkpoint
from tests.models.huggingface.conftest import CPU, Damage, Load

WEIGHTS = "model.safetensors"
OWN_CODE = {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.Own"}
TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


def refused(folder: Path | str, kind: type[AttnAuditError], **options: object) -> AttnAuditError:
    with pytest.raises(kind) as raised:
        load_classifier(str(folder), ModelOptions(**options), CPU)  # type: ignore[arg-type]
    assert type(raised.value) is kind
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 400
    return raised.value


@pytest.mark.parametrize("location", ["/nowhere/model", "a/b/c", "model.pt", "../model"])
def test_what_is_no_folder_and_no_name_is_not_looked_for_on_the_hub(location: str) -> None:
    refused(location, CheckpointNotFoundError)


def test_a_file_is_no_model(damaged: Damage) -> None:
    refused(damaged() / WEIGHTS, CheckpointNotFoundError)


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "holds no model: no config.json" in refused(tmp_path, UnsupportedModelError).message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "is damaged"),
        (b"\xff", "is damaged"),
        (b"[]", "is no JSON object"),
        (b"{}", "names no model_type"),
        (b'{"model_type": "bert", "num_attention_heads": "x"}', "its config.json:"),
        (b'{"model_type": "bert", "id2label": ["a", "b"]}', "its config.json:"),
    ],
)
def test_a_damaged_configuration(damaged: Damage, content: bytes, problem: str) -> None:
    folder = damaged()
    (folder / "config.json").write_bytes(content)
    assert problem in refused(folder, UnreadableCheckpointError).message


def test_a_model_that_transformers_does_not_know(damaged: Damage) -> None:
    error = refused(damaged(model_type="hal9000"), UnsupportedModelError)
    assert "is of type 'hal9000', which transformers" in error.message


def test_a_model_of_pictures(damaged: Damage) -> None:
    error = refused(damaged(model_type="vit"), UnsupportedModelError)
    assert "of type 'vit', of which transformers has no classifier of texts" in error.message


def test_a_pickle_is_not_loaded(damaged: Damage) -> None:
    folder = damaged()
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    error = refused(folder, UnreadableCheckpointError)
    assert "its weights are a pickle (pytorch_model.bin)" in error.message
    assert "save_pretrained" in (error.hint or "")


def test_no_weights(damaged: Damage) -> None:
    error = refused(damaged(without=(WEIGHTS,)), UnreadableCheckpointError)
    assert "it holds no weights (model.safetensors)" in error.message


@pytest.mark.parametrize("n_bytes", [0, 5, 1000, -100])
def test_weights_that_were_cut_off(damaged: Damage, n_bytes: int) -> None:
    folder = damaged()
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:n_bytes])
    assert "its weights:" in refused(folder, UnreadableCheckpointError).message


def test_a_model_without_a_trained_head(damaged: Damage) -> None:
    folder = damaged()
    weights = load_file(folder / WEIGHTS)
    kept = {name: value for name, value in weights.items() if "classifier" not in name}
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})
    error = refused(folder, UnsupportedModelError)
    assert "its files lack classifier.bias, classifier.weight, which would be random" in (
        error.message
    )


def test_a_base_model(checkpoint: Checkpoint, damaged: Damage) -> None:
    folder = damaged("llama")
    with quiet():
        AutoModel.from_pretrained(checkpoint("llama")).save_pretrained(folder)
    assert "its files lack score.weight" in refused(folder, UnsupportedModelError).message


def test_a_classifier_of_tokens(checkpoint: Checkpoint, damaged: Damage) -> None:
    folder = damaged("llama")
    with quiet():
        LlamaForTokenClassification.from_pretrained(checkpoint("llama")).save_pretrained(folder)
    error = refused(folder, UnsupportedModelError)
    assert "is a LlamaForTokenClassification: it labels tokens" in error.message


def test_weights_of_another_shape(damaged: Damage) -> None:
    labels = {"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}
    error = refused(damaged(**labels), UnreadableCheckpointError)
    assert "its classifier.bias is (2,), and its config.json says (3,)" in error.message


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_weights_that_are_no_numbers(damaged: Damage, value: float) -> None:
    folder = damaged()
    weights = load_file(folder / WEIGHTS)
    weights["classifier.weight"][1, 3] = value
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    assert "'classifier.weight'" in refused(folder, InvalidWeightsError).message


@pytest.mark.parametrize("left", [(), ("tokenizer_config.json",)])
def test_no_tokenizer(damaged: Damage, left: tuple[str, ...]) -> None:
    folder = damaged(without=tuple(name for name in TOKENIZER if name not in left))
    error = refused(folder, UnreadableCheckpointError)
    assert "tokenizer" in error.message


@pytest.mark.parametrize("name", TOKENIZER)
def test_a_damaged_tokenizer(damaged: Damage, name: str) -> None:
    folder = damaged()
    (folder / name).write_text("{")
    assert "its tokenizer:" in refused(folder, UnreadableCheckpointError).message


def test_code_is_not_run_unasked(damaged: Damage) -> None:
    folder = damaged(model_type="own", auto_map=OWN_CODE)
    (folder / "own.py").write_text("raise SystemExit('it was run')")
    error = refused(folder, UnsupportedModelError)
    assert "is a model with code of its own, which is not run unasked" in error.message
    assert "--trust-remote-code" in (error.hint or "")


def test_a_known_model_is_loaded_without_the_code_beside_it(damaged: Damage) -> None:
    folder = damaged(auto_map=OWN_CODE)
    (folder / "own.py").write_text("raise SystemExit('it was run')")
    load_classifier(str(folder), ModelOptions(), CPU)


def test_a_revision_of_a_local_folder(damaged: Damage) -> None:
    error = refused(damaged(), ConfigurationError, revision="main")
    assert "--revision is for models on the hub" in error.message


def test_quantised_weights_whose_package_is_missing(damaged: Damage) -> None:
    folder = damaged(quantization_config={"quant_method": "gptq", "bits": 4})
    error = refused(folder, UnsupportedModelError)
    assert "cannot load its weights of" in error.message


def test_a_head_of_one_output(damaged: Damage) -> None:
    folder = damaged(id2label={0: "LABEL_0"}, label2id={"LABEL_0": 0})
    weights = load_file(folder / WEIGHTS)
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = weights[name][:1].contiguous()
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    assert "regression head" in refused(folder, UnsupportedModelError).message


@pytest.mark.parametrize(
    ("max_length", "problem"),
    [
        (2, "leaves no room for a text: the tokenizer adds 2 special tokens, so at least 3"),
        (65, "--max-length 65: the model has positions for 64 tokens"),
    ],
)
def test_lengths_that_cannot_be(load: Load, max_length: int, problem: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load("mpnet", max_length=max_length)
    assert problem in refusal.value.message


def test_the_paper_models_do_without_transformers() -> None:
    code = "import sys, attn_audit.models.loading; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
