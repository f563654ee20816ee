"""A kind of output that the package does not know: one class, and every check works with it."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit import audit
from attn_audit.models.task import Multiclass
from attn_audit.results.report import Report
from tests.models.custom.toys import EXAMPLES, Pooling, attend_plainly, custom_of

N_WORDS = 30
LABELS = ("no", "maybe", "yes")


class NextWord(Multiclass):
    """The head scores a whole vocabulary, and some of its words are the labels."""

    name = "next word"
    of_labels = (17, 4, 9)

    @property
    def n_outputs(self) -> tuple[int, ...]:
        return (N_WORDS,)

    def from_outputs(self, outputs: Float[Tensor, "batch output"]) -> Float[Tensor, "batch label"]:
        return outputs[:, list(self.of_labels)]


def audited(module: torch.nn.Module, task: Any) -> Report:
    model = custom_of(module, labels=LABELS, task=task)
    return audit(model, EXAMPLES, restarts=1, reproducible=True)


def test_it_is_audited_as_the_same_labels_alone_are() -> None:
    whole = Pooling(attend_plainly, n_outputs=N_WORDS)
    chosen = Pooling(attend_plainly, n_outputs=len(LABELS))
    with torch.no_grad():
        for name, parameter in chosen.named_parameters():
            own = whole.get_parameter(name)
            is_head = name.startswith("output.")
            parameter.copy_(own[list(NextWord.of_labels)] if is_head else own)
    found, expected = audited(whole, NextWord), audited(chosen, "multiclass")
    assert found.model.task == "next word"
    assert_alike(found.model_dump()["metrics"], expected.model_dump()["metrics"])


def assert_alike(found: object, expected: object) -> None:
    """Equal but for rounding."""
    __tracebackhide__ = True
    if isinstance(expected, dict):
        assert isinstance(found, dict)
        assert found.keys() == expected.keys()
        for key in expected:
            assert_alike(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert isinstance(found, list | tuple)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_alike(one, other)
    elif isinstance(expected, float):
        assert isinstance(found, float)
        assert abs(found - expected) <= 1e-4
    else:
        assert found == expected
