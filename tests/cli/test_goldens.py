"""The original implementation's results, reproduced through the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import AttnAudit
from tests.goldens import NAMES

TOLERANCE = 1e-5


@pytest.mark.parametrize("name", NAMES[::3])  # each encoder, attention and kind of output
def test_records_are_the_originals(
    attn_audit: AttnAudit, shared: Path, tmp_path: Path, name: str
) -> None:
    folder = shared / "reference" / "goldens" / name
    outcome = attn_audit(
        *("audit", folder, folder / "inputs.jsonl", "--epsilon", "0.05"),
        *("--records", "records.jsonl", "--quiet"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    lines = (tmp_path / "records.jsonl").read_text().splitlines()
    records: list[dict[str, Any]] = [json.loads(line) for line in lines]
    with np.load(folder / "expected.npz") as arrays:
        expected = dict(arrays)
    search_is_enough = []
    for i, record in enumerate(records):
        n = record["n_units"]
        units = slice(1, 1 + n)
        probability = np.atleast_1d(record["probability"])
        assert np.allclose(record["attention"], expected["attention"][i, units], atol=TOLERANCE)
        assert np.allclose(probability, expected["probability"][i], atol=TOLERANCE)
        gradient = np.abs(expected["gradient_x_input"][i, ..., units])
        if record["adversarial.method"] is None:
            assert n == 1
            continue
        if name.startswith("pair"):
            top = probability.max()
            moved = expected["leave_one_out_l1"][i, units] / 2
            found = np.array(record["gradient"]) * top * (1 - top)
        else:
            p = expected["probability"][i][:, None]
            moved = np.abs(expected["leave_one_out"][i][:, units] - p).mean(axis=0)
            own = probability * (1 - probability) if len(probability) == 1 else 1.0
            found, gradient = (
                np.array(record["gradient"]) * own,
                gradient.reshape(-1, n).sum(axis=0),
            )
        assert np.allclose(found, gradient, atol=TOLERANCE)
        assert np.allclose(record["leave_one_out"], moved, atol=TOLERANCE)
        gain = record["adversarial.max_jsd"] - expected["adversarial_max_jsd"][i]
        if record["adversarial.method"] == "exact":
            assert gain >= -1e-6
        search_is_enough.append(gain >= -1e-3)
    assert np.mean(search_is_enough) >= 0.95  # of one model; over all of them 431 of 432
