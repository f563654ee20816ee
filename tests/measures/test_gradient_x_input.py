import pytest
import torch

from attn_audit.measures.gradient_x_input import Target, gradient_x_input
from attn_audit.models.task import TaskKind
from tests.tiny import tiny_examples, tiny_model


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.MULTICLASS, TaskKind.MULTILABEL])
def test_is_how_the_log_odds_move_when_an_embedding_shrinks(kind: TaskKind) -> None:
    """Through attention, which moves too."""
    model = tiny_model(kind=kind, n_labels=2 if kind is TaskKind.BINARY else 3, scale=1.5)
    model.network.double()
    batch = model.collate(model.encode(tiny_examples(4, lengths=(4, 7))))
    found, embeddings, step = gradient_x_input(model, batch), model.embed(batch), 1e-5
    target = Target.of(model.task, model.forward(batch, embeddings, hold_attention=False))

    def odds(factor: float, unit: int) -> torch.Tensor:
        scaled = embeddings.clone()
        scaled[:, unit + 1] *= factor  # behind the start marker
        return target.log_odds(model.forward(batch, scaled, hold_attention=False))

    for unit in range(batch.unit_mask.shape[1]):
        change = (odds(1 + step, unit) - odds(1 - step, unit)) / (2 * step)
        assert torch.allclose(found[:, unit], change * batch.unit_mask[:, unit], atol=1e-6)


def test_is_of_what_was_predicted_whatever_other_logits_predict() -> None:
    model = tiny_model(kind=TaskKind.MULTICLASS, n_labels=3)
    target = Target.of(model.task, torch.tensor([[3.0, 1.0, 0.0]]))
    assert float(target.log_odds(torch.tensor([[0.0, 5.0, 0.0]]))) < -5
