"""Which texts erasure judges, and the fit of the head mix to the others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import attn_audit
from attn_audit.checks.erasure import Erasure
from attn_audit.data.example import Example, sample_examples
from attn_audit.engine import sampling
from attn_audit.engine.inputs import AuditedData
from attn_audit.engine.sampling import PASSES, checks_of, encoded_of, fit_mixes
from attn_audit.findings.erasure import AOPC, PERMUTED, rankings_of
from attn_audit.findings.measure import HEAD_MIX
from attn_audit.measures.head_mix import subsets
from attn_audit.measures.readout import of_heads
from attn_audit.models.contract import Batch, EncodedExample
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.loading import load_model
from attn_audit.models.options import ModelOptions
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.public import Report
from attn_audit.randomness import is_of_judging_half
from attn_audit.settings import AuditSettings
from tests.checkpoints import SENTENCES
from tests.conftest import Checkpoint
from tests.models.custom.test_transformer import Transformer
from tests.models.custom.toys import custom_of
from tests.tiny import tiny_examples, tiny_model

EXAMPLES = tiny_examples(60, lengths=(1, 34), seed=3)


def erasure_of(model: PaperModel, **settings: Any) -> Erasure:
    asked = AuditSettings(checks=("erasure",), **settings)
    data = AuditedData.of(asked, EXAMPLES).checked(model, asked)
    (check,) = checks_of(asked, model, data)
    assert isinstance(check, Erasure)
    return check


def test_the_sample_are_the_texts_of_the_smallest_hashes_of_those_that_are_audited() -> None:
    model = tiny_model()
    by_limit = sample_examples(EXAMPLES, 30, 7)
    check = erasure_of(model, erasure_sample=20, seed=7, limit=30)
    assert check.sample == frozenset(e.id for e in sample_examples(by_limit, 20, 7))
    assert erasure_of(model, erasure_sample=500).sample == frozenset(e.id for e in EXAMPLES)


def test_texts_too_long_for_all_subsets_and_short_enough_for_a_search_are_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_model()
    long = {e.id for e in EXAMPLES if 10 < len(e.text.split()) <= 30}
    assert erasure_of(model).searched == long
    monkeypatch.setattr(sampling, "N_SEARCHED", 3)
    few = erasure_of(model).searched
    assert len(few) == 3
    assert few < long


def test_texts_that_the_model_does_not_take_are_none_of_the_sample_that_is_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, whole = tiny_model(), tiny_model().encode

    def encode(examples: list[Example]) -> list[EncodedExample]:
        if any(example.id == EXAMPLES[3].id for example in examples):
            raise ValueError("not this one")
        return whole(examples)

    monkeypatch.setattr(model, "encode", encode)
    found = encoded_of(model, EXAMPLES[:6])
    assert [item.example.id for item in found] == [e.id for e in (*EXAMPLES[:3], *EXAMPLES[4:6])]


(RANKING,) = rankings_of(HEAD_MIX)
KNOWING = 5
"""Of eight heads the one whose weights are what units do."""

TEXTS = tiny_examples(100, lengths=(4, 6), seed=3)
QUICK: dict[str, Any] = {
    "checks": "erasure", "measures": "head_mix", "reproducible": True, "threads": 1,
}  # fmt: skip


def knowing() -> CustomModel:
    return custom_of(Transformer(is_mean=False), embedding="embedding")


def erase(
    self: InterceptedModel, batch: Batch, keep: Tensor, operator: str | None = None
) -> Tensor:
    """What a unit takes from the margin is its weight in one head, whatever else is gone.

    So the attention of that head is importance by construction.
    """
    whole = self.read_whole(batch)
    weights = of_heads(batch, whole)[..., KNOWING]
    lost = (weights.unsqueeze(1) * (~keep & batch.unit_mask.unsqueeze(1))).sum(dim=2)
    return (whole.logits.double().unsqueeze(1) * (1 - 2 * lost).unsqueeze(2)).float()


def audited(texts: list[Example], **options: Any) -> Report:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(InterceptedModel, "erase", erase)
        return attn_audit.audit(knowing(), texts, **{**QUICK, **options})


@pytest.fixture(scope="module")
def report() -> Report:
    return audited(TEXTS)


def test_a_mix_finds_the_head_that_knows_and_is_recommended(report: Report) -> None:
    mix, found = report.head_mix, report.recommendation
    assert mix is not None
    assert found is not None
    weights = np.array(mix.weights).ravel()
    assert int(weights.argmax()) == int(np.abs(weights).argmax()) == KNOWING
    assert found.show_instead == found.cheap == found.best == "head_mix"
    n_fitting = int((~is_of_judging_half([text.id for text in TEXTS])).sum())
    assert (mix.n_texts, mix.passes) == (n_fitting, n_fitting * PASSES)
    (candidate,) = found.candidates
    assert candidate.n == len(TEXTS) - n_fitting
    assert (candidate.is_signed, candidate.is_deterministic) == (True, False)
    # Of an additive model the best order takes first what speaks most for the prediction.
    score = report[RANKING.scores[AOPC]].value
    assert score is not None
    assert score > 0.9


def test_fitted_to_permuted_effects_a_mix_falls_to_random_order(report: Report) -> None:
    assert report.recommendation is not None
    control = report.recommendation.permuted_over_random
    assert control is not None
    for interval in (control.own_interval, control.neutral_interval):
        assert interval is not None
        assert interval.low < 0 < interval.high


def test_texts_that_fit_the_mix_are_not_judged_by_it(report: Report) -> None:
    for record in report.records.to_pylist():
        judges = bool(is_of_judging_half([record["id"]])[0])
        assert (record["erasure.head_mix"] is not None) is judges
        assert (record["erasure.head_mix_permuted"] is not None) is judges
        assert (record["erasure.status"] == "measured") is judges


def test_neither_the_order_of_texts_nor_batches_nor_shards_change_the_fit(
    report: Report, tmp_path: Path
) -> None:
    run: dict[str, Any] = {"shard_size": 50, "run_dir": str(tmp_path / "run"), "batch_size": 7}
    backwards = audited(TEXTS[::-1], **run)
    assert_alike(backwards, report)
    for shard in sorted((tmp_path / "run" / "records").glob("*.parquet"))[1:]:
        shard.unlink()
    (tmp_path / "run" / "complete").unlink()
    again = audited(TEXTS[::-1], resume=True, **run)
    assert again.metrics == backwards.metrics
    assert again.head_mix == backwards.head_mix


def assert_alike(one: Report, other: Report) -> None:
    assert one.head_mix is not None
    assert other.head_mix is not None
    weights = np.array(other.head_mix.weights)
    assert np.array(one.head_mix.weights) == pytest.approx(weights, abs=1e-9)
    for ranking in (RANKING, PERMUTED):
        metric = ranking.means[AOPC]
        assert one[metric].mean == pytest.approx(other[metric].mean, abs=1e-6)


def test_sums_and_effects_are_those_of_one_text_and_one_set_at_a_time(
    checkpoint: Checkpoint,
) -> None:
    texts = [Example(f"text-{i}", text) for i, text in enumerate(SENTENCES[:3])]
    options = ModelOptions(unit="word", dtype="float64")
    model = load_model(str(checkpoint("bert")), torch.device("cpu"), options, texts)
    batch = model.collate(model.encode(texts))
    found = fit_mixes(model, batch.encoded, seed=0)
    assert found is not None
    rows, groups = [], []
    for i, item in enumerate(batch.encoded):
        alone = model.collate([item])
        heads = of_heads(alone, model.read_whole(alone))[0].numpy()
        halves = subsets(0, item.example.id, item.n_units)
        assert len(halves) == 32
        full = _margin(model, alone, torch.ones(1, 1, item.n_units, dtype=torch.bool))
        for half in halves:
            keep = torch.ones(1, 1, item.n_units, dtype=torch.bool)
            keep[0, 0, half] = False
            rows.append([*heads[half].sum(axis=0), full - _margin(model, alone, keep)])
            groups.append(i)
    table, which = np.array(rows), np.eye(len(batch))[groups]
    centred = table - which @ np.linalg.lstsq(which, table)[0]
    features, effects = centred[:, :-1], centred[:, -1]
    n_heads = features.shape[1]
    penalty = np.sqrt(0.1 * (features**2).sum() / n_heads) * np.eye(n_heads)
    stacked = np.concatenate([features, penalty])
    expected = np.linalg.lstsq(stacked, np.concatenate([effects, np.zeros(n_heads)]))[0]
    scale = np.abs(expected).max()
    assert np.array(found.own) == pytest.approx(expected, abs=1e-6 * scale)


def _margin(model: Any, text: Any, keep: Tensor) -> float:
    """Of the class that is predicted of the whole text."""
    whole = model.erase(text, torch.ones_like(keep))[0, 0].double()
    logits = model.erase(text, keep)[0, 0].double()
    if len(logits) == 1:
        return float(logits[0] * whole[0].sign())
    first, second = whole.argsort(descending=True)[:2].tolist()
    return float(logits[first] - logits[second])
