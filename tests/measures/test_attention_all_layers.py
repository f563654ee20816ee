import pytest
import torch

from attn_audit.findings.measure import ATTENTION_ALL_LAYERS
from attn_audit.measures.readout import attention_all_layers
from attn_audit.measures.registry import computation
from tests.measures.brute import Loaded, assert_each, called, over_units, texts_of
from tests.tiny import tiny_model


@pytest.mark.parametrize(("kind", "row"), [("bert", 0), ("gpt2", -1)])
@pytest.mark.parametrize("unit", ["token", "word"])
def test_is_the_mean_of_what_every_head_of_every_layer_says(
    loaded: Loaded, kind: str, row: int, unit: str
) -> None:
    model, batch = loaded(kind, unit)
    expected = []
    for text in texts_of(model, batch):
        every = torch.stack(called(model, text).attentions)[:, 0, :, row]
        expected.append(over_units(text, every.flatten(0, 1).mean(dim=0)))
    assert_each(attention_all_layers(model, batch), batch, expected)


def test_takes_several_layers() -> None:
    assert (
        computation(ATTENTION_ALL_LAYERS.name).why_not(tiny_model())
        == "it has one attention, which is the audited one"
    )
