"""An audit computes in full precision and leaves the process as it was."""

import pytest
import torch

from attn_audit.engine.arithmetic import full_precision


def state() -> tuple[int, bool]:
    return torch.get_num_threads(), torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("n_threads", [None, 1, 2])
def test_settings_hold_inside_and_are_gone_afterwards(n_threads: int | None) -> None:
    before = state()
    with full_precision(n_threads):
        assert state() == (n_threads or before[0], False)
    assert state() == before


def test_they_are_gone_after_an_error_as_well() -> None:
    before = state()
    with pytest.raises(ValueError, match="stop"), full_precision(2):
        raise ValueError("stop")
    assert state() == before
