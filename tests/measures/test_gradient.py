import pytest
import torch

from attn_audit.measures.gradient import gradients
from attn_audit.models.task import TaskKind, log_odds
from tests.tiny import tiny_examples, tiny_model


@pytest.mark.parametrize(
    ("kind", "n_labels"),
    [(TaskKind.BINARY, 2), (TaskKind.MULTICLASS, 3), (TaskKind.MULTILABEL, 3)],
)
def test_is_the_change_of_probability_when_an_embedding_shrinks(
    kind: TaskKind, n_labels: int
) -> None:
    """Scaling x_u by (1 - h) moves the score by -h sum_e x_ue ds/dx_ue."""
    model = tiny_model(kind=kind, n_labels=n_labels)
    model.network.double()
    batch = model.collate(model.encode(tiny_examples(4, lengths=(5, 5))))
    found = gradients(model, batch)[..., 0]
    reading = model.read(batch, [model.default_site])[0]
    held = reading.attention[:, 0]
    embeddings, step = model.embed(batch), 1e-5

    def outputs(scale: float, unit: int) -> torch.Tensor:
        scaled = embeddings.clone()
        scaled[:, unit + 1] *= scale  # behind the start marker
        encoder, readout = model.network.text_encoder.encoder, model.network.readout
        values = readout.unit_values(encoder(scaled, batch.inputs.arguments[1])[:, 1:-1])
        return readout.logits(held.unsqueeze(1) @ values, None).squeeze(1)

    for unit in range(5):
        more, less = outputs(1 + step, unit), outputs(1 - step, unit)
        if kind is TaskKind.MULTILABEL:
            change = (more.sigmoid() - less.sigmoid()).abs().sum(-1)
        elif kind is TaskKind.BINARY:
            change = (more - less).abs().squeeze(-1)
        else:
            own_class = reading.logits.argmax(-1, keepdim=True)
            odds = [z.softmax(-1).gather(1, own_class).logit().squeeze(1) for z in (more, less)]
            change = (odds[0] - odds[1]).abs()
        assert torch.allclose(found[:, unit], change / (2 * step), rtol=1e-4, atol=1e-8)


def test_log_odds_of_the_likeliest_answer() -> None:
    logits = torch.tensor([[1.0, 3.0, -torch.inf], [0.0, -torch.inf, -torch.inf]])
    probability = logits[0].softmax(-1)[1]
    odds = log_odds(logits)
    assert torch.allclose(odds[0], probability.logit())
    assert odds[1] == 0


def test_an_answer_without_alternative_has_no_gradient() -> None:
    logits = torch.tensor([[0.5, -torch.inf]], requires_grad=True)
    (gradient,) = torch.autograd.grad(log_odds(logits).sum(), logits)
    assert gradient.tolist() == [[0, 0]]
