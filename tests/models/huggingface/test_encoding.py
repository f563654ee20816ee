"""Batches of token sequences, against plain loops."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from attn_audit.data.example import Example
from attn_audit.errors import IncompatibleDataError
from attn_audit.models.contract import Unit
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.encoding import (
    EncodedTokens,
    Padding,
    Side,
    join,
    kept_positions,
)
from attn_audit.models.huggingface.output import IDS, MASK, TYPES
from attn_audit.models.huggingface.tokenizer import tokenize
from attn_audit.models.interception.classifier import NOT_AUDITED, ModelInputs, removed_positions
from tests.checkpoints import KINDS, SENTENCES
from tests.models.huggingface.conftest import Load

PAIR_KINDS = ("bert", "bart", "t5", "gpt2", "llama", "deberta-v2")
WORDS = st.sampled_from(" ".join(SENTENCES).split())
SEQUENCES = st.lists(WORDS, min_size=1, max_size=30).map(" ".join)


def encode(classifier: HuggingFaceClassifier, *examples: Example) -> list[EncodedTokens]:
    encoded = classifier.encode(examples)
    assert all(isinstance(item, EncodedTokens) for item in encoded)
    return [item for item in encoded if isinstance(item, EncodedTokens)]


def audited(encoded: EncodedTokens) -> int:
    return sum(unit != NOT_AUDITED for unit in encoded.unit_of_position)


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_of_the_text_is_audited_and_nothing_else(load: Load, kind: str) -> None:
    classifier = load(kind)
    (encoded,) = encode(classifier, Example("a", SENTENCES[0]))
    added = len(encoded.token_ids) - audited(encoded)
    assert added == {"gpt2": 0, "llama": 1, "t5": 1}.get(kind, 2)
    assert "".join(unit.text for unit in encoded.units) == SENTENCES[0].replace(" ", "")
    assert not encoded.truncated


@pytest.mark.parametrize("kind", PAIR_KINDS)
def test_a_second_text_is_read_and_not_audited(load: Load, kind: str) -> None:
    (single,) = encode(load(kind), Example("a", SENTENCES[0]))
    (pair,) = encode(load(kind, takes_pairs=True), Example("a", SENTENCES[0], SENTENCES[1]))
    assert pair.units == single.units
    assert len(pair.token_ids) > len(single.token_ids)
    assert audited(pair) == pair.n_units


def test_pairs_and_single_texts_are_not_mixed(load: Load) -> None:
    single, pair = Example("a", "fine"), Example("b", "fine", "film")
    with pytest.raises(IncompatibleDataError, match="example 'b': this example has a second text"):
        load("bert").encode([single, pair])
    with pytest.raises(IncompatibleDataError, match=r"example 'a': .*this one has no second text"):
        load("bert", takes_pairs=True).encode([pair, single])


def test_long_texts_are_truncated_and_say_so(load: Load) -> None:
    short, long = encode(
        load("bert", max_length=8), Example("a", "A film."), Example("b", " ".join(SENTENCES))
    )
    assert (short.truncated, long.truncated) == (False, True)
    assert len(long.token_ids) == 8


@pytest.mark.parametrize("kind", ["mpnet", "gpt2", "bart"])
def test_a_text_is_truncated_to_what_the_model_takes(load: Load, kind: str) -> None:
    classifier = load(kind)
    encoded = encode(classifier, Example("a", " ".join(SENTENCES)))
    assert len(encoded[0].token_ids) == 64
    assert classifier.logits(classifier.collate(encoded)).isfinite().all()


@pytest.fixture(scope="module")
def tokenizer(load: Load) -> Any:
    return load("bert").encoder.tokenizer


@given(text=SEQUENCES, other=SEQUENCES, max_length=st.integers(5, 40))
def test_of_a_truncated_pair_both_texts_are_left(
    tokenizer: Any, text: str, other: str, max_length: int
) -> None:
    pair = [Example("a", text, other)]
    (cut,), (whole,) = tokenize(tokenizer, pair, max_length), tokenize(tokenizer, pair, None)
    n_special, n_text = sum(cut.special), cut.sequences.count(0)
    assert n_special == 3
    assert n_text >= 1
    assert len(cut.ids) - n_special - n_text >= 1
    assert len(cut.ids) == min(max_length, len(whole.ids))
    assert cut.truncated == (len(cut.ids) < len(whole.ids))


@pytest.mark.parametrize("kind", KINDS)
def test_words_hold_all_their_tokens(load: Load, kind: str) -> None:
    (tokens,) = encode(load(kind), Example("a", SENTENCES[18]))
    (words,) = encode(load(kind, unit="word"), Example("a", SENTENCES[18]))
    assert [unit.text for unit in words.units] == SENTENCES[18].split()
    assert audited(words) == audited(tokens) == tokens.n_units > words.n_units


def test_a_word_of_which_a_part_was_cut_off_is_shown_whole(load: Load) -> None:
    (encoded,) = encode(load("bert", unit="word", max_length=3), Example("a", "unforgettable"))
    assert encoded.units == (Unit("unforgettable", 0, 13),)
    assert encoded.truncated


@pytest.mark.parametrize("unit", ["token", "word"])
def test_a_text_of_which_nothing_is_left_is_named(load: Load, unit: str) -> None:
    nothing = Example("b", "\u200b\x00", where="test.jsonl:2")
    with pytest.raises(IncompatibleDataError, match=r"test.jsonl:2 .*nothing of the text to audit"):
        load("bert", unit=unit).encode([Example("a", "fine"), nothing])


def test_labels_and_candidates_are_the_models_own(load: Load) -> None:
    (encoded,) = encode(load("bert"), Example("a", "fine", labels=("1",), candidates=("1",)))
    assert encoded.example.labels == ("positive",)
    assert encoded.candidates is None
    with pytest.raises(IncompatibleDataError, match="negative, positive"):
        load("bert").encode([Example("a", "fine", labels=("2",))])


def test_no_examples_are_no_sequences(load: Load) -> None:
    assert load("bert").encode([]) == []


@pytest.mark.parametrize("kind", ["bart", "t5"])
def test_a_text_must_not_spell_the_end_at_which_it_is_read(load: Load, kind: str) -> None:
    with pytest.raises(IncompatibleDataError, match="the text spells the end marker"):
        load(kind).encode([Example("a", "fine </s> film")])


def test_a_token_that_the_model_has_no_embedding_of(load: Load) -> None:
    classifier = load("bert")
    classifier.encoder.tokenizer.add_tokens(["gorgeous"])
    with pytest.raises(IncompatibleDataError, match="the token 'gorgeous' as number"):
        classifier.encode([Example("a", "a gorgeous film")])


PADDING = Padding(own_id=0, tokenizer_id=None, type_id=7, n_ids=50)
ARGUMENTS = (IDS, MASK, TYPES)

Rows = list[tuple[int, int, int]]
"""Token id, token type and unit of each position."""


def encoded(rows: Rows) -> EncodedTokens:
    ids, types, units = zip(*rows, strict=True)
    return EncodedTokens(Example("a", "text"), (), False, None, units, ids, types)


@st.composite
def sequences(draw: st.DrawFn) -> Rows:
    """A special token, units of one or two tokens, and maybe a second text and an end."""
    n_units = draw(st.integers(1, 6))
    sizes = draw(st.lists(st.integers(1, 2), min_size=n_units, max_size=n_units))
    ids = st.integers(1, 49)
    rows = [(draw(ids), 0, NOT_AUDITED)] if draw(st.booleans()) else []
    rows += [(draw(ids), 0, unit) for unit, size in enumerate(sizes) for _ in range(size)]
    return rows + [(draw(ids), 1, NOT_AUDITED) for _ in range(draw(st.integers(0, 3)))]


def padded(rows: list[Rows], side: Side) -> dict[str, list[list[int]]]:
    """What every tensor of the batch must hold."""
    width = max(map(len, rows))
    fills = {IDS: 0, TYPES: 7, "units": NOT_AUDITED, MASK: 0}
    found: dict[str, list[list[int]]] = {name: [] for name in fills}
    for row in rows:
        values = {
            IDS: [token for token, _, _ in row],
            TYPES: [kind for _, kind, _ in row],
            "units": [unit for _, _, unit in row],
            MASK: [1] * len(row),
        }
        for name, fill in fills.items():
            gap = [fill] * (width - len(row))
            found[name].append(values[name] + gap if side == "right" else gap + values[name])
    return found


def tensors(inputs: ModelInputs) -> dict[str, list[list[int]]]:
    assert inputs.arguments == ()
    every: dict[str, Tensor] = {**inputs.keywords, "units": inputs.units}
    assert torch.equal(inputs.real, inputs.keywords[MASK].bool())
    return {name: value.tolist() for name, value in every.items()}


@given(rows=st.lists(sequences(), min_size=1, max_size=5), side=st.sampled_from(["right", "left"]))
def test_shorter_texts_are_padded(rows: list[Rows], side: Side) -> None:
    inputs = join([encoded(row) for row in rows], ARGUMENTS, PADDING, side)
    assert tensors(inputs) == padded(rows, side)


@given(
    rows=st.lists(sequences(), min_size=1, max_size=5),
    side=st.sampled_from(["right", "left"]),
    data=st.data(),
)
def test_left_out_units_leave_no_gap(rows: list[Rows], side: Side, data: st.DataObject) -> None:
    n_units = max(unit for row in rows for _, _, unit in row) + 1
    keep = torch.tensor(
        data.draw(
            st.lists(
                st.lists(st.booleans(), min_size=n_units, max_size=n_units).filter(any),
                min_size=len(rows),
                max_size=len(rows),
            )
        )
    )
    keep[:, 0] = True
    shorter = [
        [each for each in row if each[2] == NOT_AUDITED or keep[i, each[2]]]
        for i, row in enumerate(rows)
    ]
    whole = join([encoded(row) for row in rows], ARGUMENTS, PADDING, side)
    stays = whole.real & ~removed_positions(whole.units, keep)
    assert tensors(kept_positions(whole, stays, PADDING, side)) == padded(shorter, side)


def test_only_what_the_module_takes_is_given() -> None:
    inputs = join([encoded([(5, 0, 0)])], (IDS,), PADDING, "right")
    assert set(inputs.keywords) == {IDS}
    assert set(kept_positions(inputs, inputs.real, PADDING, "right").keywords) == {IDS}


@pytest.mark.parametrize(
    ("own", "tokenizers", "used", "expected"),
    [(3, 4, [3, 4], 3), (None, 4, [0, 3], 4), (None, 4, [0, 1, 4], 2), (None, None, [1], 0)],
)
def test_padding_is_the_models_own_or_in_no_text(
    own: int | None, tokenizers: int | None, used: list[int], expected: int
) -> None:
    assert Padding(own, tokenizers, 0, 6).id_for(torch.tensor(used)) == expected
