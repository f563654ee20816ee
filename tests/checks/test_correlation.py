"""The correlation check against SciPy, and its degenerate examples."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.checks.correlation import Correlation
from attn_audit.data.example import Example
from attn_audit.findings.correlation_pairs import (
    ATTENTION_GRADIENT,
    ATTENTION_LEAVE_ONE_OUT,
    YARDSTICK,
)
from attn_audit.models.paper.network import EncoderKind
from attn_audit.models.task import TaskKind
from tests.goldens import NAMES, Golden, load_golden
from tests.tiny import tiny_examples, tiny_model


def audited(texts: list[str], **settings: object) -> AuditedBatch:
    model = tiny_model(**settings)  # type: ignore[arg-type]
    examples = [Example(id=str(i), text=text) for i, text in enumerate(texts)]
    return read_batch(model, model.collate(model.encode(examples)), model.default_site, seed=0)


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.MULTICLASS, TaskKind.MULTILABEL])
def test_taus_are_scipys(kind: TaskKind) -> None:
    model = tiny_model(kind=kind, n_labels=2 if kind is TaskKind.BINARY else 3)
    batch = model.collate(model.encode(tiny_examples(30, lengths=(2, 15))))
    whole = read_batch(model, batch, model.default_site, seed=0)
    columns = Correlation().run(whole)
    for i, n in enumerate(whole.lengths):
        attention = whole.explanation[i, :n].numpy()
        for measure in ("gradient", "leave_one_out"):
            expected = kendalltau(attention, columns[measure][i])
            assert columns[f"correlation.attention_{measure}"][i] == pytest.approx(
                expected.statistic
            )
            if n >= 5:
                assert columns[f"correlation.attention_{measure}_p_value"][i] == pytest.approx(
                    expected.pvalue
                )


def test_short_texts_have_a_tau_but_no_p_value() -> None:
    columns = Correlation().run(audited(["w5 w6", "w5 w6 w7 w8", "w5 w6 w7 w8 w9"]))
    assert None not in columns["correlation.attention_gradient"]
    assert [p is None for p in columns["correlation.attention_gradient_p_value"]] == [
        True,
        True,
        False,
    ]
    few = "untestable_fewer_than_5_units"
    assert columns["correlation.status"] == [few, few, "measured"]


def test_a_single_unit_ranks_nothing() -> None:
    columns = Correlation().run(audited(["w5"]))
    assert columns["correlation.attention_gradient"] == [None]
    assert columns["correlation.status"] == ["untestable_single_unit"]
    assert len(columns["leave_one_out"][0]) == 1


def test_the_same_word_throughout_is_constant_for_an_averaging_model() -> None:
    columns = Correlation().run(audited(["w5 w5 w5 w5 w5 w5"], encoder=EncoderKind.AVERAGE))
    (status,) = columns["correlation.status"]
    assert "undefined_constant_attention" in status
    assert "undefined_constant_gradient" in status
    assert columns["correlation.attention_gradient"] == [None]
    assert columns["correlation.attention_gradient_p_value"] == [None]


def test_without_audited_mass_only_the_yardstick_is_defined() -> None:
    whole = audited(["w5 w6 w7 w8 w9 w10"])
    empty = dataclasses.replace(whole, mass=torch.full_like(whole.mass, 1e-9))
    columns = Correlation().run(empty)
    assert columns["correlation.attention_gradient"] == [None]
    assert columns["correlation.gradient_leave_one_out"] != [None]
    assert columns["correlation.status"] == ["undefined_no_audited_mass"]


def test_only_the_measures_asked_for_are_computed() -> None:
    columns = Correlation(("gradient",)).run(audited(["w5 w6 w7"]))
    assert "leave_one_out" not in columns
    assert "correlation.gradient_leave_one_out" not in columns


def test_weights_of_tiny_size_are_still_ranked() -> None:
    """Of a softmax, 1e-9 and 2e-9 differ as surely as 0.1 and 0.2 do."""
    whole = audited(["w5 w6 w7 w8 w9 w10"])
    tiny = torch.tensor([[1e-9, 2e-9, 3e-9, 4e-9, 5e-9, 1.0]]).double()
    columns = Correlation(("gradient",)).run(dataclasses.replace(whole, explanation=tiny))
    expected = kendalltau(tiny[0].numpy(), columns["gradient"][0]).statistic
    assert columns["correlation.attention_gradient"][0] == pytest.approx(expected)


def test_taus_are_the_originals_up_to_a_step(shared: Path) -> None:
    within = [
        is_within_a_step
        for name in NAMES
        for is_within_a_step in compare_with_original(load_golden(shared, name))
    ]
    assert np.mean(within) >= 0.98


def compare_with_original(golden: Golden) -> list[bool]:
    """For each tau of each example, whether it is the original's or next to it."""
    columns = Correlation().run(golden.audited)
    within = []
    for i, n in enumerate(golden.audited.lengths):
        gradient = np.abs(golden.units("gradient_x_input")[i])
        measures = {
            "attention": golden.units("attention")[i, :n],
            "gradient": (gradient if golden.is_pair else gradient.sum(axis=0))[:n],
            "leave_one_out": leave_one_out(golden, i)[:n],
        }
        for pair in (ATTENTION_GRADIENT, ATTENTION_LEAVE_ONE_OUT, YARDSTICK):
            expected = kendalltau(measures[pair.first], measures[pair.second]).statistic
            difference = abs(columns[pair.tau.name][i] - expected)
            within.append(bool(difference <= 4 / (n * (n - 1)) + 1e-9))
    return within


def leave_one_out(golden: Golden, i: int) -> np.ndarray:
    if golden.is_pair:
        importance: np.ndarray = golden.units("leave_one_out_l1")[i]
        return importance
    change = np.abs(golden.units("leave_one_out")[i] - golden.expected["probability"][i][:, None])
    mean: np.ndarray = change.mean(axis=0)
    return mean


@pytest.mark.parametrize("kind", TaskKind)
def test_taus_of_margins_are_scipys(kind: TaskKind) -> None:
    model = tiny_model(kind=kind, n_labels=2 if kind is TaskKind.BINARY else 3)
    batch = model.collate(model.encode(tiny_examples(12, lengths=(2, 15))))
    whole = read_batch(model, batch, model.default_site, seed=0)
    columns, of = Correlation().run(whole), whole.importances
    sides = {
        "attention": whole.explanation,
        "gradient": of["gradient"],
        "margin": of.left_out.moved,
        "margin_signed": of.left_out.lost,
        "gradient_signed": of.gradients[..., 1],
    }
    for first, second in (
        ("attention", "margin"),
        ("attention", "margin_signed"),
        ("attention", "gradient_signed"),
        ("gradient", "margin"),
    ):
        for i, n in enumerate(whole.lengths):
            expected = kendalltau(sides[first][i, :n], sides[second][i, :n]).statistic
            found = columns[f"correlation.{first}_{second}"][i]
            assert found == pytest.approx(expected, abs=1e-6)


def test_the_sign_of_a_gradient_is_that_of_its_margin() -> None:
    model = tiny_model()
    batch = model.collate(model.encode(tiny_examples(8, lengths=(3, 9))))
    whole = read_batch(model, batch, model.default_site, seed=0)
    embeddings = model.embed(batch).detach().requires_grad_()
    logits = model.forward(batch, embeddings, hold_attention=True)
    signed = (logits[:, 0] * logits[:, 0].sign().detach()).sum()
    (gradient,) = torch.autograd.grad(signed, embeddings)
    by_hand = batch.sum_over_units((embeddings * gradient).sum(-1))
    signed = whole.importances.gradients[..., 1]
    torch.testing.assert_close(signed, by_hand.double().detach(), rtol=1e-4, atol=1e-5)
    assert torch.equal(whole.importances.gradients[..., 0], signed.abs())


def test_the_largest_tau_is_that_of_both_sides_in_order() -> None:
    """Of a ranking full of ties, no order reaches 1."""
    whole = audited(["w5 w6 w7 w8 w9 w10", "w5 w5 w5 w6 w7"])
    columns = Correlation().run(whole)
    for i, n in enumerate(whole.lengths):
        attention = np.sort(whole.explanation[i, :n].numpy())
        others = np.sort(np.array(columns["leave_one_out"][i]))
        expected = kendalltau(attention, others).statistic
        largest = columns["correlation.attention_leave_one_out.largest"][i]
        assert largest == pytest.approx(expected, abs=1e-6)
        assert columns["correlation.attention_leave_one_out"][i] <= largest + 1e-9
