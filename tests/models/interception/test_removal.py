"""How a unit is left out, against the same by hand: gaps against masks, a neutral unit."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from attn_audit import Example
from attn_audit.errors import ConfigurationError
from attn_audit.models.contract import AuditedModel
from attn_audit.models.custom.columns import UNHEARD_OF
from attn_audit.models.interception.classifier import (
    InterceptedBatch,
    ModelInputs,
    removed_positions,
)
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.interception.removal import Masking, Variants
from attn_audit.models.units import UnitName
from tests.checkpoints import SENTENCES, transformers_model
from tests.conftest import Checkpoint
from tests.models.custom.toys import (
    EXAMPLES,
    IDS,
    Pooling,
    attend_plainly,
    between_markers,
    custom_of,
    model_of,
)
from tests.models.interception.matrix import OfKind, assert_close, read
from tests.tiny import tiny_model

FIRST_PLACES: Mapping[str, int | None] = {
    "bert": 0,
    "mpnet": None,
    "gpt2": 0,
    "llama": 0,
    "deberta-v2": None,
}
"""The number of the first place, or None where distances are counted over the tokens left."""

TEXTS = [Example(f"e{i}", text) for i, text in enumerate(SENTENCES[:6])]


def objects(checkpoint: Checkpoint, kind: str) -> tuple[nn.Module, Any]:
    folder = checkpoint(kind)
    module: nn.Module = AutoModelForSequenceClassification.from_pretrained(folder)
    return module, AutoTokenizer.from_pretrained(folder)


def first_place(masking: Masking, batch: InterceptedBatch) -> int | None:
    gaps = masking.gaps(batch)
    return None if gaps is None else gaps.first_place


def some_units(batch: InterceptedBatch) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    n_batch, n_units = batch.unit_mask.shape
    keep = torch.rand(n_batch, 4, n_units, generator=generator) < 0.6
    rows = torch.arange(n_batch)
    keep[rows, :, batch.readout_units] |= (batch.readout_units >= 0).unsqueeze(1)
    return keep


def n_computed(model: InterceptedModel, run: Callable[[], Tensor]) -> int:
    """Positions that leave the first layer of an encoder."""
    n_positions = 0

    def count(module: nn.Module, args: Any, output: Tensor) -> None:
        nonlocal n_positions
        n_positions += output.shape[0] * output.shape[1]

    layer = model.module.get_submodule("bert.encoder.layer.0.output")
    with layer.register_forward_hook(count):
        run()
    return n_positions


@pytest.mark.parametrize("kind", FIRST_PLACES)
def test_masked_tokens_are_left_out_where_that_is_the_same(of_kind: OfKind, kind: str) -> None:
    model = of_kind(kind)
    batch = model.collate(model.encode(TEXTS))
    masking = Masking(model.classifier, None)
    assert first_place(masking, batch) == FIRST_PLACES[kind]
    keep = some_units(batch)
    found = model.erase(batch, keep, "mask")
    for variant, kept in enumerate((keep & batch.unit_mask.unsqueeze(1)).unbind(1)):
        gone = (batch.inputs.units >= 0) & ~kept.gather(1, batch.inputs.units.clamp_min(0))
        with torch.no_grad():
            masked = model.classifier.logits(model.classifier.mask(batch.inputs, gone))
        assert_close(found[:, variant], masked)


def test_places_are_counted_from_where_the_model_counts_them(checkpoint: Checkpoint) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint("bert"))
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=70,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    model = transformers_model(RobertaForSequenceClassification(config).eval(), tokenizer)
    batch = model.collate(model.encode(TEXTS))
    masking = Masking(model.classifier, None)
    assert first_place(masking, batch) == tokenizer.pad_token_id + 1


def test_fewer_tokens_are_computed(checkpoint: Checkpoint) -> None:
    model = transformers_model(*objects(checkpoint, "bert"))
    batch = model.collate(model.encode(TEXTS))
    keep = some_units(batch)
    model.erase(batch, keep, "mask")  # tries
    n_with_gaps = n_computed(model, lambda: model.erase(batch, keep, "mask"))
    model.classifier.first_places = ()
    model.__dict__.pop("removals")
    n_masked = n_computed(model, lambda: model.erase(batch, keep, "mask"))
    assert n_with_gaps < 0.8 * n_masked


def test_a_longer_text_is_tried_by_itself(of_kind: OfKind) -> None:
    """As of a window of so many tokens, which shorter texts fit in."""
    model = of_kind("bert")
    short, *_, long = sorted(model.encode(TEXTS), key=lambda item: item.n_tokens)
    narrow, wide = model.collate([short]), model.collate([long])

    def windowed(inputs: ModelInputs) -> Tensor:
        n_places = inputs.units.shape[1]
        factor = 1 if n_places <= narrow.inputs.n_positions else n_places
        return model.classifier.logits(inputs) * factor

    masking = Masking(model.classifier, None, windowed)
    assert [first_place(masking, batch) for batch in (narrow, wide, narrow)] == [0, None, 0]
    assert Masking(model.classifier, None, windowed).gaps(wide) is None


def test_what_lies_before_the_first_attention_is_computed_once(of_kind: OfKind) -> None:
    model = of_kind("bert")
    batch = model.collate(model.encode(TEXTS))
    masking = model.removals["mask"]
    assert isinstance(masking, Masking)
    gaps = masking.gaps(batch)
    assert gaps is not None
    assert gaps.shares_start
    table, n_looked_up = model.module.get_submodule("bert.embeddings.word_embeddings"), 0

    def count(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        nonlocal n_looked_up
        n_looked_up += args[0].numel()

    n_units = batch.unit_mask.shape[1]
    keep = ~torch.eye(n_units, dtype=torch.bool).expand(len(TEXTS), -1, -1)
    example, variant = torch.nonzero(keep.any(dim=2) & batch.unit_mask, as_tuple=True)
    variants = Variants(example, variant, keep[example, variant] & batch.unit_mask[example])
    is_suited = masking.suits(batch, keep & batch.unit_mask.unsqueeze(1))[example, variant]
    variants = variants.take(is_suited)
    with torch.no_grad(), table.register_forward_pre_hook(count):
        found = masking.runner(batch)(variants)
    assert n_looked_up == batch.inputs.units.numel()
    whole = batch.inputs.take(variants.example)
    gone = removed_positions(whole.units, variants.keep)
    with torch.no_grad():
        assert_close(found, model.classifier.logits(model.classifier.mask(whole, gone)))


NEUTRAL_TOKENS = {
    "bert": "[MASK]",
    "deberta-v2": "[MASK]",
    "bart": "<mask>",
    "t5": "<unk>",
    "llama": "<unk>",
}
"""Tokens that stand for a unit: of an encoder-decoder in the texts of both."""


def units_or_none(batch: InterceptedBatch) -> Tensor:
    """Each unit or not, at random; of the last variant none."""
    generator = torch.Generator().manual_seed(0)
    n_batch, n_units = batch.unit_mask.shape
    keep = torch.rand(n_batch, 3, n_units, generator=generator) < 0.6
    keep[:, -1] = False
    return keep


@pytest.mark.parametrize(
    ("kind", "unit"), [*((kind, "token") for kind in NEUTRAL_TOKENS), ("bart", "word")]
)
def test_units_get_the_mask_token_or_else_the_unknown_one(
    checkpoint: Checkpoint, of_kind: OfKind, kind: str, unit: UnitName
) -> None:
    module, tokenizer = objects(checkpoint, kind)
    model = of_kind(kind) if unit == "token" else transformers_model(module, tokenizer, unit=unit)
    assert model.removals["neutral"].words.endswith(f" token {NEUTRAL_TOKENS[kind]}")
    batch = model.collate(model.encode(TEXTS[:4]))
    keep, token = units_or_none(batch), tokenizer.convert_tokens_to_ids(NEUTRAL_TOKENS[kind])
    erased = model.erase(batch, keep, "neutral")
    for variant in range(keep.shape[1]):
        ids = batch.inputs.keywords["input_ids"].clone()
        for row, units in enumerate(batch.inputs.units.tolist()):
            for position, of_unit in enumerate(units):
                if of_unit >= 0 and not keep[row, variant, of_unit]:
                    ids[row, position] = token
        with torch.no_grad():
            two = module(**{**batch.inputs.keywords, "input_ids": ids}).logits
        assert_close(erased[:, variant], two[:, 1:] - two[:, :1])
    assert not torch.allclose(erased[:, -1], read(model, batch).logits, atol=1e-3)


def test_a_token_that_also_ends_texts_is_none(checkpoint: Checkpoint) -> None:
    module, tokenizer = objects(checkpoint, "gpt2")
    tokenizer.unk_token = tokenizer.eos_token
    model = transformers_model(module, tokenizer)
    assert model.removals["neutral"].words == "replaced by the mean embedding of the vocabulary"
    assert_mean_embedding(model, module.get_input_embeddings(), TEXTS[:4])  # type: ignore[operator]


def test_a_module_of_a_users_own_gets_the_id_that_unheard_of_words_have() -> None:
    model = between_markers()
    assert model.removals["neutral"].words == "replaced by the unknown token"
    batch = model.collate(model.encode(list(EXAMPLES)))
    keep = units_or_none(batch)
    erased = model.erase(batch, keep, "neutral")
    for i, example in enumerate(EXAMPLES):
        words = example.text.split()
        kept = keep[i, 0].tolist()
        other = [w if k else "unheard" for w, k in zip(words, kept, strict=False)]
        alone = model.collate(model.encode([Example("alone", " ".join(other))]))
        assert_close(erased[i, 0], read(model, alone).logits[0])


@pytest.mark.parametrize("knows_all", [False, True])
def test_where_unheard_of_words_have_no_id_in_common_it_is_the_mean_of_the_table(
    knows_all: bool,
) -> None:
    names = IDS | ({token: 4 + i for i, token in enumerate(UNHEARD_OF)} if knows_all else {})
    module = Pooling(attend_plainly)

    def encode(texts: list[list[str]]) -> Tensor:
        rows = [torch.tensor([names[token] for token in text]) for text in texts]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)

    model = model_of(custom_of(module, encode))
    assert model.removals["neutral"].words == "replaced by the mean embedding of the vocabulary"
    assert_mean_embedding(model, module.embedding, list(EXAMPLES))


def assert_mean_embedding(
    model: InterceptedModel, embedding: torch.nn.Embedding, texts: list[Example]
) -> None:
    __tracebackhide__ = True
    batch = model.collate(model.encode(texts))
    keep = units_or_none(batch)
    erased = model.erase(batch, keep, "neutral")
    for variant, kept in enumerate(keep.unbind(1)):
        gone = (batch.inputs.units >= 0) & ~kept.gather(1, batch.inputs.units.clamp_min(0))

        def replaced(_: object, args: object, out: Tensor, gone: Tensor = gone) -> Tensor:
            return torch.where(gone.unsqueeze(-1), embedding.weight.mean(0), out)

        handle = embedding.register_forward_hook(replaced)
        with torch.no_grad():
            expected = model.classifier.logits(batch.inputs)
        handle.remove()
        assert_close(erased[:, variant], expected)
    assert not torch.allclose(erased[:, -1], read(model, batch).logits, atol=1e-3)


def test_the_papers_models_get_their_unknown_token() -> None:
    model = tiny_model()
    assert model.removals["neutral"].words == "replaced by the unknown token"
    text = Example("a", "w5 w9 w13 w7")
    keep = torch.tensor([[[True, False, True, False], [False] * 4]])
    erased = model.erase(model.collate(model.encode([text])), keep, "neutral")
    for variant, unknown in enumerate(("w5 never w13 heard", "never heard such words")):
        batch = model.collate(model.encode([Example("b", unknown)]))
        assert_close(erased[:, variant], read(model, batch).logits)


@pytest.mark.parametrize("operator", ["mask", "delete", "neutral", None])
def test_keeping_everything_is_the_prediction(of_kind: OfKind, operator: str | None) -> None:
    for model, texts in ((of_kind("bert"), TEXTS[:4]), (tiny_model(), list(EXAMPLES))):
        if operator == "mask" and model.removals["mask"].why_not:
            continue
        batch = model.collate(model.encode(texts))
        everything = batch.unit_mask.unsqueeze(1)
        erased = model.erase(batch, everything, operator)
        assert_close(erased[:, 0], read(model, batch).logits)


def test_every_operator_may_be_asked_for_whichever_is_used_by_default(
    checkpoint: Checkpoint, of_kind: OfKind
) -> None:
    masking = of_kind("bert")
    deleting = transformers_model(*objects(checkpoint, "bert"), removal="delete")
    assert (masking.removal, deleting.removal) == ("mask", "delete")
    first, second = (m.collate(m.encode(TEXTS[:4])) for m in (masking, deleting))
    keep = units_or_none(first)
    for operator in ("mask", "delete", "neutral"):
        found = masking.erase(first, keep, operator)
        assert_close(found, deleting.erase(second, keep, operator))
        default = deleting if operator == "delete" else masking
        is_default = torch.allclose(found, default.erase(first, keep), atol=1e-6)
        assert is_default == (operator != "neutral")


def test_a_model_says_which_operators_it_lacks_and_refuses_them() -> None:
    model: AuditedModel = tiny_model()
    assert model.removals["mask"].why_not == "the model takes no attention mask"
    assert model.removals["delete"].why_not is None
    assert model.removals["neutral"].why_not is None
    batch = model.collate(model.encode(EXAMPLES))
    keep = batch.unit_mask.unsqueeze(1)
    with pytest.raises(ConfigurationError, match="by mask: the model takes no attention mask"):
        model.erase(batch, keep, "mask")
    with pytest.raises(ConfigurationError, match="by blur: there are mask, delete, neutral"):
        model.erase(batch, keep, "blur")


def test_where_tokens_are_not_looked_up_none_is_neutral() -> None:
    class OneHot(Pooling):
        def forward(self, ids: Tensor) -> Tensor:
            states = self.hidden(torch.nn.functional.one_hot(ids, 40)[..., :8].float())
            pooled = self.attend(states, self.score(states).squeeze(-1), ids > 3)
            output: Tensor = self.output(pooled)
            return output

    def encode(texts: list[list[str]]) -> Tensor:
        rows = [torch.tensor([IDS[token] for token in text]) for text in texts]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)

    texts = [
        Example(e.id, " ".join(f"w{4 + i}" for i in range(n))) for n, e in enumerate(EXAMPLES, 1)
    ]
    model = model_of(custom_of(OneHot(attend_plainly), encode), texts)
    why_not = model.removals["neutral"].why_not
    assert why_not is not None
    assert "does not look its tokens up" in why_not
