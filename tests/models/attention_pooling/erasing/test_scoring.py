import pytest
import torch

from attn_audit.models.attention_pooling.architecture import AttentionKind, EncoderKind
from attn_audit.models.attention_pooling.attention import Question
from attn_audit.models.attention_pooling.erasing.scoring import scorer_of
from attn_audit.models.task import TaskKind
from tests.tiny import KINDS, tiny_model


@pytest.mark.parametrize(("encoder", "attention", "is_pair"), KINDS)
@torch.no_grad()
def test_parts_of_states_add_up_to_scores_and_values(
    encoder: EncoderKind, attention: AttentionKind, is_pair: bool
) -> None:
    model = tiny_model(encoder, attention, is_pair=is_pair, kind=TaskKind.MULTICLASS, n_labels=3)
    network = model.network.double()
    torch.manual_seed(0)
    size = network.architecture.state_size
    states = torch.randn(4, 5, size, dtype=torch.float64)  # unit batch hidden
    question: Question | None = torch.randn(5, size).double() if is_pair else None

    scorer = scorer_of(network, question)
    order = torch.randperm(size)
    projected = sum(
        (scorer.project(states[..., part], part) for part in (order[:2], order[2:])), scorer.offset
    )
    scores, values = scorer.finish(projected)
    by_example = states.transpose(0, 1)
    torch.testing.assert_close(scores.T, network.attention(by_example, question))
    torch.testing.assert_close(values.transpose(0, 1), network.readout.unit_values(by_example))
    assert values.shape[-1] == scorer.n_values
