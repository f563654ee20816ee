from typing import Any

import pytest
import torch

from attn_audit.data.example import Example
from attn_audit.errors import UnsupportedModelError
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.encoding import Padding
from attn_audit.models.huggingface.output import raw_logits
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from tests.checkpoints import KINDS, SENTENCES
from tests.models.huggingface.conftest import Load

EXAMPLES = [Example(str(i), text) for i, text in enumerate(SENTENCES[:6])]


def logits(classifier: Classifier, inputs: ModelInputs) -> torch.Tensor:
    with torch.no_grad():
        return classifier.logits(inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_batch_gives_what_each_text_gives_alone(load: Load, kind: str) -> None:
    classifier = load(kind)
    encoded = classifier.encode(EXAMPLES)
    alone = torch.cat([logits(classifier, classifier.collate([each])) for each in encoded])
    assert torch.allclose(logits(classifier, classifier.collate(encoded)), alone, atol=1e-5)


def test_left_padding_gives_the_same_where_positions_are_relative(load: Load) -> None:
    classifier = load("llama")
    encoded = classifier.encode(EXAMPLES)
    right = logits(classifier, classifier.collate(encoded))
    classifier.padding_side = "left"
    inputs = classifier.collate(encoded)
    assert inputs.real[:, -1].all()
    assert torch.allclose(logits(classifier, inputs), right, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "distilbert", "mpnet", "modernbert", "llama", "gpt2"])
def test_a_masked_token_has_no_influence(load: Load, kind: str) -> None:
    classifier = load(kind)
    assert classifier.can_mask
    inputs = classifier.collate(classifier.encode(EXAMPLES[:2]))
    hidden = torch.zeros_like(inputs.real)
    hidden[:, 2] = True
    masked = classifier.mask(inputs, hidden)
    assert torch.equal(masked.real, inputs.real)
    before = logits(classifier, masked)
    masked.keywords["input_ids"][:, 2] = 11
    assert torch.allclose(logits(classifier, masked), before, atol=1e-6)
    assert not torch.allclose(logits(classifier, inputs), before, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", ["token", "word"])
def test_deleting_units_leaves_the_sequence_of_the_others(load: Load, kind: str, unit: str) -> None:
    classifier = load(kind, unit=unit)
    encoded = classifier.encode(EXAMPLES[:3])
    rows = [encoded[0], encoded[2], encoded[0]]
    keep = torch.rand(3, max(each.n_units for each in encoded)) < 0.6
    keep[:, 0] = True
    shorter = classifier.delete(rows, keep)
    whole = classifier.collate(rows)
    for i in range(3):
        kept = [
            int(token)
            for token, u, real in zip(
                whole.keywords["input_ids"][i], whole.units[i], whole.real[i], strict=True
            )
            if real and (u == -1 or keep[i, u])
        ]
        assert shorter.keywords["input_ids"][i][shorter.real[i]].tolist() == kept
        assert logits(classifier, shorter.take(torch.tensor([i]))).isfinite().all()
    assert shorter.real.any(dim=0).all()


def test_deleting_nothing_changes_nothing(load: Load) -> None:
    classifier = load("gpt2")
    encoded = classifier.encode(EXAMPLES)
    keep = torch.ones(len(encoded), max(each.n_units for each in encoded), dtype=torch.bool)
    whole, kept = classifier.collate(encoded), classifier.delete(encoded, keep)
    assert torch.equal(logits(classifier, whole), logits(classifier, kept))


def test_a_decoder_without_padding_token_reads_at_the_last_token(load: Load) -> None:
    """Even where the text ends in what the tokenizer would pad with."""
    classifier = load("gpt2")
    module: Any = classifier.module
    classifier._padding = Padding(None, 0, 0, classifier._padding.n_ids)
    texts = ["A fine film. <|endoftext|>", *SENTENCES[:3]]
    encoded = classifier.encode([Example(str(i), text) for i, text in enumerate(texts)])
    whole = classifier.collate(encoded)
    assert whole.units[0, whole.real[0]][-1] >= 0
    together = logits(classifier, whole)
    for row, each in zip(together, encoded, strict=True):
        inputs = classifier.collate([each])
        with torch.no_grad():
            alone = module(**dict(inputs.keywords)).logits
        assert torch.allclose(row, alone[:, 1] - alone[:, 0], atol=1e-5)
    assert module.config.pad_token_id is None


def test_one_position_of_each_text_can_be_read(load: Load) -> None:
    classifier = load("gpt2")
    inputs = classifier.collate(classifier.encode(EXAMPLES))
    last = inputs.real.sum(1) - 1
    assert logits(classifier, inputs.pick(last)).shape == (len(EXAMPLES), 1)


def test_the_configuration_is_restored_after_a_failure(load: Load) -> None:
    classifier = load("gpt2")
    inputs = classifier.collate(classifier.encode(EXAMPLES))
    inputs.keywords["input_ids"][0, 0] = 10**6
    with pytest.raises(IndexError):
        classifier.logits(inputs)
    module: Any = classifier.module
    assert module.config.pad_token_id is None


def test_logits_can_be_differentiated(load: Load) -> None:
    classifier = load("bert")
    table = classifier.embedding_table()
    assert table is not None
    table.requires_grad_(True)
    total = classifier.logits(classifier.collate(classifier.encode(EXAMPLES))).sum()
    (gradient,) = torch.autograd.grad(total, table)
    assert gradient.isfinite().all()
    assert gradient.any()


@pytest.mark.parametrize("kind", KINDS)
def test_knows_where_token_ids_are_looked_up(load: Load, kind: str) -> None:
    classifier = load(kind)
    table = classifier.embedding_table()
    assert table is not None
    assert len(table) == len(classifier.encoder.tokenizer)


@pytest.mark.parametrize(
    "output", [torch.zeros(2, 2), (torch.zeros(2, 3),), {"logits": None}, (torch.zeros(2, 4, 2),)]
)
def test_a_module_that_gives_no_such_logits_is_refused(output: object) -> None:
    with pytest.raises(UnsupportedModelError, match="m gives no 2 logits for each text"):
        raw_logits(output, 2, "m")


def test_logits_may_come_in_a_tuple(load: Load) -> None:
    classifier: HuggingFaceClassifier = load("bert")
    inputs = classifier.collate(classifier.encode(EXAMPLES))
    before = logits(classifier, inputs)
    classifier._constants = {"return_dict": False}
    assert torch.equal(logits(classifier, inputs), before)
