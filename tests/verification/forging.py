"""Reports that were tampered with so well that only the model can tell."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attn_audit
from attn_audit.files import sha256_of
from attn_audit.models.paper.checkpoint import save_checkpoint
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.results.report import Report
from attn_audit.verification.recomputation import summed_up
from attn_audit.verification.verify import StoredAudit
from tests.tiny import checkpoint_of, tiny_examples

Rows = list[dict[str, Any]]


def save_model(model: PaperModel, path: Path) -> Path:
    """A tiny model as a file."""
    save_checkpoint(path, checkpoint_of(model))
    return path


def save_texts(path: Path, n_examples: int = 12, **options: Any) -> Path:
    """Texts for it."""
    rows = [
        {"id": one.id, "text": one.text} | ({"text_pair": one.text_pair} if one.text_pair else {})
        for one in tiny_examples(n_examples, **options)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def save_audit(model: Path, data: Path, report: Path, **settings: Any) -> Path:
    """The report of an audit, its records beside it."""
    records = settings.pop("records", report.with_suffix(".jsonl"))
    found = attn_audit.audit(model, data, records=records, reproducible=True, **settings)
    name = Path(records).name
    assert found.records_file is not None
    sites = found.records_file.sites
    if sites is not None:
        sites = sites.model_copy(update={"path": Path(sites.path).name})
    file = found.records_file.model_copy(update={"path": name, "sites": sites})
    report.write_text(found.model_copy(update={"records_file": file}).to_json())
    return report


def forge(report: Path, change: Callable[[Rows], None]) -> None:
    """Change records in JSON Lines, sum them up anew, and put the new hash into the report."""
    stored = Report.load(report)
    assert stored.records_file is not None
    path = report.parent / stored.records_file.path
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    rehash(report)
    audit = StoredAudit.load(report)
    report.write_text(summed_up(audit.report, audit.records(), audit.site_records()).to_json())


def rehash(report: Path) -> None:
    """Put the hash of the records as they are now into the report."""
    stored = Report.load(report)
    assert stored.records_file is not None
    sha256 = sha256_of(report.parent / stored.records_file.path)
    records = stored.records_file.model_copy(update={"sha256": sha256})
    report.write_text(stored.model_copy(update={"records_file": records}).to_json())
