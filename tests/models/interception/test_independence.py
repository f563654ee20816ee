"""Units that know nothing of each other: found by trial, and left out without a pass."""

import pytest
import torch
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.encoding import Splitter
from attn_audit.models.custom.loading import build_custom_model
from attn_audit.models.custom.model import CustomInterceptedModel
from attn_audit.models.interception.independence import MIN_SHARE, pooled_again
from attn_audit.models.paper.architecture import EncoderKind
from tests.tiny import tiny_examples, tiny_model

WORDS = [f"w{i}" for i in range(30)]
TEXTS = [Example(str(n), " ".join(WORDS[n : 2 * n + 3])) for n in (2, 5, 7)]


class Pooling(nn.Module):
    """Each unit by itself, but for what `mixed` adds of the others."""

    def __init__(self, mixed: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mixed = mixed
        self.embedding = nn.Embedding(40, 8)
        self.score, self.output = nn.Linear(8, 1), nn.Linear(8, 2)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        states = self.embedding(ids) * mask.unsqueeze(-1)
        scores = self.score(states).squeeze(-1) * 3
        match self.mixed:
            case "a neighbour in the value":
                states = states + 0.01 * states.roll(1, dims=1)
            case "the place in the score":
                scores = scores + 0.01 * torch.arange(ids.shape[1])
            case "the length in the score":
                scores = scores / mask.sum(dim=1, keepdim=True).sqrt()
            case "a bend behind the pooling":
                pooled = torch.einsum("bu,buh->bh", self.weights(scores, mask), states)
                return self.output(pooled.tanh())  # type: ignore[no-any-return]
            case _:
                pass
        pooled = torch.einsum("bu,buh->bh", self.weights(scores, mask), states)
        return self.output(pooled)  # type: ignore[no-any-return]

    def weights(self, scores: Tensor, mask: Tensor) -> Tensor:
        return scores.masked_fill(~mask, -1e9).softmax(dim=-1)


def encode(texts: list[list[str]]) -> tuple[Tensor, Tensor]:
    rows = [torch.tensor([1 + int(token[1:]) for token in tokens]) for tokens in texts]
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return ids, ids > 0


def model_of(mixed: str) -> CustomInterceptedModel:
    custom = CustomModel(Pooling(mixed), encode, ("a", "b"), "multiclass")
    return build_custom_model(custom, TEXTS, torch.device("cpu"), Splitter(custom))


def test_units_by_themselves_are_found_and_left_out_as_passes_do() -> None:
    model = model_of("nothing")
    assert model._units_are_independent
    batch = model.collate(model.encode(TEXTS))
    keep = torch.rand(3, 20, batch.unit_mask.shape[1], generator=torch.Generator().manual_seed(0))
    kept = (keep < 0.6) & batch.unit_mask.unsqueeze(1)
    torch.testing.assert_close(
        model.erase(batch, kept), model._erased(batch, kept, "delete"), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    "mixed",
    [
        "a neighbour in the value",
        "the place in the score",
        "the length in the score",
        "a bend behind the pooling",
    ],
)
def test_units_that_know_each_other_are_left_to_passes(mixed: str) -> None:
    assert not model_of(mixed)._units_are_independent


@pytest.mark.parametrize("encoder", EncoderKind)
def test_of_the_papers_encoders_only_the_average_knows_each_unit_alone(
    encoder: EncoderKind,
) -> None:
    assert tiny_model(encoder)._units_are_independent == (encoder is EncoderKind.AVERAGE)


def test_where_little_attention_is_left_a_pass_is_run() -> None:
    model = tiny_model(EncoderKind.AVERAGE)
    batch = model.collate(model.encode(tiny_examples(6, lengths=(2, 8))))
    (reading,) = model.read(batch, [model.default_site])
    n_units = batch.unit_mask.shape[1]
    kept = torch.eye(n_units, dtype=torch.bool) & batch.unit_mask.unsqueeze(1)  # one unit alone
    _, is_given = pooled_again(reading, kept)
    share = reading.attention[:, 0].double()
    assert torch.equal(is_given, share >= MIN_SHARE)
    assert not pooled_again(reading, torch.zeros_like(kept))[1].any()
