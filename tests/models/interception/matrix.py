"""Every architecture as a parameter of tests, and models and texts for them, built once."""

from collections.abc import Callable, Iterable
from functools import cache

import pytest
from torch import Tensor, nn

from attn_audit.models.contract import Batch, Reading, Site
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.interception.model import InterceptedModel
from tests.models.interception.zoo import (
    CONFIGURATIONS,
    READS_LAST_POSITION,
    IdsClassifier,
    build,
    examples,
)

OfKind = Callable[[str], InterceptedModel]

REPRESENTATIVE = (
    "bert",
    "mpnet",
    "deberta-v2",
    "xlnet",
    "modernbert",
    "funnel",
    "convbert",
    "eurobert",
    "t5",
    "bart",
    "gpt2",
    "llama",
    "gpt_oss",
)
"""One of each way to compute: these always run, the others with `pytest -m architectures`. RoBERTa
and DistilBERT go the way of BERT, and Mistral, within its window, that of Llama."""

_ROUND_MORE = ("mobilebert", "mt5", "t5")

MAX_ERROR = dict.fromkeys(CONFIGURATIONS, 1e-5) | dict.fromkeys(_ROUND_MORE, 5e-5)
"""Of the largest value, between a model's own kernel and eager code, for logits and gradients: what
they round otherwise grows most in these."""


def over(names: Iterable[str]) -> pytest.MarkDecorator:
    """Run a test once for each architecture, as the parameter `name`."""
    return pytest.mark.parametrize("name", [_parameter(name) for name in names])


def _parameter(name: str) -> object:
    marks = [pytest.mark.architectures]
    if name in REPRESENTATIVE:
        marks.append(pytest.mark.representative)
    return pytest.param(name, marks=marks)


over_architectures = over(CONFIGURATIONS)


def padding_side(name: str) -> str:
    """Where a model of this kind is padded unless a test is about padding."""
    return "left" if name in READS_LAST_POSITION else "right"


@cache
def audited(name: str, side: str | None = None) -> InterceptedModel:
    """A model of this architecture behind the contract; shared by all tests, so left as it is."""
    classifier = IdsClassifier(build(name), name, side or padding_side(name))
    return InterceptedModel(classifier, examples())


def padded_batch(model: InterceptedModel) -> InterceptedBatch:
    """Three texts of different lengths, none of which the model was tried out on."""
    return model.collate(model.encode(examples((10, 6, 8), seed=2)))


def read(model: InterceptedModel, batch: Batch, site: Site | None = None) -> Reading:
    """What one pass shows at one site, the default one if none is named."""
    (reading,) = model.read(batch, [site or model.default_site])
    return reading


def eager(name: str) -> nn.Module:
    """The same model, its attention computed by the architecture's own code."""
    # Convolutions round otherwise where their weights have gradients.
    return build(name, "eager").requires_grad_(False)


def assert_close(seen: Tensor, expected: Tensor, max_error: float = 1e-5) -> None:
    """Equal but for rounding, relative to the largest expected value."""
    __tracebackhide__ = True
    assert seen.shape == expected.shape
    scale = max(1.0, float(expected.detach().abs().max()))
    assert float((seen - expected).detach().abs().max()) <= max_error * scale
