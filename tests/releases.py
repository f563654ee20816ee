"""Two small audits of the same texts, with records, as reports on disk; each is made once."""

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest
import torch

from attn_audit.config import validate
from attn_audit.engine.audit import run_audit
from attn_audit.models.paper.checkpoint import save_checkpoint
from attn_audit.models.task import TaskKind
from attn_audit.progress import Watcher
from attn_audit.results.storage import HASH, to_stored
from tests.tiny import checkpoint_of, tiny_model

N_TEXTS = 30

Audited = Callable[..., Path]
P = ParamSpec("P")
T = TypeVar("T")


def once(make: Callable[P, T]) -> Callable[P, T]:
    """What a fixture gives to all modules that import it: pytest keeps it for each of them."""
    made: list[T] = []

    @wraps(make)
    def given(*args: P.args, **named: P.kwargs) -> T:
        if not made:
            made.append(make(*args, **named))
        return made[0]

    return given


def write_texts(
    path: Path, n: int = N_TEXTS, first: int = 0, kind: TaskKind = TaskKind.BINARY
) -> Path:
    """Labelled texts of one to twelve words; every fifth without a label."""
    rows = []
    for i in range(first, first + n):
        words = " ".join(f"w{(7 * i + 5 * j) % 40 + 4}" for j in range(i % 12 + 1))
        several = {"labels": [f"label{j}" for j in range(3) if (i >> j) % 2 or j == i % 3]}
        label = several if kind is TaskKind.MULTILABEL else {"label": f"label{i % 2}"}
        rows.append(json.dumps({"id": f"e{i}", "text": words, **({} if i % 5 == 4 else label)}))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def write_model(path: Path, scale: float, kind: TaskKind, n_labels: int = 3) -> Path:
    """A tiny model whose attention's weights are scaled."""
    tiny = tiny_model(kind=kind, n_labels=2 if kind is TaskKind.BINARY else n_labels)
    weights = dict(tiny.network.state_dict())
    for name in weights:
        if name.startswith("attention"):
            weights[name] = weights[name] * scale
    save_checkpoint(path, checkpoint_of(tiny, weights=weights))
    return path


@pytest.fixture(scope="session")
@once
def audited(tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """Audit a model of some scale; every call writes a report and its records in a new folder."""
    torch.set_num_threads(1)

    def run(
        scale: float = 1.0,
        suffix: str = ".parquet",
        kind: TaskKind = TaskKind.BINARY,
        **said: object,
    ) -> Path:
        folder = tmp_path_factory.mktemp("audit")
        texts = said.pop("data", None) or write_texts(folder / "texts.jsonl", kind=kind)
        path = folder / "report.json"
        records = {} if suffix == "" else {"records": str(folder / f"records{suffix}")}
        settings = validate(
            {
                "model": str(write_model(folder / "model.pt", scale, kind)),
                "data": str(texts),
                "permutations": 20,
                "iterations": 5,
                "output": str(path),
                **records,
                **said,
            },
            {},
            None,
        )
        report = run_audit(settings, watcher=Watcher())
        path.write_text(report.to_json(), encoding="utf-8")
        return path

    return run


@pytest.fixture(scope="session")
@once
def base(audited: Audited) -> Path:
    """The report to hold against."""
    return audited()


@pytest.fixture(scope="session")
@once
def new(audited: Audited) -> Path:
    """The report of a model whose attention is more peaked."""
    return audited(6.0)


def write_content(path: Path, content: dict[str, Any]) -> None:
    """Store a report whose content was changed, with the hash of what it is now."""
    kept = {key: value for key, value in content.items() if key != HASH}
    path.write_text(to_stored(kept), encoding="utf-8")


def rewritten(report: Path, folder: Path, **parts: dict[str, object]) -> Path:
    """The same report with some fields changed, beside the same records."""
    content = json.loads(report.read_text(encoding="utf-8"))
    for part, fields in parts.items():
        content[part] = {**content[part], **fields}
    if content["records"] is not None:
        content["records"]["path"] = str(report.parent / content["records"]["path"])
    path = folder / "rewritten.json"
    write_content(path, content)
    return path
