"""The distribution over a vocabulary of what follows a prompt, against plain code."""

import os
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

import attn_audit
from attn_audit import Example
from attn_audit.checks.base import distances_of, read_batch
from attn_audit.errors import ConfigurationError, IncompatibleDataError
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.models.capacity import Capacity
from attn_audit.models.contract import NewWeights, RowWeights
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.model import HuggingFaceModel
from attn_audit.models.huggingface.tokenizer import BLANK, token_names
from attn_audit.models.task import NextToken, match_labels
from tests.checkpoints import LAYERS, SENTENCES
from tests.conftest import Checkpoint
from tests.models.huggingface.test_language_model import KINDS, PROMPT, asked
from tests.models.interception.patching import softmax_patched

CLOSE = 1e-4
TEXTS = SENTENCES[:3]
EXAMPLES = [Example(f"e{i}", text) for i, text in enumerate(TEXTS)]


@pytest.fixture(params=["tiny", "SmolLM2"])
def folder(request: pytest.FixtureRequest, language_model: Checkpoint) -> Iterator[Path]:
    if request.param == "tiny":
        yield language_model("llama")
        return
    found = os.environ.get("ATTN_AUDIT_SMOLLM2")
    if found is None:
        pytest.skip("needs SmolLM2-135M-Instruct: its folder in ATTN_AUDIT_SMOLLM2")
    yield Path(found)


class Plain:
    """The model as the library loads it, asked with nothing of ours."""

    def __init__(self, folder: Path, **said: Any) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **said)
        self.module: Any = loaded.eval()

    @torch.no_grad()
    def probabilities(self, ids: list[int]) -> Tensor:
        logits: Tensor = self.module(torch.tensor([ids])).logits[0, -1]
        return logits.double().softmax(-1)

    def ids(self, text: str) -> tuple[list[int], list[int]]:
        """Of the prompt, and the places of the text's own tokens."""
        given = self.tokenizer(PROMPT.format(text=text), return_offsets_mapping=True)
        start = PROMPT.index("{")
        offsets = enumerate(given["offset_mapping"])
        own = [i for i, (a, b) in offsets if a < start + len(text) and b > start]
        return given["input_ids"], own


def of_next(folder: Path, **said: Any) -> HuggingFaceModel:
    return asked(folder, options=(), target="next", examples=EXAMPLES, **said)


def total_variation(p: Tensor, q: Tensor) -> float:
    return float((p - q).abs().sum() / 2)


def test_the_distribution_and_what_each_token_does_are_those_of_plain_code(folder: Path) -> None:
    model, plain = of_next(folder), Plain(folder)
    batch = model.collate(model.encode(EXAMPLES))
    audited = read_batch(model, batch, model.default_site, seed=0)
    found = leave_out(model, batch, audited.margin)
    for row, text in enumerate(TEXTS):
        ids, own = plain.ids(text)
        whole = plain.probabilities(ids)
        assert torch.allclose(audited.probabilities[row], whole, rtol=0, atol=CLOSE)
        assert (
            model.task.predictions(audited.probabilities)[row]
            == model.task.labels[int(whole.argmax())]
        )
        first, second = whole.log().topk(2).values.tolist()
        assert float(audited.margin.mean[row]) == pytest.approx(first - second, abs=10 * CLOSE)
        for unit, place in enumerate(own):
            if model.removal == "delete":
                without = plain.probabilities(ids[:place] + ids[place + 1 :])
                expected = total_variation(whole, without)
                assert float(found.distance[row, unit]) == pytest.approx(expected, abs=CLOSE)


def test_without_each_token_behind_a_cache_the_logits_are_those_of_the_shorter_prompt(
    folder: Path,
) -> None:
    model, plain = of_next(folder, removal="delete"), Plain(folder)
    batch = model.collate(model.encode(EXAMPLES))
    found = leave_out(model, batch).distance
    for row, text in enumerate(TEXTS):
        ids, own = plain.ids(text)
        whole = plain.probabilities(ids)
        for unit, place in enumerate(own):
            expected = total_variation(whole, plain.probabilities(ids[:place] + ids[place + 1 :]))
            assert float(found[row, unit]) == pytest.approx(expected, abs=CLOSE)


@torch.no_grad()
def test_permuted_attention_moves_the_distribution_as_a_full_pass_says(folder: Path) -> None:
    model = of_next(folder)
    batch = model.collate(model.encode(EXAMPLES[:1]))
    audited = read_batch(model, batch, model.default_site, seed=0)
    order = torch.randperm(batch.unit_mask.shape[1], generator=torch.Generator().manual_seed(0))
    weights = audited.reading.attention[..., order].unsqueeze(1)
    found = distances_of(audited, audited.reading.replay(weights))

    def permuted(own: RowWeights) -> NewWeights:
        return NewWeights(own.attention[..., order])

    logits = model.intervene(batch, {model.default_site: permuted})
    expected = total_variation(logits[0].double().softmax(-1), audited.probabilities[0])
    assert float(found[0, 0]) == pytest.approx(expected, abs=CLOSE)


SHORT = ("bad", "Slow.", "A mess", "It is bad.", "Nobody is")
"""Of at most four tokens, so that every permutation is drawn."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", [0, LAYERS - 1])  # before others, and behind them
def test_records_are_those_of_whole_passes_with_permuted_weights_and_without_each_token(
    kind: str, layer: int, language_model: Checkpoint
) -> None:
    folder = language_model(kind)
    report = attn_audit.audit(
        of_next(folder, removal="delete"),
        [{"text": text} for text in SHORT],
        layer=layer,
        checks="correlation,permutation",
    )
    plain = Plain(folder, attn_implementation="eager")
    for text, record in zip(SHORT, report.records.to_pylist(), strict=True):
        ids, own = plain.ids(text)
        assert len(own) <= 4
        whole = plain.probabilities(ids)
        top = whole.argsort(descending=True)[:5]
        for found, name in zip(
            record["likeliest"], plain.tokenizer.convert_ids_to_tokens(top), strict=True
        ):
            if name.removeprefix("Ġ").isascii():  # others stand for bytes that are no letter
                assert found == name.replace("Ġ", BLANK)
        assert record["probability"] == pytest.approx(whole[top].tolist(), abs=CLOSE)
        without = [plain.probabilities(ids[:place] + ids[place + 1 :]) for place in own]
        expected = [total_variation(whole, left) for left in without]
        assert record["leave_one_out"] == pytest.approx(expected, abs=CLOSE)
        if len(own) == 1:
            assert record["permutation.distance"] is None
            continue
        moved = []
        for order in permutations(own):

            def permuted(
                at: int, weights: Tensor, own: list[int] = own, order: tuple[int, ...] = order
            ) -> Tensor:
                if at == layer:
                    weights[..., -1, own] = weights[..., -1, order]
                return weights

            with softmax_patched(permuted):
                moved.append(total_variation(whole, plain.probabilities(ids)))
        assert record["permutation.distance"] == pytest.approx(median(moved), abs=CLOSE)
        assert max(moved) > 10 * CLOSE


def test_no_other_position_is_given_a_vocabulary(
    language_model: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = of_next(language_model("llama"))
    sizes: list[tuple[int, ...]] = []
    call = HuggingFaceClassifier.call

    def noted(self: Any, *given: Any, **named: Any) -> Any:
        output = call(self, *given, **named)
        sizes.append(tuple(output.logits.shape))
        return output

    monkeypatch.setattr(HuggingFaceClassifier, "call", noted)
    model.read(model.collate(model.encode(EXAMPLES)), [model.default_site])
    assert sizes == [(3, 1, len(model.task.labels))]


def test_little_memory_changes_nothing_but_how_many_outputs_are_there_at_once(
    language_model: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = of_next(language_model("llama"))
    batch = model.collate(model.encode(EXAMPLES))
    expected = leave_out(model, batch)
    sizes: list[int] = []
    erase = model.erase

    def noted(*given: Any, **named: Any) -> Any:
        logits = erase(*given, **named)
        sizes.append(logits.numel())
        return logits

    monkeypatch.setattr(model, "erase", noted)
    n_labels = model.task.n_logits
    monkeypatch.setattr(model, "capacity", Capacity(64 * 2 * n_labels, 2**20, 256))
    found = leave_out(model, batch)
    assert max(sizes) <= 2 * n_labels
    assert torch.allclose(found.distance, expected.distance, atol=CLOSE)
    assert torch.allclose(found.lost, expected.lost, atol=10 * CLOSE, rtol=CLOSE)


def test_tokens_have_names_that_show_their_blanks_and_differ(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    names = token_names(tokenizer, len(tokenizer) + 1)
    assert len(set(names)) == len(names) == len(tokenizer) + 1
    assert not any(" " in name or "\n" in name for name in names)
    assert "<0xE2>" in names or any(name.startswith("<0x") for name in names)
    (bad,) = tokenizer(" bad", add_special_tokens=False)["input_ids"][:1]
    assert names[bad].startswith("␣")


def test_a_label_is_the_token_that_its_text_begins_with_behind_the_prompt(
    language_model: Checkpoint,
) -> None:
    model = of_next(language_model("llama"))
    task = model.task
    assert isinstance(task, NextToken)
    tokenizer = AutoTokenizer.from_pretrained(language_model("llama"))
    prompt = PROMPT.format(text="A text.")
    expected = tokenizer(prompt + " bad")["input_ids"][len(tokenizer(prompt)["input_ids"])]
    for label in ("bad", "␣bad"):
        (example,) = match_labels(task, [Example("a", "b", labels=(label,))])
        assert example.labels == (task.labels[expected],)
    with pytest.raises(IncompatibleDataError, match="candidates"):
        match_labels(task, [Example("a", "b", candidates=("bad", "not"))])


def test_a_field_called_next_is_refused_at_the_prompts_end(language_model: Checkpoint) -> None:
    with pytest.raises(ConfigurationError, match="ends with a field of that name"):
        of_next(language_model("llama"), prompt=PROMPT + " {next}")


def test_records_hold_the_likeliest_tokens_and_reports_none_of_the_vocabulary(
    language_model: Checkpoint,
) -> None:
    model = of_next(language_model("llama"), unit="word")
    rows = [{"text": text, "label": "bad", "date": "1"} for text in SENTENCES[:6]]
    report = attn_audit.audit(
        model, rows, layer="last", checks="correlation,attended,permutation,mosaic", permutations=3
    )
    assert report.model.labels == ()
    assert report.model.details["answers"] == "whichever of 500 tokens follows"
    for record in report.records.to_pylist():
        assert len(record["likeliest"]) == len(record["probability"]) == 5
        assert record["prediction"] == record["likeliest"][0]
        assert record["probability"] == sorted(record["probability"], reverse=True)
        assert record["label"] == "␣bad"
    assert report["performance.accuracy"].value == 0
    assert "likeliest" in str(report.sampled_examples[0])
