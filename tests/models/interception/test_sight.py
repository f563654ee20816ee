"""How much of a text the audited row can attend to."""

import pytest

from attn_audit.models.interception.model import InterceptedModel
from tests.models.interception.matrix import audited
from tests.models.interception.zoo import IdsClassifier, build, examples


def shares(model: InterceptedModel) -> list[tuple[float, float]]:
    return [(layer.visible_share, layer.least_visible_share) for layer in model.describe().layers]


@pytest.mark.parametrize("name", ["bert", "llama", "t5", "eurobert"])
def test_all_of_a_text_is_seen_without_windows(name: str) -> None:
    assert set(shares(audited(name))) == {(1.0, 1.0)}


def test_a_sliding_window_sees_the_last_tokens_of_a_text() -> None:
    # Six tokens, of texts of 24, 12 and 4.
    model = InterceptedModel(IdsClassifier(build("mistral"), "mistral"), examples((24, 4, 12)))
    assert shares(model) == [pytest.approx((6 / 12, 6 / 24))] * 3


def test_layers_with_and_without_windows_are_told_apart() -> None:
    model = InterceptedModel(IdsClassifier(build("gpt_neo"), "gpt_neo"), examples((24, 12, 18)))
    assert shares(model) == [(1.0, 1.0), pytest.approx((6 / 18, 6 / 24))] * 2
