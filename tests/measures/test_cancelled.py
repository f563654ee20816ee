"""A gradient at right angles to the embedding says nothing, and is not ranked as if it did."""

import pytest
import torch
from torch import Tensor, nn

from attn_audit import audit
from attn_audit.models.contract import times_input
from tests.models.custom.toys import END, EXAMPLES, Pooling, attend_plainly, custom_of


def product(parts: list[float], dtype: torch.dtype = torch.float32) -> float:
    gradient = torch.tensor([[parts]], dtype=torch.float64)
    return float(times_input(gradient, torch.ones_like(gradient), dtype))


@pytest.mark.parametrize(
    ("dtype", "rest"),
    [(torch.float64, 1e-5), (torch.float32, 1e-5), (torch.bfloat16, 2**-5), (torch.float16, 2**-8)],
)
def test_what_is_left_of_products_that_cancel_is_nothing(dtype: torch.dtype, rest: float) -> None:
    norm = 2**0.5
    assert product([1.0, -1.0 + 0.9 * norm * rest], dtype) == 0
    assert product([1.0, -1.0 + 1.1 * norm * rest], dtype) == pytest.approx(1.1 * norm * rest)


class Normalised(Pooling):
    """Divides each embedding by its root mean square before anything else."""

    def forward(self, ids: Tensor) -> Tensor:
        states = self.hidden(nn.functional.rms_norm(self.embedding(ids), (8,), eps=1e-6)).tanh()
        pooled = self.attend(states, self.score(states).squeeze(-1), ids > END)
        output: Tensor = self.output(pooled)
        return output


def test_where_embeddings_are_normalised_gradients_rank_nothing_and_the_report_says_so() -> None:
    report = audit(custom_of(Normalised(attend_plainly)), EXAMPLES, checks=["correlation"])
    records = report.records
    assert set(records["gradient"].combine_chunks().flatten().to_pylist()) == {0.0}
    assert set(records["correlation.attention_gradient"].to_pylist()) == {None}
    assert all(
        "undefined_constant_gradient" in s for s in records["correlation.status"].to_pylist()
    )
