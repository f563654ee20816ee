"""The paper's models as a user's plain modules: the same numbers as the native way."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.base import AuditedBatch, Columns
from attn_audit.checks.correlation import Correlation
from attn_audit.checks.permutation import Permutation
from tests.goldens import Golden, load_golden
from tests.models.custom.goldens import through_an_adapter

TOLERANCE = 1e-4
EPSILON = 0.05
SOME = (
    *("classification/rnn_tanh_1", "classification/rnn_tanh_3", "classification/rnn_dot_1"),
    *("classification/cnn_tanh_3", "classification/cnn_dot_1", "classification/average_tanh_1"),
    *("pair/rnn_tanh_4", "pair/cnn_dot_4", "pair/average_tanh_4"),
)
"""Every encoder, attention and kind of output; the native way is held against all of the originals.
"""
ONE_OUTPUT = tuple(name for name in SOME if name.endswith("_1"))


@dataclass(frozen=True)
class Both:
    """One model in two ways."""

    golden: Golden
    native: AuditedBatch
    custom: AuditedBatch


@pytest.fixture(scope="module", params=SOME)
def both(request: pytest.FixtureRequest, shared: Path) -> Both:
    golden = load_golden(shared, request.param)
    return Both(golden, golden.audited, through_an_adapter(golden))


def close(found: Tensor, expected: Tensor) -> bool:
    return float((found.double() - expected.double()).abs().max()) < TOLERANCE


def columns_close(found: Columns, expected: Columns, name: str) -> bool:
    pairs = zip(found[name], expected[name], strict=True)
    return all(
        (one is None) == (other is None)
        and (one is None or np.abs(np.subtract(one, other)).max() < TOLERANCE)
        for one, other in pairs
    )


def test_the_encoder_is_not_run_again_for_each_variant(both: Both) -> None:
    findings = both.custom.model.describe().findings
    assert findings is not None
    assert findings.replay == "resume"


def test_the_readout_is_linear_where_it_is_linear_and_only_there(both: Both) -> None:
    assert both.custom.model.describe().linear_readout == (not both.golden.is_pair)
    assert (both.custom.reading.linear_readout is None) == both.golden.is_pair


def test_attention_is_the_same(both: Both) -> None:
    assert close(both.custom.explanation, both.native.explanation)
    expected = torch.tensor(both.golden.units("attention"))
    assert close(both.custom.explanation, expected)


def test_all_attention_lies_on_the_tokens(both: Both) -> None:
    assert close(both.custom.mass, both.native.mass)


def test_probabilities_are_the_same(both: Both) -> None:
    assert close(both.custom.probabilities, both.native.probabilities)
    assert close(both.custom.probabilities, torch.tensor(both.golden.expected["probability"]))


@pytest.mark.parametrize("measure", ["gradient", "leave_one_out"])
def test_importance_is_the_same(both: Both, measure: str) -> None:
    found, expected = both.custom.importances[measure], both.native.importances[measure]
    assert close(found, expected)


def test_taus_are_the_same_within_a_step(both: Both) -> None:
    found, expected = Correlation().run(both.custom), Correlation().run(both.native)
    for name in ("attention_gradient", "attention_leave_one_out", "gradient_leave_one_out"):
        pairs = zip(
            found[f"correlation.{name}"],
            expected[f"correlation.{name}"],
            both.native.lengths,
            strict=True,
        )
        for one, other, n in pairs:
            assert (one is None) == (other is None)
            assert one is None or abs(one - other) <= 4 / (n * (n - 1)) + 1e-9


def test_outputs_under_permuted_attention_are_the_same(both: Both) -> None:
    found = Permutation(EPSILON, 20).run(both.custom)
    expected = Permutation(EPSILON, 20).run(both.native)
    for name in ("permutation.distance", "permutation.jsd", "permutation.uniform.distance"):
        assert columns_close(found, expected, name)


@pytest.mark.parametrize("both", ONE_OUTPUT, indirect=True)
def test_the_exact_adversary_is_found_by_itself(both: Both) -> None:
    found, expected = (Adversarial(EPSILON).run(audited) for audited in (both.custom, both.native))
    assert set(found["adversarial.method"]) <= {"exact", None}
    for name in ("adversarial.max_jsd", "adversarial.distance"):
        assert columns_close(found, expected, name)


@pytest.mark.parametrize("both", ["classification/rnn_tanh_3", "pair/cnn_dot_4"], indirect=True)
def test_a_search_that_starts_at_the_same_place_finds_the_same(both: Both) -> None:
    check = Adversarial(EPSILON, n_iterations=5, n_restarts=2)
    found, expected = check.run(both.custom), check.run(both.native)
    assert found["adversarial.method"] == expected["adversarial.method"]
    for name in ("adversarial.max_jsd", "adversarial.upper_bound", "adversarial.distance"):
        assert columns_close(found, expected, name)
