import pytest
import torch

from attn_audit.findings.measure import ROLLOUT
from attn_audit.measures.readout import rollout
from attn_audit.measures.registry import computation
from tests.measures.brute import Loaded, assert_each, called, over_units, texts_of
from tests.models.custom.test_transformer import transformer
from tests.models.custom.toys import EXAMPLES
from tests.tiny import tiny_model


@pytest.mark.parametrize(("kind", "row"), [("bert", 0), ("gpt2", -1)])
def test_is_the_product_of_all_layers_with_their_residuals(
    loaded: Loaded, kind: str, row: int
) -> None:
    model, batch = loaded(kind, "word")
    expected = []
    for text in texts_of(model, batch):
        joint = torch.eye(text.inputs.n_positions, dtype=torch.float64)
        for weights in called(model, text).attentions:
            joint = (weights[0].mean(dim=0) + torch.eye(len(joint))) / 2 @ joint
        expected.append(over_units(text, joint[row]))
    assert_each(rollout(model, batch), batch, expected)


def test_of_a_mean_over_tokens_is_the_mean_of_their_rows() -> None:
    model = transformer(is_mean=True)
    batch = model.collate(model.encode(EXAMPLES))
    whole = model.read_whole(batch)
    expected = []
    for i, item in enumerate(batch.encoded):
        real = whole.real[i]
        joint = torch.eye(int(real.sum()), dtype=torch.float64)
        for weights in whole.layers:
            mean = weights[i][:, real][:, :, real].double().mean(dim=0)
            joint = (mean + torch.eye(len(joint))) / 2 @ joint
        row = joint.mean(dim=0)[1 : 1 + item.n_units]
        expected.append(row / row.sum())
    found = rollout(model, batch)
    for row, alone in zip(found, expected, strict=True):
        assert torch.allclose(row[: len(alone)], alone, atol=1e-6)


def test_does_not_apply_where_tokens_are_pooled_or_a_decoder_attends(loaded: Loaded) -> None:
    why_not = computation(ROLLOUT.name).why_not
    assert why_not(tiny_model()) == "its attention has no row for each token: tokens are pooled"
    model, _ = loaded("bart")
    assert why_not(model) == (
        "it attends to something else than the text's tokens, too, such as a decoder's"
    )
