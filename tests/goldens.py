"""The original implementation's results on 18 tiny models, where they are at hand."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.models.loading import load_model

NAMES = tuple(
    [
        f"classification/{encoder}_{attention}_{outputs}"
        for encoder in ("rnn", "cnn", "average")
        for attention in ("tanh", "dot")
        for outputs in (1, 3)
    ]
    + [
        f"pair/{encoder}_{attention}_4"
        for encoder in ("rnn", "cnn", "average")
        for attention in ("tanh", "dot")
    ]
)


@dataclass(frozen=True)
class Golden:
    """One model, its texts as a batch, and what the original computed for them."""

    folder: Path
    audited: AuditedBatch
    expected: dict[str, np.ndarray]

    @property
    def mask(self) -> np.ndarray:
        """Where there are units: batch by unit."""
        mask: np.ndarray = self.audited.batch.unit_mask.numpy()
        return mask

    def units(self, name: str) -> np.ndarray:
        """An expected array at the units alone: the marker in front and all behind cut off."""
        n_units = self.mask.shape[1]
        return self.expected[name][..., 1 : 1 + n_units]

    @property
    def is_pair(self) -> bool:
        """Whether the model takes pairs."""
        return self.folder.parent.name == "pair"


@cache
def load_golden(shared: Path, name: str) -> Golden:
    """Load one of `NAMES`; shared by all tests, so left as it is."""
    folder = shared / "reference" / "goldens" / name
    model = load_model(str(folder), torch.device("cpu"))
    examples = list(read_examples(DataSource(str(folder / "inputs.jsonl"))))
    batch = model.collate(model.encode(examples))
    with np.load(folder / "expected.npz") as arrays:
        expected = dict(arrays)
    return Golden(folder, read_batch(model, batch, model.default_site, seed=0), expected)


def token_ids(golden: Golden) -> list[list[int]]:
    """The original's own input, to hold the tokenizer against."""
    ids: list[list[int]] = json.loads((golden.folder / "inputs.json").read_text())["token_ids"]
    return ids
