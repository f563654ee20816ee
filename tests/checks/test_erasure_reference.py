"""Erasure of MiniLM on SST, against subset tables that others computed in float64."""

import gzip
import json
from pathlib import Path

import pytest
import torch

from attn_audit.checks.base import read_batch
from attn_audit.checks.erasure import Erasure
from attn_audit.data.example import Example
from attn_audit.findings.measure import LEAVE_ONE_OUT
from attn_audit.models.loading import load_model
from attn_audit.models.options import ModelOptions

TOLERANCE = 2e-5
"""About five times how far float32 is off."""

N_TEXTS = 3


def test_erasure_is_that_of_the_subset_tables(shared: Path) -> None:
    with gzip.open(shared / "reference" / "measures" / "minilm.json.gz") as file:
        texts = sorted(json.load(file)["texts"], key=lambda text: len(text["words"]))[:N_TEXTS]
    examples = [Example(text["id"], text["text"]) for text in texts]
    model = load_model(
        str(shared / "models" / "minilm_sst"), torch.device("cpu"),
        ModelOptions(unit="word", removal="mask"), examples[:3],
    )  # fmt: skip
    batch = model.collate(model.encode(examples))
    assert [item.n_units for item in batch.encoded] == [len(text["words"]) for text in texts]
    found = Erasure((LEAVE_ONE_OUT.name,)).run(read_batch(model, batch, model.default_site, 0))
    for row, text in enumerate(texts):
        stored = text["erasure"]["mask"]
        expected = {
            "upper": stored["upper"],
            "lower": stored["lower"],
            "random": stored["random_aopc_mean"],
            "random.comprehensiveness_bins": stored["random_comprehensiveness_aopc"],
            "random.sufficiency_bins": stored["random_sufficiency_aopc"],
            "attention.saco": text["violation"]["mask"]["saco_attention"],
        }
        for ranking in ("attention", "leave_one_out"):
            of_it = stored[ranking]
            if of_it["smallest_gap_between_scores"] > TOLERANCE:
                expected |= {
                    ranking: of_it["aopc"],
                    f"{ranking}.comprehensiveness_bins": of_it["comprehensiveness_aopc"],
                    f"{ranking}.sufficiency_bins": of_it["sufficiency_aopc"],
                }
        own = {name: found[f"erasure.{name}"][row] for name in expected}
        assert own == pytest.approx(expected, abs=TOLERANCE)
