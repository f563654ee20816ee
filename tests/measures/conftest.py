from functools import cache

import pytest
import torch

from attn_audit.data.example import Example
from attn_audit.findings.measure import HEAD_MIX
from attn_audit.measures.registry import COMPUTATIONS
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.loading import load_model
from attn_audit.models.options import ModelOptions
from tests.checkpoints import SENTENCES
from tests.conftest import Checkpoint
from tests.measures.brute import Loaded

TEXTS = [Example(f"text-{i}", text) for i, text in enumerate(SENTENCES[:3])]


@pytest.fixture(scope="session")
def loaded(checkpoint: Checkpoint) -> Loaded:
    """A tiny transformer of a kind in float64, with a batch of texts of several lengths."""

    @cache
    def load(kind: str, unit: str = "token") -> tuple[InterceptedModel, InterceptedBatch]:
        options = ModelOptions(unit=unit, dtype="float64", attention_implementation="eager")  # type: ignore[arg-type]
        model = load_model(str(checkpoint(kind)), torch.device("cpu"), options, TEXTS)
        assert isinstance(model, InterceptedModel)
        return model, model.collate(model.encode(TEXTS))

    return load


@pytest.fixture(params=[name for name in COMPUTATIONS if name != HEAD_MIX.name])
def name(request: pytest.FixtureRequest) -> str:
    """Of a measure that needs no fit, one after the other."""
    found: str = request.param
    return found
