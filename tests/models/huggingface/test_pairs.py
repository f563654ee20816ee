"""Pairs of texts: the first, the second or both are audited; rerankers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import attn_audit
from attn_audit import Example
from attn_audit.checks.plausibility import marked_units
from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.encoding import Side
from attn_audit.models.huggingface.model import HuggingFaceModel
from attn_audit.models.loading import load_model
from attn_audit.models.options import ModelOptions
from attn_audit.settings import AuditedTexts
from tests.checkpoints import SENTENCES, shared_model, write_checkpoint
from tests.conftest import Checkpoint
from tests.models.huggingface.replays import require_replays_of_full_passes

CPU = torch.device("cpu")
PAIRS = [Example(f"p{i}", SENTENCES[i], SENTENCES[i + 10]) for i in range(6)]
KINDS = ("bert", "modernbert", "llama")
"""A pooled first token with types of its own, windows without types, and the last of a decoder."""
SECONDS: tuple[AuditedTexts, ...] = ("second", "both")


def wrapped(folder: Path, **said: Any) -> HuggingFaceModel:
    return shared_model(
        AutoModelForSequenceClassification, folder, **{"examples": PAIRS[:3], **said}
    )


@pytest.mark.parametrize(("kind", "unit"), [*((kind, "word") for kind in KINDS), ("bert", "token")])
def test_units_are_those_of_the_text_that_is_audited(
    kind: str, unit: str, checkpoint: Checkpoint
) -> None:
    folder = checkpoint(kind)
    first, second, both = (
        wrapped(folder, audited=each, unit=unit).encode(PAIRS)
        for each in ("first", "second", "both")
    )
    for pair, of_first, of_second, of_both in zip(PAIRS, first, second, both, strict=True):
        assert pair.text_pair is not None
        texts = [unit.text for unit in of_second.units]
        assert "".join(texts).lower() == pair.text_pair.replace(" ", "").lower()
        for found in of_second.units:
            assert pair.text_pair[found.start : found.end] == found.text
            assert found.is_second
        assert of_both.units == of_first.units + of_second.units
        assert (of_first.border, of_second.border) == (None, None)
        assert of_both.border == of_first.n_units


@pytest.mark.parametrize("audited", SECONDS)
def test_attention_is_what_the_library_gives_on_the_audited_tokens(
    audited: AuditedTexts, checkpoint: Checkpoint
) -> None:
    folder = checkpoint("bert")
    model = wrapped(folder, audited=audited)
    eager = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    numbers = {"second": [1], "both": [0, 1]}[audited]
    for pair in PAIRS:
        batch = model.collate(model.encode([pair]))
        (reading,) = model.read(batch, [model.default_site])
        inputs = tokenizer(pair.text, pair.text_pair, return_tensors="pt")
        with torch.no_grad():
            output = eager.eval()(**inputs, output_attentions=True)
        is_audited = torch.tensor([of in numbers for of in inputs.encodings[0].sequence_ids])
        heads = output.attentions[-1][0, :, 0, is_audited]  # of the token that is pooled
        mass = heads.sum(-1)
        assert torch.allclose(reading.logits, output.logits.diff(), atol=1e-5)
        assert torch.allclose(reading.mass[0].float(), mass, atol=1e-5)
        assert torch.allclose(reading.attention[0].float(), heads / mass[:, None], atol=1e-5)


@pytest.mark.parametrize("audited", SECONDS)
@pytest.mark.parametrize("kind", KINDS)
def test_own_attention_reproduces_and_other_attention_is_what_a_full_pass_gives(
    kind: str, audited: AuditedTexts, checkpoint: Checkpoint
) -> None:
    require_replays_of_full_passes(wrapped(checkpoint(kind), audited=audited), PAIRS)


@pytest.mark.parametrize(
    ("kind", "side"), [("bert", "right"), ("llama", "left"), ("llama", "right")]
)
@pytest.mark.parametrize("audited", SECONDS)
def test_padding_on_either_side_changes_nothing(
    kind: str,
    audited: AuditedTexts,
    side: Side,
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = wrapped(checkpoint(kind), audited=audited, removal="delete")
    alone = [model.read(model.collate(model.encode([p])), [model.default_site])[0] for p in PAIRS]
    assert isinstance(model.classifier, HuggingFaceClassifier)
    monkeypatch.setattr(model.classifier, "padding_side", side)
    batch = model.collate(model.encode(PAIRS))
    (reading,) = model.read(batch, [model.default_site])
    keep = batch.unit_mask.unsqueeze(1).clone()
    keep[:, :, 1] = False
    without = model.erase(batch, keep)
    for i, (one, item) in enumerate(zip(alone, batch.encoded, strict=True)):
        n = item.n_units
        assert torch.allclose(reading.logits[i], one.logits[0], atol=1e-5)
        assert torch.allclose(reading.attention[i, :, :n], one.attention[0], atol=1e-5)
        by_itself = model.erase(model.collate([item]), keep[i : i + 1, :, :n])
        assert torch.allclose(without[i], by_itself[0], atol=1e-5)


@pytest.mark.parametrize("audited", SECONDS)
def test_a_unit_of_the_second_text_is_masked_or_deleted_there(
    audited: AuditedTexts, checkpoint: Checkpoint
) -> None:
    folder, pair = checkpoint("bert"), PAIRS[2]
    module = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    inputs = AutoTokenizer.from_pretrained(folder)(pair.text, pair.text_pair, return_tensors="pt")
    places = [i for i, of in enumerate(inputs.encodings[0].sequence_ids) if of == 1]
    for removal in ("mask", "delete"):
        model = wrapped(folder, audited=audited, removal=removal)
        batch = model.collate(model.encode([pair]))
        units = batch.encoded[0].units
        first = next(i for i, unit in enumerate(units) if unit.is_second)
        keep = batch.unit_mask.unsqueeze(1).clone()
        keep[0, 0, first + 2] = False
        stays = torch.arange(inputs["input_ids"].shape[1]) != places[2]
        if removal == "delete":
            given = {name: value[:, stays] for name, value in inputs.items()}
        else:
            given = {**inputs, "attention_mask": stays.long().unsqueeze(0)}
        with torch.no_grad():
            expected = module(**given).logits.diff()
        assert torch.allclose(model.erase(batch, keep)[0], expected, atol=1e-5)


def test_what_people_marked_is_held_against_the_units_of_its_own_text(
    checkpoint: Checkpoint,
) -> None:
    pair = Example(
        "a", "A fine old film.", "It is dull.", rationale=((2, 6),), rationale_pair=((6, 10),)
    )
    marked = {
        audited: marked_units(
            wrapped(checkpoint("bert"), audited=audited, unit="word").encode([pair])[0]
        ).tolist()
        for audited in ("first", "second", "both")
    }
    assert marked["first"] == [False, True, False, False]
    assert marked["second"] == [False, False, True]
    assert marked["both"] == marked["first"] + marked["second"]


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reranker")
    return write_checkpoint("bert", folder / "model", num_labels=1)


def test_a_reranker_says_how_relevant_the_second_text_is(reranker: Path) -> None:
    model = wrapped(reranker, task="reranker", audited="second")
    report = attn_audit.audit(
        model,
        [{"text": p.text, "text_pair": p.text_pair, "label": i % 2} for i, p in enumerate(PAIRS)],
        checks=["permutation"],
        permutations=5,
    )
    assert report.model.labels == ("not relevant", "relevant")
    assert report.settings.audited == "second"
    module = AutoModelForSequenceClassification.from_pretrained(reranker).eval()
    tokenizer = AutoTokenizer.from_pretrained(reranker)
    with torch.no_grad():
        scores = [
            float(module(**tokenizer(p.text, p.text_pair, return_tensors="pt")).logits.sigmoid())
            for p in PAIRS
        ]
    assert report.records["probability"].to_pylist() == pytest.approx(scores, abs=1e-5)
    assert report.records["label"].to_pylist() == ["not relevant", "relevant"] * 3


def test_a_reranker_that_is_not_called_one_is_told_how_to_be(reranker: Path) -> None:
    with pytest.raises(UnsupportedModelError) as raised:
        wrapped(reranker)
    assert "--task reranker" in str(raised.value.hint)
    assert "--audited second" in str(raised.value.hint)


def test_what_is_no_reranker_is_not_taken_for_one(reranker: Path, checkpoint: Checkpoint) -> None:
    with pytest.raises(ConfigurationError, match="--task reranker: the model has 2 outputs"):
        wrapped(checkpoint("bert"), task="reranker")
    with pytest.raises(ConfigurationError, match="--task reranker: a reranker reads pairs"):
        wrapped(reranker, task="reranker", examples=[Example("a", "A text alone.")])


def test_a_second_text_that_is_not_there_is_not_audited(checkpoint: Checkpoint) -> None:
    with pytest.raises(ConfigurationError, match="--audited both: the first text has no second"):
        wrapped(checkpoint("bert"), audited="both", examples=[Example("a", "A text alone.")])
    with pytest.raises(ConfigurationError, match="--audited third: of pairs it is first, second"):
        wrapped(checkpoint("bert"), audited="third")


def test_without_examples_a_second_text_is_tried_out_on_built_in_pairs(
    checkpoint: Checkpoint,
) -> None:
    model = load_model(str(checkpoint("bert")), CPU, ModelOptions(audited="second"))
    assert model.describe().takes_pairs
    assert model.describe().details["audited of a pair"] == "the second text"
