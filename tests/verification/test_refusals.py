"""What cannot be verified is refused, with what differs."""

import json
from pathlib import Path

import pytest
import torch

import attn_audit
from attn_audit.errors import ConfigurationError, RecordsError, ReportError, UsageError
from attn_audit.models.task import TaskKind
from attn_audit.results.report import Report
from tests.models.custom.toys import TEXTS, Pooling, attend_plainly, custom_of
from tests.tiny import tiny_model
from tests.verification.conftest import Audited, audit_into
from tests.verification.forging import rehash, save_model, save_texts


def test_refuses_another_model(audited: Audited, tmp_path: Path) -> None:
    other = save_model(tiny_model(seed=1), tmp_path / "other.pt")
    with pytest.raises(UsageError, match=r"other.pt is not the model of this report: its SHA-256"):
        audited.verify(model=str(other))


def test_refuses_other_data(audited: Audited, tmp_path: Path) -> None:
    other = save_texts(tmp_path / "other.jsonl", seed=1)
    with pytest.raises(UsageError, match=r"other.jsonl is not the data of this report"):
        audited.verify(data=str(other))


def test_refuses_a_report_without_records(audited: Audited) -> None:
    stored = Report.load(audited.report)
    audited.report.write_text(stored.model_copy(update={"records_file": None}).to_json())
    with pytest.raises(RecordsError, match="names no records"):
        audited.verify()


def test_refuses_records_that_are_not_there(audited: Audited) -> None:
    audited.report.with_suffix(".jsonl").unlink()
    with pytest.raises(RecordsError, match=r"are not where they belong: at .*report\.jsonl"):
        audited.verify()


def test_refuses_records_of_another_hash(audited: Audited) -> None:
    records = audited.report.with_suffix(".jsonl")
    records.write_text(records.read_text() + "\n")
    with pytest.raises(RecordsError, match=r"is not the file that .* was written with"):
        audited.verify()


def test_refuses_records_without_lists(tmp_path: Path) -> None:
    audited = audit_into(tmp_path, records=tmp_path / "records.csv")
    with pytest.raises(RecordsError, match="records in CSV hold no witnesses"):
        audited.verify()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "Expecting property name"),
        ("[1]\n", "line 1 does not hold the fields of a record"),
        ('{"id": "a"}\n', "line 1 does not hold the fields of a record: it has no column 'label'"),
    ],
)
def test_refuses_records_that_are_none(audited: Audited, content: str, problem: str) -> None:
    audited.report.with_suffix(".jsonl").write_text(content)
    rehash(audited.report)
    with pytest.raises(RecordsError, match=problem):
        audited.verify()


@pytest.mark.parametrize(
    ("old", "new"),
    [('"n_units": ', '"n_units": "x", "no": '), ('"attention": [', '"attention": ["x", ')],
)
def test_refuses_records_of_other_types(audited: Audited, old: str, new: str) -> None:
    records = audited.report.with_suffix(".jsonl")
    records.write_text(records.read_text().replace(old, new, 1))
    rehash(audited.report)
    with pytest.raises(RecordsError, match="cannot read the records"):
        audited.verify()


def test_refuses_records_that_no_audit_writes(tmp_path: Path) -> None:
    audited = audit_into(tmp_path, tiny_model(kind=TaskKind.MULTICLASS, n_labels=3), iterations=5)
    records = audited.report.with_suffix(".jsonl")
    rows = [json.loads(line) for line in records.read_text().splitlines()]
    for row in rows:
        row.update(label="label0", probability=[])
    records.write_text("".join(json.dumps(row) + "\n" for row in rows))
    rehash(audited.report)
    with pytest.raises(RecordsError, match="cannot be summed up"):
        audited.verify()


def test_refuses_no_records_at_all(audited: Audited) -> None:
    audited.report.with_suffix(".jsonl").write_text("")
    rehash(audited.report)
    with pytest.raises(RecordsError, match="holds no records"):
        audited.verify()


@pytest.mark.parametrize("dtype", ["nonsense", "nn", "int8", "__name__", ""])
def test_refuses_a_report_of_other_numbers_than_models_compute_with(
    audited: Audited, dtype: str
) -> None:
    stored = Report.load(audited.report)
    model = stored.model.model_copy(update={"dtype": dtype})
    audited.report.write_text(stored.model_copy(update={"model": model}).to_json())
    with pytest.raises(ReportError, match=r"model.dtype: string should match"):
        audited.verify()


def test_asks_for_code_again(audited: Audited) -> None:
    stored = Report.load(audited.report)
    for update, flag in (
        ({"adapter": "mine.py:load"}, "--adapter mine.py:load"),
        ({"trust_remote_code": True}, "no file may allow that"),
    ):
        settings = stored.settings.model_copy(update=update)
        audited.report.write_text(stored.model_copy(update={"settings": settings}).to_json())
        with pytest.raises(ConfigurationError, match=flag):
            audited.verify()


def test_says_where_there_is_no_hash(audited: Audited) -> None:
    stored = Report.load(audited.report)
    data = stored.data.model_copy(update={"sha256": None})
    audited.report.write_text(stored.model_copy(update={"data": data}).to_json())
    found = audited.verify()
    assert found.holds
    assert found.notes[0] == (
        "the report holds no hash of the data: only its numbers tell whether it is the same"
    )


def test_other_weights_in_memory_are_refused() -> None:
    model = custom_of(Pooling(attend_plainly))
    report = attn_audit.audit(model, TEXTS, checks="correlation")
    assert attn_audit.verify(report, model, TEXTS).holds
    with torch.no_grad():
        model.module.get_parameter("output.bias").add_(1e-3)
    with pytest.raises(UsageError, match="in memory is not the model of this report"):
        attn_audit.verify(report, model, TEXTS)
