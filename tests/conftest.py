"""What every folder of tests may use."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# Models here are tiny: a second thread costs more than it brings.
torch.set_num_threads(1)

# How long one case takes says more about the machine than about the code.
settings.register_profile("here", deadline=None)
settings.load_profile("here")

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data sets and models beside the repository, or ATTN_AUDIT_SHARED."""
    folder = Path(os.environ.get("ATTN_AUDIT_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the shared data sets and models: no {folder} (ATTN_AUDIT_SHARED)")
    return folder
