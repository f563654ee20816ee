"""An audit on the disk, to be verified."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from attn_audit.progress import Watcher
from attn_audit.results.answers import Claim, Verification
from attn_audit.verification.verify import StoredAudit, verify_report
from tests.tiny import tiny_model
from tests.verification.forging import save_audit, save_model, save_texts


@dataclass(frozen=True)
class Audited:
    """Where everything lies."""

    model: Path
    data: Path
    report: Path

    def verify(self, **said: Any) -> Verification:
        """Check the report again."""
        given = {"model": str(self.model), "data": str(self.data), **said}
        return verify_report(StoredAudit.load(self.report), given, watcher=Watcher())


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an audit of a tiny BiLSTM on twelve texts."""
    return audit_into(tmp_path_factory.mktemp("untouched")).report.parent


@pytest.fixture
def audited(untouched: Path, tmp_path: Path) -> Audited:
    """A copy of it."""
    shutil.copytree(untouched, tmp_path, dirs_exist_ok=True)
    return Audited(*(tmp_path / name for name in ("model.pt", "data.jsonl", "report.json")))


def audit_into(folder: Path, model: Any = None, **settings: Any) -> Audited:
    """Audit a tiny model, and keep everything in a folder."""
    saved = save_model(model or tiny_model(), folder / "model.pt")
    data = save_texts(folder / "data.jsonl", is_pair=settings.pop("is_pair", False))
    settings = {"permutations": 20, "iterations": 10, "restarts": 2, **settings}
    return Audited(saved, data, save_audit(saved, data, folder / "report.json", **settings))


@pytest.fixture
def everything_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute all examples again, not a tenth."""
    monkeypatch.setattr("attn_audit.verification.verify.SHARE", 1.0)


def failed(found: Verification) -> dict[str, Claim]:
    """The claims that do not hold, by name."""
    return {claim.name: claim for claim in found.claims if not claim.holds}


Change = Callable[[dict[str, Any]], None]
