"""Models that padding disturbs, and models that fail by themselves."""

from typing import Any, NoReturn

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

import attn_audit
from attn_audit import Example
from attn_audit.errors import AuditFailedError, UnsupportedModelError
from attn_audit.models.huggingface.model import HuggingFaceModel
from tests.checkpoints import SENTENCES, randomize, transformers_model
from tests.conftest import Checkpoint
from tests.models.interception.zoo import CONFIGURATIONS, MIXES_NEIGHBOURS

EXAMPLES = [Example(f"e{i}", text) for i, text in enumerate(SENTENCES[:3] * 2)]
"""Two of each length."""
SETTINGS: dict[str, Any] = {"reproducible": True, "permutations": 5, "checks": ["permutation"]}


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Checkpoint) -> Any:
    return AutoTokenizer.from_pretrained(checkpoint("bert"))


def build(model_type: str, tokenizer: Any, **said: Any) -> torch.nn.Module:
    sizes = CONFIGURATIONS.get(model_type, CONFIGURATIONS["bert"])
    said = {**sizes, "vocab_size": len(tokenizer), "num_labels": 2, **said}
    config = AutoConfig.for_model(model_type, **said)
    module: torch.nn.Module = AutoModelForSequenceClassification.from_config(config)
    randomize(module)
    return module.eval()


@pytest.mark.parametrize("model_type", MIXES_NEIGHBOURS)
def test_what_padding_disturbs_is_audited_in_batches_of_one_length(
    model_type: str, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[list[int]] = []
    collate = HuggingFaceModel.collate

    def noted(self: HuggingFaceModel, encoded: Any) -> Any:
        sizes.append([item.n_tokens for item in encoded])
        return collate(self, encoded)

    monkeypatch.setattr(HuggingFaceModel, "collate", noted)
    model = transformers_model(build(model_type, tokenizer), tokenizer)
    found = model.describe().findings
    assert found is not None
    assert found.sharing == "lengths"
    assert found.not_shared_because == "padding changes its output for a text"
    sizes.clear()
    together = attn_audit.audit(model, EXAMPLES, **SETTINGS)
    assert all(len(set(lengths)) == 1 for lengths in sizes)
    assert max(map(len, sizes)) > 1
    alone = attn_audit.audit(model, EXAMPLES, batch_size=1, **SETTINGS)
    for name in ("permutation.distance", "max_attention"):
        assert together.records[name].to_pylist() == pytest.approx(
            alone.records[name].to_pylist(), abs=1e-5
        )


def test_what_padding_does_not_disturb_shares_all_batches(tokenizer: Any) -> None:
    model = transformers_model(build("bert", tokenizer), tokenizer)
    assert model.pads_texts
    assert model.sharing == "texts"


def test_texts_of_one_length_show_padding_too(tokenizer: Any) -> None:
    same = [Example("a", "fine film"), Example("b", "film fine")]
    model = transformers_model(build("convbert", tokenizer), tokenizer, examples=same)
    assert not model.pads_texts


def test_what_a_batch_disturbs_is_audited_one_text_at_a_time(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = build("bert", tokenizer)
    forward = module.forward

    def beside(**inputs: Any) -> Any:
        output = forward(**inputs)
        output.logits = output.logits + 0.1 * len(output.logits) * torch.tensor([0.0, 1.0])
        return output

    monkeypatch.setattr(module, "forward", beside)
    monkeypatch.setattr("attn_audit.models.huggingface.classifier.accepts", lambda *_: True)
    model = transformers_model(module, tokenizer)
    assert (model.batches_texts, model.sharing) == (False, "variants")


def refusal(model_type: str, tokenizer: Any, **said: Any) -> UnsupportedModelError:
    with pytest.raises(UnsupportedModelError) as raised:
        transformers_model(build(model_type, tokenizer, **said), tokenizer)
    assert raised.value.exit_code == 2
    assert "without attn-audit" in str(raised.value.hint)
    return raised.value


@pytest.mark.parametrize(
    ("model_type", "said", "what"),
    [
        ("xmod", {"languages": ["en_XX"]}, "XmodForSequenceClassification"),
        ("lilt", {}, "LiltForSequenceClassification"),
        ("layoutlmv3", {}, "LayoutLMv3ForSequenceClassification"),
        ("tapas", {}, "TapasForSequenceClassification"),
    ],
)
def test_a_model_that_fails_by_itself_is_named(
    model_type: str, said: Any, what: str, tokenizer: Any
) -> None:
    error = refusal(model_type, tokenizer, **said)
    assert error.message.startswith(f"{what} of transformers itself fails at example 'probe-0': ")


def test_a_text_at_which_the_model_fails_later_is_named(tokenizer: Any) -> None:
    module = build("bert", tokenizer, max_position_embeddings=40)
    tokenizer_of_more = AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    config: Any = module.config
    config.max_position_embeddings = 64  # as a configuration that promises too much
    model = transformers_model(module, tokenizer_of_more)
    (short, long) = model.encode([Example("a", "fine"), Example("b", "fine film " * 30)])
    model.read(model.collate([short]), [model.default_site])
    with pytest.raises(AuditFailedError, match=r"itself fails at example 'b': ") as raised:
        model.read(model.collate([short, long]), [model.default_site])
    assert raised.value.exit_code == 3


def test_a_failure_of_interception_is_not_the_models(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = transformers_model(build("bert", tokenizer), tokenizer)

    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr("attn_audit.models.interception.model.run_pass", fail)
    with pytest.raises(ZeroDivisionError):
        model.read(model.collate(model.encode(EXAMPLES[:1])), [model.default_site])
