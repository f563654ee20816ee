"""Labels that a model of inference is asked for: one pass gives what it gives of each by itself."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import attn_audit
from attn_audit import Example
from attn_audit.checks.base import read_batch
from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.models.huggingface.model import HuggingFaceModel
from tests.checkpoints import SENTENCES, shared_model, write_checkpoint
from tests.conftest import Checkpoint
from tests.models.huggingface.replays import require_replays_of_full_passes

LABELS = ("funny", "dull", "far too long")
EXAMPLES = [Example(f"e{i}", text) for i, text in enumerate(SENTENCES[:6])]
INFERENCE = {0: "CONTRADICTION", 1: "Entailment", 2: "neutral"}
KINDS = ("bert", "distilbert", "mpnet")
"""A pooler and types; neither, and a transformer of another name; places that begin behind 0."""


@pytest.fixture(scope="module")
def nli(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder, made = tmp_path_factory.mktemp("inference"), dict[str, Path]()

    def of(kind: str) -> Path:
        if kind not in made:
            made[kind] = write_checkpoint(kind, folder / kind, id2label=INFERENCE)
        return made[kind]

    return of


def asked(folder: Path, **said: Any) -> HuggingFaceModel:
    said = {"zero_shot": LABELS, "examples": EXAMPLES[:3], **said}
    return shared_model(AutoModelForSequenceClassification, folder, **said)


@cache
def plain(folder: Path) -> tuple[Any, Any]:
    """The model and the tokenizer as the library loads them."""
    module = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager")
    return module.eval(), AutoTokenizer.from_pretrained(folder)


@torch.no_grad()
def of_each(folder: Path, text: str, template: str = "This example is {}.") -> list[Any]:
    """What the library gives of the text with each hypothesis by itself, and its tokens."""
    (module, tokenizer), found = plain(folder), []
    for label in LABELS:
        inputs = tokenizer(text, template.format(label), return_tensors="pt")
        found.append((module(**inputs, output_attentions=True), inputs.encodings[0]))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_attention_are_those_of_each_label_by_itself(kind: str, nli: Checkpoint) -> None:
    model = asked(nli(kind))
    batch = model.collate(model.encode(EXAMPLES))
    audited = read_batch(model, batch, model.default_site, seed=0)
    for i, example in enumerate(EXAMPLES):
        every = of_each(nli(kind), example.text)
        logits = torch.cat([output.logits[:, 1] for output, _ in every])
        assert torch.allclose(audited.reading.logits[i], logits, atol=1e-5)
        # The renormalised mean over labels and heads, of the first token's attention to the text.
        total = sum(
            output.attentions[-1][0, :, 0, [of == 0 for of in tokens.sequence_ids]].sum(0)
            for output, tokens in every
        )
        assert isinstance(total, Tensor)
        expected = total / total.sum()
        found = audited.explanation[i, : len(expected)].float()
        assert torch.allclose(found, expected, atol=1e-5)
    assert model.task.labels == LABELS
    assert torch.allclose(
        audited.probabilities, audited.reading.logits.double().softmax(-1), atol=1e-6
    )


@pytest.mark.parametrize("kind", KINDS)
def test_own_attention_reproduces_and_other_attention_is_what_a_full_pass_gives(
    kind: str, nli: Checkpoint
) -> None:
    require_replays_of_full_passes(asked(nli(kind)), EXAMPLES)


@pytest.mark.parametrize("removal", ["mask", "delete"])
def test_a_unit_is_left_out_with_every_label(removal: Any, nli: Checkpoint) -> None:
    model, folder = asked(nli("bert"), removal=removal), nli("bert")
    module = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = model.collate(model.encode(EXAMPLES))
    keep = batch.unit_mask.unsqueeze(1).clone()
    keep[:, :, 2] = False
    found = model.erase(batch, keep)[:, 0]
    for i, example in enumerate(EXAMPLES):
        for j, label in enumerate(LABELS):
            inputs = tokenizer(example.text, f"This example is {label}.", return_tensors="pt")
            stays = torch.arange(inputs["input_ids"].shape[1]) != 3
            if removal == "delete":
                given = {name: value[:, stays] for name, value in inputs.items()}
            else:
                given = {**inputs, "attention_mask": stays.long().unsqueeze(0)}
            with torch.no_grad():
                expected = float(module(**given).logits[0, 1])
            assert float(found[i, j]) == pytest.approx(expected, abs=1e-4)


def test_each_label_may_hold_by_itself_and_one_alone_does_or_not(nli: Checkpoint) -> None:
    several = asked(nli("bert"), zero_shot_each=True, template="It is {}!")
    batch = several.collate(several.encode(EXAMPLES))
    (reading,) = several.read(batch, [several.default_site])
    alone = asked(nli("bert"), zero_shot=LABELS[1:2], template="It is {}!")
    (of_one,) = alone.read(alone.collate(alone.encode(EXAMPLES)), [alone.default_site])
    for i, example in enumerate(EXAMPLES):
        every = of_each(nli("bert"), example.text, "It is {}!")
        odds = torch.cat([output.logits[:, 1] - output.logits[:, 0] for output, _ in every])
        assert torch.allclose(reading.logits[i], odds, atol=1e-5)
        assert torch.allclose(of_one.logits[i], odds[1:2], atol=1e-5)
    assert several.task.is_multilabel
    assert alone.task.labels == ("not dull", "dull")


def test_of_a_long_text_all_labels_read_as_much(nli: Checkpoint) -> None:
    model = asked(nli("bert"), max_length=30)
    (long,) = model.encode([Example("long", " ".join(SENTENCES))])
    assert long.truncated
    tokenizer = AutoTokenizer.from_pretrained(nli("bert"))
    longest = max(len(tokenizer("", f"This example is {label}.")["input_ids"]) for label in LABELS)
    assert long.n_units == 30 - longest
    batch = model.collate([long])
    (reading,) = model.read(batch, [model.default_site])
    own = reading.replay(reading.attention.unsqueeze(1))[:, 0]
    assert torch.allclose(own, reading.logits, atol=1e-5)


@pytest.mark.parametrize("kind", ["deberta-v2", "bart", "modernbert"])
def test_what_cannot_read_several_pairs_in_one_pass_is_asked_for_one(
    kind: str, nli: Checkpoint
) -> None:
    with pytest.raises(UnsupportedModelError, match="other numbers for several labels") as raised:
        asked(nli(kind))
    assert "one label at a time" in str(raised.value.hint)
    model = asked(nli(kind), zero_shot=LABELS[:1])
    (reading,) = model.read(model.collate(model.encode(EXAMPLES)), [model.default_site])
    for i, example in enumerate(EXAMPLES):
        (output, _), *_ = of_each(nli(kind), example.text)
        odds = output.logits[0, 1] - output.logits[0, 0]
        assert torch.allclose(reading.logits[i, 0], odds, atol=1e-4)


def test_what_cannot_be_asked_is_said(nli: Checkpoint, checkpoint: Checkpoint) -> None:
    with pytest.raises(UnsupportedModelError, match=r"no label that begins with 'entail' \(labels"):
        asked(checkpoint("bert"))
    with pytest.raises(ConfigurationError, match=r"--template 'It rains\.': it has {} 0 times"):
        asked(nli("bert"), template="It rains.")
    with pytest.raises(ConfigurationError, match="paired with its labels' hypotheses"):
        asked(nli("bert"), examples=[Example("a", "A text.", "Another.")])
    with pytest.raises(ConfigurationError, match="leaves no room for a text within 8"):
        asked(nli("bert"), max_length=8)
    with pytest.raises(ConfigurationError, match="and not beside the hypotheses of --zero-shot"):
        asked(nli("bert"), window_overlap=4)


def test_an_audit_of_labels_is_stored_and_found_again(nli: Checkpoint) -> None:
    rows = [{"text": example.text, "label": "dull"} for example in EXAMPLES]
    said: dict[str, Any] = {"checks": ["permutation"], "permutations": 5}
    report = attn_audit.audit(nli("bert"), rows, zero_shot="funny, dull, far too long", **said)
    assert report.model.labels == LABELS
    assert report.settings.zero_shot == LABELS
    assert attn_audit.verify(report, nli("bert"), rows).holds
    in_memory = attn_audit.audit(asked(nli("bert")), rows, **said)
    assert in_memory.settings.template == report.settings.template
    assert in_memory.records["permutation.distance"].to_pylist() == pytest.approx(
        report.records["permutation.distance"].to_pylist(), abs=1e-5
    )
