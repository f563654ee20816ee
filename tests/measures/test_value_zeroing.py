from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_similarity

from attn_audit.findings.measure import VALUE_ZEROING
from attn_audit.measures.registry import computation
from attn_audit.measures.value_zeroing import value_zeroing
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.loading import load_model
from attn_audit.models.options import ModelOptions
from tests.conftest import Checkpoint
from tests.measures.brute import Loaded, assert_each, over_units, texts_of
from tests.measures.conftest import TEXTS
from tests.models.custom.test_transformer import transformer
from tests.models.custom.toys import EXAMPLES, N_IDS, PAD, custom_of, model_of
from tests.tiny import tiny_model

why_not = computation(VALUE_ZEROING.name).why_not


def test_is_how_far_the_state_turns_without_the_value_of_each_token(loaded: Loaded) -> None:
    model, batch = loaded("bert", "word")
    module: Any = model.module
    layer = module.bert.encoder.layer[-1]
    expected = []
    for text in texts_of(model, batch):

        def state(zeroed: int | None, text: InterceptedBatch = text) -> torch.Tensor:
            def zero(module: object, args: object, values: torch.Tensor) -> torch.Tensor:
                values = values.clone()
                values[:, zeroed] = 0
                return values

            kept: list[torch.Tensor] = []
            keep = layer.register_forward_hook(lambda m, a, out: kept.append(out))
            value = layer.attention.self.value
            hook = None if zeroed is None else value.register_forward_hook(zero)
            with torch.no_grad():
                module(**text.inputs.keywords)
            keep.remove()
            if hook is not None:
                hook.remove()
            out = kept[0] if isinstance(kept[0], torch.Tensor) else kept[0][0]
            return out[0, 0]

        turned = [
            1 - cosine_similarity(state(None), state(token), dim=0)
            for token in range(text.inputs.n_positions)
        ]
        expected.append(over_units(text, torch.stack(turned)))
    assert_each(value_zeroing(model, batch), batch, expected)


def test_is_of_modules_too() -> None:
    for is_mean in (False, True):
        model = transformer(is_mean)
        batch = model.collate(model.encode(EXAMPLES))
        assert why_not(model) is None
        assert (value_zeroing(model, batch) > 0).equal(batch.unit_mask)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_is_of_a_fused_attention_that_rounds_elsewhere_in_half_precision(
    checkpoint: Checkpoint, dtype: str
) -> None:
    options = ModelOptions(dtype=dtype, attention_implementation="sdpa")  # type: ignore[arg-type]
    model = load_model(str(checkpoint("bert")), torch.device("cpu"), options, TEXTS)
    assert why_not(model) is None


def test_takes_a_state_for_each_token() -> None:
    assert why_not(tiny_model()) == "its attention has no row for each token: tokens are pooled"


class Alone(nn.Module):
    """Attention whose residual is added by the module around it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(N_IDS, 16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.output = nn.Linear(16, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        states = self.embedding(ids)
        mixed, _ = self.attention(states, states, states, key_padding_mask=ids == PAD)
        output: torch.Tensor = self.output((states + mixed)[:, 0])
        return output


def test_does_not_apply_where_a_residual_goes_past_the_layer() -> None:
    assert why_not(model_of(custom_of(Alone()))) == (
        "no layer around its last attention gives a state for each token, and all that is read out"
    )


def test_does_not_apply_where_attention_over_the_text_is_but_a_part_of_a_layer(
    loaded: Loaded,
) -> None:
    assert why_not(loaded("t5")[0]) == (
        "it attends to something else than the text's tokens, too, such as a decoder's"
    )
