"""The paper's models against what the original implementation computes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from attn_audit.measures.gradient import gradients
from attn_audit.measures.leave_one_out import leave_out
from tests.goldens import NAMES, Golden, load_golden

TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=NAMES)
def golden(request: pytest.FixtureRequest, shared: Path) -> Golden:
    return load_golden(shared, request.param)


def test_attention_is_the_originals(golden: Golden) -> None:
    expected = golden.units("attention")
    assert np.abs(golden.audited.explanation.numpy() - expected).max() < TOLERANCE


def test_probability_is_the_originals(golden: Golden) -> None:
    found = golden.audited.probabilities.numpy()
    assert np.abs(found - golden.expected["probability"]).max() < TOLERANCE


def test_gradient_is_the_originals(golden: Golden) -> None:
    """The original differentiates probabilities, the tool log-odds: dp = p (1 - p) ds."""
    found = gradients(golden.audited.model, golden.audited.batch)[..., 0].numpy()
    expected = np.abs(golden.units("gradient_x_input")) * (
        golden.mask if golden.is_pair else golden.mask[:, None]
    )
    p = golden.expected["probability"]
    if golden.is_pair:
        top = p.max(axis=1, keepdims=True)
        found = found * top * (1 - top)
    elif p.shape[1] == 1:
        found, expected = found * p * (1 - p), expected[:, 0]
    else:
        expected = expected.sum(axis=1)
    assert np.abs(found - expected).max() < TOLERANCE


def test_leave_one_out_is_the_originals(golden: Golden) -> None:
    found = leave_out(golden.audited.model, golden.audited.batch).distance.numpy()
    if golden.is_pair:
        expected = golden.units("leave_one_out_l1") / 2 * golden.mask
    else:
        p = golden.expected["probability"][:, :, None]
        changes = np.abs(golden.units("leave_one_out") - p)
        expected = changes.mean(axis=1) * golden.mask
    assert np.abs(found - expected).max() < TOLERANCE


def test_outputs_under_permuted_attention_are_the_originals(golden: Golden) -> None:
    audited, n_units = golden.audited, golden.mask.shape[1]
    positions = np.zeros(golden.expected["attention"].shape)
    positions[:, 1 : 1 + n_units] = audited.explanation.numpy()
    order = golden.expected["permutation"]
    permuted = np.take_along_axis(positions[:, None], order, axis=2)[..., 1 : 1 + n_units]
    logits = audited.reading.replay(torch.tensor(permuted).float().unsqueeze(2))
    found = audited.model.task.probabilities(logits)
    if golden.is_pair:
        moved = (found - audited.probabilities.unsqueeze(1)).abs().sum(dim=-1).numpy()
        assert np.abs(moved - golden.expected["permuted_l1"]).max() < TOLERANCE
    else:
        assert np.abs(found.numpy() - golden.expected["permuted_probability"]).max() < TOLERANCE
