"""Capacity changes no number of a record or a report."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import attn_audit
from attn_audit.models.contract import AuditedModel
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.models.task import TaskKind
from tests.mutation.classified import CAPACITY
from tests.rows import RowsModel, texts
from tests.tiny import tiny_examples, tiny_model

IN_BYTES = (
    *("models.capacity.MEMORY", "models.capacity.CACHE", "models.capacity.N_TOKENS"),
    "models.capacity.MIN_TOKENS",
)
"""What capacity itself follows from."""

SETTINGS: dict[str, Any] = {"permutations": 15, "iterations": 4, "restarts": 2}


def models() -> list[tuple[AuditedModel, list[attn_audit.Example]]]:
    """With the exact adversary, with the search, and of many rows; in float64, without rounding."""
    found: list[tuple[AuditedModel, list[attn_audit.Example]]] = []
    for kind in (TaskKind.BINARY, TaskKind.MULTICLASS):
        model = tiny_model(kind=kind, n_labels=2 if kind is TaskKind.BINARY else 3)
        assert isinstance(model, PaperModel)
        model.network.double()
        found.append((model, tiny_examples(12, lengths=(1, 20))))
    return [*found, (RowsModel(), texts(*range(3, 12, 2)))]


def numbers_of(folder: Path) -> list[Any]:
    """Everything that is reported, and every record, to the tenth decimal."""
    found = []
    for model, examples in models():
        path = folder / "records.jsonl"
        settings = {**SETTINGS, "records": str(path), "reproducible": True}
        report = attn_audit.audit(model, examples, **settings)
        checks = rounded(report.model_dump(mode="json")["metrics"])
        found.append((checks, [rounded(json.loads(row)) for row in path.read_text().splitlines()]))
    return found


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return pytest.approx(value, abs=1e-6) if isinstance(value, float) else value


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return numbers_of(tmp_path_factory.mktemp("expected"))


@pytest.mark.parametrize("factor", [1 / 512, 2])
def test_all_of_them_at_once_change_nothing(
    expected: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    for name in (*CAPACITY, *IN_BYTES):
        place, _, constant = name.rpartition(".")
        value = getattr(importlib.import_module(f"attn_audit.{place}"), constant)
        if constant == "BLOCK":  # a power of two, whose inversions a byte counts
            other = int(value * min(1, max(factor, 1 / 4)))
        elif constant.startswith("OF_"):  # a share
            other = min(0.9, max(0.1, value * factor))
        elif constant == "ROUNDING":  # never below what rounding does
            other = value * max(factor, 1)
        elif constant == "N_BISECTIONS":  # never fewer than there are digits
            other = max(50, int(value * factor))
        else:
            other = max(1, int(value * factor))
        for module in [m for n, m in sys.modules.items() if n.startswith("attn_audit.")]:
            if getattr(module, constant, None) == value:  # others import it by name
                monkeypatch.setattr(module, constant, other)
    assert numbers_of(tmp_path) == expected
