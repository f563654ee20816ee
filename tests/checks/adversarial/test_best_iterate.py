"""The best feasible iterate is kept, in the way of a CPU and in that of a GPU alike."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from attn_audit.checks.adversarial.best_iterate import BestIterate
from attn_audit.checks.adversarial.loss import Step
from attn_audit.checks.adversarial.witness import Witness


def step_of(generator: torch.Generator, jsd: Tensor, n_rows: int = 2, n_units: int = 5) -> Step:
    n_variants, n_examples = jsd.shape
    p = torch.rand(n_variants, n_rows, n_units, n_examples, generator=generator)
    return Step(p, jsd, torch.zeros_like(jsd).double(), torch.zeros_like(p))


@given(seed=st.integers(0, 10_000), n_examples=st.integers(1, 6), n_variants=st.integers(1, 4))
def test_both_ways_keep_the_first_of_the_best_and_leave_the_others(
    seed: int, n_examples: int, n_variants: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Few values, so that variants tie with each other and with what is kept.
    draw = torch.randint(0, 4, (3, n_variants, n_examples), generator=generator) / 4
    kept = draw[0, 0].clone()
    step, feasible = step_of(generator, draw[1]), draw[2] > 0.25
    better = (step.jsd > kept) & feasible
    own = torch.rand(n_examples, 2, 5, generator=generator).double()

    for writes_all in (False, True):
        kept_best = BestIterate(Witness(own, kept.double()))
        kept_best.writes_all = writes_all
        kept_best.offer(step, feasible)
        for i in range(n_examples):
            candidates = [v for v in range(n_variants) if better[v, i]]
            best = max(candidates, key=lambda v: float(step.jsd[v, i]), default=None)
            expected = own[i] if best is None else step.p[best, :, :, i].double()
            assert torch.equal(kept_best.weights[i], expected)
            assert kept_best.jsd[i] == (kept[i] if best is None else step.jsd[best, i])
