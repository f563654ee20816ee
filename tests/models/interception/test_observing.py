"""Which keys a query may attend to, from the scores."""

import pytest
import torch

from attn_audit.models.interception.observing import admissible_keys


@pytest.mark.parametrize(
    "masked",
    [torch.finfo(torch.float32).min, -torch.inf, -1e30, -1e6, -65504.0, -1e4 + 3],
    ids=["least number", "infinity", "XLNet", "Funnel", "float16", "GPT-1 and CTRL"],
)
@pytest.mark.parametrize("largest", [-40.0, 0.0, 40.0])
def test_masked_keys_are_not_admissible(masked: float, largest: float) -> None:
    scores = torch.tensor([largest, largest - 3, masked, masked]).reshape(1, 1, 1, 4)
    assert admissible_keys(scores).flatten().tolist() == [True, True, False, False]


def test_keys_whose_weight_underflows_are_admissible() -> None:
    scores = torch.tensor([0.0, -200.0, -500.0]).reshape(1, 1, 1, 3)
    assert scores.softmax(-1).flatten().tolist() == [1, 0, 0]
    assert admissible_keys(scores).all()
