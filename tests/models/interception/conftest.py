"""Interception as it is tested here."""

import inspect
from functools import cache

import pytest
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from attn_audit.models.interception.attention_calls import Interception
from attn_audit.models.interception.model import InterceptedModel
from tests.checkpoints import transformers_model
from tests.conftest import Checkpoint
from tests.models.interception.matrix import OfKind

# Called for every operation of torch: checking its annotations each time takes longer than the
# models themselves. What it calls is checked as everywhere.
Interception.__torch_function__ = inspect.unwrap(Interception.__torch_function__)  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def of_kind(checkpoint: Checkpoint) -> OfKind:
    """A tiny checkpoint of a kind behind the contract; shared by all tests, so left as it is."""

    @cache
    def made(kind: str) -> InterceptedModel:
        folder = checkpoint(kind)
        module: nn.Module = AutoModelForSequenceClassification.from_pretrained(folder)
        return transformers_model(module, AutoTokenizer.from_pretrained(folder))

    return made
