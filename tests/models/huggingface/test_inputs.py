"""Batches of token sequences, against plain loops."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from attn_audit.data.example import Example
from attn_audit.models.huggingface.encoding import TokenEncoded
from attn_audit.models.huggingface.inputs import IDS, MASK, TYPES, join, without_units
from attn_audit.models.huggingface.padding import Padding, Side
from attn_audit.models.interception.classifier import NOT_AUDITED, ModelInputs

PADDING = Padding(own_id=0, tokenizer_id=None, type_id=7, n_ids=50)
ARGUMENTS = (IDS, MASK, TYPES)

Rows = list[tuple[int, int, int]]
"""Token id, token type and unit of each position."""


def encoded(rows: Rows) -> TokenEncoded:
    ids, types, units = zip(*rows, strict=True)
    return TokenEncoded(Example("a", "text"), (), False, None, units, ids, types)


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
    assert tensors(without_units(whole, keep, PADDING, side)) == padded(shorter, side)


def test_only_what_the_module_takes_is_given() -> None:
    inputs = join([encoded([(5, 0, 0)])], (IDS,), PADDING, "right")
    assert set(inputs.keywords) == {IDS}
    keep = torch.ones(1, 1, dtype=torch.bool)
    assert set(without_units(inputs, keep, PADDING, "right").keywords) == {IDS}


@pytest.mark.parametrize(
    ("own", "tokenizers", "used", "expected"),
    [(3, 4, [3, 4], 3), (None, 4, [0, 3], 4), (None, 4, [0, 1, 4], 2), (None, None, [1], 0)],
)
def test_padding_is_the_models_own_or_in_no_text(
    own: int | None, tokenizers: int | None, used: list[int], expected: int
) -> None:
    assert Padding(own, tokenizers, 0, 6).id_for(torch.tensor(used)) == expected
