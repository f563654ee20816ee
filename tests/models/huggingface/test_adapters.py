import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from attn_audit.data.example import Example
from attn_audit.errors import (
    AttnAuditError,
    InvalidWeightsError,
    UnreadableCheckpointError,
    UnsupportedModelError,
)
from attn_audit.models.huggingface import checkpoint_weights
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.loading import load_classifier
from attn_audit.models.options import ModelOptions
from tests.checkpoints import SENTENCES
from tests.conftest import Checkpoint
from tests.models.huggingface.adapters import (
    PREFIX,
    base_without_head,
    logits_of_peft,
    plain,
    train,
)
from tests.models.huggingface.conftest import CPU

pytestmark = pytest.mark.filterwarnings("ignore")

FILE, CONFIG = "adapter_model.safetensors", "adapter_config.json"
FIRST = f"{PREFIX}bert.encoder.layer.0.attention.self.query.lora_A.weight"
SQUARE = f"{PREFIX}bert.encoder.layer.0.attention.self.key.lora_A.weight"
EXAMPLES = [Example(str(number), text) for number, text in enumerate(SENTENCES[:3])]

Weights = dict[str, torch.Tensor]


def load(folder: Path, **options: Any) -> HuggingFaceClassifier:
    return load_classifier(str(folder), ModelOptions(**options), CPU)


def refused(folder: Path, *kinds: type[AttnAuditError]) -> str:
    with pytest.raises(kinds or (UnreadableCheckpointError, UnsupportedModelError)) as raised:
        load(folder)
    assert raised.value.message.isprintable()
    return raised.value.message


def written(folder: Path, **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).write_text(json.dumps({"peft_type": "LORA"} | config))
    return folder


def saved(folder: Path, weights: Weights) -> Path:
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / FILE)
    return folder


def changed(folder: Path, **config: object) -> Path:
    file = folder / CONFIG
    file.write_text(json.dumps(json.loads(file.read_text()) | config))
    return folder


class TestWithoutPeft:
    """What is told from the files alone."""

    @pytest.fixture(autouse=True)
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checkpoint_weights, "find_spec", lambda name: name)

    def test_an_adapter_needs_its_package(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(checkpoint_weights, "find_spec", lambda name: None)
        said = refused(written(tmp_path))
        assert "is a PEFT adapter, and the package peft is not installed" in said

    def test_a_pickle_is_not_loaded(self, tmp_path: Path) -> None:
        (written(tmp_path) / "adapter_model.bin").write_bytes(b"")
        assert "its weights are a pickle (adapter_model.bin)" in refused(tmp_path)

    def test_it_names_its_model(self, tmp_path: Path) -> None:
        saved(written(tmp_path), {})
        assert "names no base_model_name_or_path" in refused(tmp_path)

    def test_its_model_is_not_where_it_was(self, tmp_path: Path) -> None:
        saved(written(tmp_path, base_model_name_or_path="/nowhere/base"), {})
        said = refused(tmp_path)
        assert f"cannot load the model {tmp_path}: its adapter_config.json names" in said
        assert "no model at /nowhere/base" in said

    def test_its_model_is_an_adapter_too(self, tmp_path: Path) -> None:
        inner = written(tmp_path / "inner")
        outer = saved(written(tmp_path / "outer", base_model_name_or_path=str(inner)), {})
        assert f"is an adapter of {inner}, which has an adapter itself" in refused(outer)

    def test_its_model_is_a_pickle(self, checkpoint: Checkpoint, tmp_path: Path) -> None:
        base = shutil.copytree(checkpoint("bert"), tmp_path / "base")
        (base / "model.safetensors").rename(base / "pytorch_model.bin")
        outer = saved(written(tmp_path / "outer", base_model_name_or_path=str(base)), {})
        assert f"{base}: its weights are a pickle" in refused(outer)

    @pytest.mark.parametrize(
        ("config", "problem"),
        [
            ({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3}, "type 'PREFIX_TUNING'"),
            ({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 3}, "type 'PROMPT_TUNING'"),
            ({"peft_type": "ADAPTION_PROMPT"}, "does more than change weights"),
            ({"alora_invocation_tokens": [4, 5]}, "works only after some tokens"),
            ({"task_type": "TOKEN_CLS"}, "an adapter for TOKEN_CLS: it labels tokens"),
            ({"task_type": "QUESTION_ANS"}, "for QUESTION_ANS: it marks answers"),
        ],
    )
    def test_what_changes_more_than_weights_or_is_no_classifier(
        self, tmp_path: Path, config: dict[str, object], problem: str
    ) -> None:
        assert problem in refused(saved(written(tmp_path, **config), {}))

    @pytest.mark.parametrize("content", [b"", b"{}", b"\x00" * 40])
    def test_a_file_that_is_damaged(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "base").mkdir()
        (written(tmp_path, base_model_name_or_path="base") / FILE).write_bytes(content)
        assert "its adapter:" in refused(tmp_path)


@pytest.fixture(scope="module")
def base(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("peft")
    return base_without_head(checkpoint("bert"), tmp_path_factory.mktemp("adapters") / "base")


def lora(**options: Any) -> Any:
    peft = pytest.importorskip("peft")
    settings = {"task_type": "SEQ_CLS", "target_modules": ["query", "value"], "r": 4}
    return peft.LoraConfig(**settings | options)


@pytest.fixture(scope="module")
def trained(base: Path) -> Path:
    return train(base, base.parent / "lora", lora())


@pytest.fixture
def adapter(trained: Path, tmp_path: Path) -> Path:
    """To be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "adapter"))


OTHERS: dict[str, dict[str, Any]] = {
    "AdaLora": {"init_r": 6, "target_r": 3, "total_step": 10, "tinit": 1, "tfinal": 1},
    "BOFT": {"boft_block_size": 4},
    "FourierFT": {"n_frequency": 50},
    "IA3": {"feedforward_modules": []},
    "LoHa": {},
    "LoKr": {},
    "OFT": {"oft_block_size": 8, "r": 0},
    "VBLoRA": {"num_vectors": 20, "vector_length": 8},
    "Vera": {"save_projection": False},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dora": {"use_dora": True},
    "rslora": {"use_rslora": True, "lora_alpha": 16},
    "all biases": {"bias": "all"},
    "its biases": {"bias": "lora_only"},
    "patterns": {"rank_pattern": {"query": 2}, "alpha_pattern": {"value": 32}},
    "all linear": {"target_modules": "all-linear"},
    "embeddings": {"target_modules": ["word_embeddings", "query"]},
    "more saved": {"modules_to_save": ["pooler", "word_embeddings"]},
    "single tokens": {"trainable_token_indices": {"word_embeddings": [10, 12]}},
    "one layer": {"layers_to_transform": [1]},
    "pissa": {"init_lora_weights": "pissa"},
    "olora": {"init_lora_weights": "olora"},
}


def settings_of(name: str) -> Any:
    if name in VARIANTS:
        return lora(**VARIANTS[name])
    kind = getattr(pytest.importorskip("peft"), f"{name}Config")
    return kind(task_type="SEQ_CLS", target_modules=["query", "value"], **OTHERS[name])


@pytest.mark.parametrize("name", [*VARIANTS, *OTHERS])
def test_gives_what_peft_gives_and_the_same_twice(base: Path, tmp_path: Path, name: str) -> None:
    folder = train(base, tmp_path / "adapter", settings_of(name))
    classifier = load(folder)
    inputs = classifier.collate(classifier.encode(EXAMPLES))
    expected = logits_of_peft(folder, plain(base), inputs)
    assert torch.allclose(
        classifier.logits(inputs), expected[:, 1:] - expected[:, :1], rtol=0, atol=1e-6
    )
    assert type(classifier.module).__name__ == "BertForSequenceClassification"
    torch.manual_seed(99)
    again = load(folder).module.state_dict()
    for weight, tensor in classifier.module.state_dict().items():
        assert torch.equal(tensor, again[weight]), weight


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_computes_as_peft_does_in_other_precisions(
    base: Path, tmp_path: Path, dtype: torch.dtype
) -> None:
    folder = train(base, tmp_path / "adapter", lora(use_dora=True))
    classifier = load(folder, dtype=str(dtype).removeprefix("torch."))
    inputs = classifier.collate(classifier.encode(EXAMPLES))
    with torch.no_grad():
        found = classifier.module(**dict(inputs.keywords)).logits
    assert torch.equal(found, logits_of_peft(folder, plain(base, dtype=dtype), inputs))


def test_every_weight_is_that_of_its_file(trained: Path) -> None:
    module = load(trained).module.state_dict()
    given = load_file(trained / FILE)
    own = {name: value for name, value in module.items() if ".default" in name}
    assert len(own) == len(given) == 2 * 2 * 3 + 2
    for name, value in own.items():
        short = name.replace(".modules_to_save.default", "").replace(".default", "")
        assert torch.equal(value, given[f"{PREFIX}{short}"])


def test_it_is_described_with_its_base_model(trained: Path, base: Path) -> None:
    classifier = load(trained)
    description = classifier.describe()
    assert description.details["base model"] == str(base)
    assert description.details["adapter"] == "LORA"
    assert description.source == str(trained)
    assert not any(parameter.requires_grad for parameter in classifier.module.parameters())


def without(part: str) -> Callable[[Weights], Weights]:
    return lambda weights: {n: value for n, value in weights.items() if part not in n}


def renamed(change: Callable[[str], str]) -> Callable[[Weights], Weights]:
    return lambda weights: {change(name): value for name, value in weights.items()}


def halved(weights: Weights) -> Weights:
    ranks = {"lora_A": lambda value: value[:2], "lora_B": lambda value: value[:, :2]}
    kinds = {name: name.split(".")[-2] for name in weights}
    return {n: ranks.get(kinds[n], lambda value: value)(value) for n, value in weights.items()}


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        (without("layer.1."), [f"it lacks {FIRST.replace('layer.0', 'layer.1')}"]),
        (without("classifier"), [f"it lacks {PREFIX}classifier.bias, {PREFIX}classifier.weight"]),
        (without("classifier.bias"), [f"it lacks {PREFIX}classifier.bias"]),
        (without(""), [f"it lacks {FIRST}", "neither has classifier.bias, classifier.weight"]),
        (renamed(lambda n: n.removeprefix(PREFIX)), [f"lacks {FIRST}", "nothing uses bert.enc"]),
        (renamed(lambda n: PREFIX + n), [f"lacks {FIRST}", f"nothing uses {PREFIX}{PREFIX}bert"]),
        (renamed(lambda n: f"module.{n}"), [f"lacks {FIRST}", "nothing uses module.base"]),
        (
            renamed(lambda n: n.replace(".bert.", ".roberta.")),
            [f"it lacks {FIRST}", f"nothing uses {FIRST.replace('.bert.', '.roberta.')}"],
        ),
        (
            renamed(lambda n: n.replace("lora_A.", "lora_A.mine.")),
            [f"it lacks {FIRST}", f"nothing uses {FIRST.replace('lora_A.', 'lora_A.mine.')}"],
        ),
        (halved, [f"other shapes have {FIRST} (2 x 32 instead of 4 x 32)"]),
        (lambda w: w | {FIRST: w[FIRST].T}, [f"{FIRST} (32 x 4 instead of 4 x 32)"]),
        (lambda w: w | {SQUARE: torch.zeros(4, 32)}, [f"nothing uses {SQUARE}"]),
        (
            lambda w: w | {FIRST.replace(".weight", ".default.weight"): w[FIRST] + 1},
            ["nothing uses base_model.model.bert.encoder.layer.0.attention.self.query.lora_A"],
        ),
    ],
)
def test_weights_that_are_missing_unused_or_of_other_shapes(
    adapter: Path, change: Callable[[Weights], Weights], problems: list[str]
) -> None:
    saved(adapter, change(load_file(adapter / FILE)))
    said = refused(adapter, UnreadableCheckpointError)
    assert f"{adapter}: its {FILE} does not fit its {CONFIG} and " in said
    for problem in problems:
        assert problem in said


def test_its_own_name_within_its_keys_changes_nothing(adapter: Path) -> None:
    before = load(adapter).module.state_dict()
    weights = load_file(adapter / FILE)
    saved(adapter, {n.replace("lora_A.", "lora_A.default."): v for n, v in weights.items()})
    after = load(adapter).module.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_weights_that_are_no_numbers(adapter: Path) -> None:
    weights = load_file(adapter / FILE)
    saved(adapter, weights | {FIRST: weights[FIRST] * torch.nan})
    assert "query.lora_A.default.weight' holds NaN" in refused(adapter, InvalidWeightsError)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"target_modules": ["query"]}, "nothing uses"),
        ({"layers_to_transform": [0]}, "nothing uses"),
        ({"use_dora": True}, "lora_magnitude_vector"),
        ({"r": 2}, "(4 x 32 instead of 2 x 32)"),
        ({"r": 10**7}, "adapter_config.json announces more numbers"),
        ({"r": -1}, "`r` should be a positive integer"),
        ({"target_modules": ["q_proj"]}, "its adapter: No modules were targeted"),
        ({"peft_type": "MAGIC"}, "of type 'MAGIC', which peft"),
        ({"peft_type": ["LORA"]}, "which peft"),
        ({"use_magic": True}, "sets use_magic, which peft"),
        ({"task_type": "WHAT"}, "Invalid task type: 'WHAT'"),
        ({"init_lora_weights": "pissa_niter_4"}, "changed at random or by data"),
        ({"init_lora_weights": "lora_ga"}, "changed at random or by data"),
        ({"trainable_token_indices": {"word_embeddings": [9999]}}, "the token of number 9999"),
    ],
)
def test_a_configuration_that_does_not_fit(
    adapter: Path, config: dict[str, object], problem: str
) -> None:
    assert problem in refused(changed(adapter, **config))


def test_a_setting_of_a_newer_peft_that_is_off_changes_nothing(adapter: Path) -> None:
    load(changed(adapter, use_magic=None, use_other_magic=False))


def test_an_adapter_that_generates(base: Path, tmp_path: Path) -> None:
    folder = train(base, tmp_path / "adapter", lora(task_type=None))
    said = refused(changed(folder, task_type="CAUSAL_LM"))
    assert f"is an adapter for 'CAUSAL_LM', and neither it nor {base} is a classifier" in said
    assert "classifier.bias, classifier.weight would be random" in said


def test_an_adapter_of_a_classifier_needs_no_head(checkpoint: Checkpoint, tmp_path: Path) -> None:
    base = checkpoint("bert")
    folder = train(base, tmp_path / "adapter", lora(task_type=None))
    classifier = load(folder)
    assert classifier.task.labels == ("negative", "positive")
    inputs = classifier.collate(classifier.encode(EXAMPLES))
    expected = logits_of_peft(folder, plain(base), inputs)
    assert torch.equal(classifier.logits(inputs), expected[:, 1:] - expected[:, :1])


@pytest.mark.parametrize("kind", ["deberta-v2", "gpt2", "llama", "mpnet", "modernbert"])
def test_the_number_of_labels_is_that_of_its_classifier(
    checkpoint: Checkpoint, tmp_path: Path, kind: str
) -> None:
    base = checkpoint(kind)
    folder = train(base, tmp_path / "adapter", lora(target_modules="all-linear"), n_labels=3)
    classifier = load(folder)
    assert classifier.task.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    note = f"3, as the adapter's classifier has (the config.json of {base} says 2)"
    assert classifier.describe().details["number of labels"] == note
    inputs = classifier.collate(classifier.encode(EXAMPLES[:1]))
    expected = logits_of_peft(folder, plain(base, 3), inputs)
    assert torch.allclose(classifier.logits(inputs), expected, rtol=0, atol=1e-6)


def test_labels_are_named_by_the_configuration_beside_it(base: Path, tmp_path: Path) -> None:
    folder = train(base, tmp_path / "adapter", lora(), n_labels=3)
    config = json.loads((base / "config.json").read_text())
    names = {"0": "joy", "1": "fear", "2": "rage"}
    (folder / "config.json").write_text(json.dumps(config | {"id2label": names}))
    classifier = load(folder)
    assert classifier.task.labels == ("joy", "fear", "rage")
    assert "number of labels" not in classifier.describe().details


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"modules_to_save": ["word_embeddings"]},
        {"target_modules": ["query", "word_embeddings"]},
        {"trainable_token_indices": {"word_embeddings": [5, 7]}},
    ],
)
def test_tokens_that_were_added(base: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    folder = train(base, tmp_path / "adapter", lora(**options), n_new_tokens=2)
    classifier = load(folder)
    encoded = classifier.encode([Example("a", "A fine <new0> film <new1>.")])
    assert {"<new0>", "<new1>"} <= {unit.text for unit in encoded[0].units}
    inputs = classifier.collate(encoded)
    n_tokens = len(classifier.embedding_table())  # type: ignore[arg-type]
    expected = logits_of_peft(folder, plain(base, 2, n_tokens), inputs)
    assert torch.allclose(
        classifier.logits(inputs), expected[:, 1:] - expected[:, :1], rtol=0, atol=1e-6
    )


def test_tokens_that_were_added_and_not_saved(base: Path, tmp_path: Path) -> None:
    folder = train(base, tmp_path / "a", lora(), n_new_tokens=2, save_embedding_layers=False)
    classifier = load(folder)
    classifier.encode(EXAMPLES)
    with pytest.raises(AttnAuditError, match="knows the token '<new1>' as number"):
        classifier.encode([Example("a", "A fine film <new1>.")])


def test_a_base_model_beside_its_adapter(adapter: Path, base: Path) -> None:
    expected = load(adapter).module.state_dict()
    shutil.copytree(base, adapter / "inner")
    classifier = load(changed(adapter, base_model_name_or_path="inner"))
    assert classifier.describe().details["base model"] == str(adapter / "inner")
    found = classifier.module.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


@pytest.mark.parametrize("use_dora", [False, True])
def test_an_adapter_in_its_models_own_folder(
    checkpoint: Checkpoint, tmp_path: Path, use_dora: bool
) -> None:
    base = checkpoint("bert")
    apart = train(base, tmp_path / "apart", lora(use_dora=use_dora))
    whole = Path(shutil.copytree(base, tmp_path / "whole"))
    for file in apart.glob("adapter*"):
        shutil.copy(file, whole)
    classifier = load(whole)
    inputs = classifier.collate(classifier.encode(EXAMPLES))
    expected = logits_of_peft(apart, plain(base), inputs)
    assert torch.allclose(
        classifier.logits(inputs), expected[:, 1:] - expected[:, :1], rtol=0, atol=1e-6
    )
