"""What cannot be compared is refused, with everything that differs by name."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from attn_audit.errors import AttnAuditError, ComparisonRefusedError, RecordsError
from attn_audit.judgement.comparability import require_comparable, require_unique_ids
from attn_audit.results.report import Report
from tests.judged import compare
from tests.releases import Audited, rewritten, write_content, write_texts


def refused(base: Path, new: Path, **said: Any) -> str:
    with pytest.raises(ComparisonRefusedError) as caught:
        compare(base, new, **said)
    assert caught.value.exit_code == 2
    assert caught.value.hint is not None
    return caught.value.message


@pytest.fixture(scope="module")
def reports(base: Path, new: Path) -> tuple[Report, Report]:
    return Report.load(base), Report.load(new)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"model": {"task": "multiclass"}},
            "different tasks: task (base: binary; new: multiclass)",
        ),
        ({"model": {"takes_pairs": True}}, "different tasks: takes pairs"),
        ({"tool": {"definitions": 3}}, "defined differently: definitions (base: 2; new: 3)"),
        ({"settings": {"epsilon": 0.05}}, "different settings: epsilon (base: 0.01; new: 0.05)"),
        (
            {"settings": {"permutations": 50, "unit": "word"}},
            "unit (base: token; new: word); permut",
        ),
        ({"settings": {"layer": 3}}, "different settings: layer (base: last; new: 3)"),
        ({"settings": {"head": 2}}, "different settings: head (base: not set; new: 2)"),
        ({"data": {"sha256": "ab" * 32}}, "different data: data sha256"),
        ({"data": {"limit": 10}}, "different data: limit (base: not set; new: 10)"),
        ({"data": {"n_examples": 29}}, "different data: examples (base: 30; new: 29)"),
        ({"settings": {"seed": 1}}, "different data: seed (base: 0; new: 1)"),
        ({"settings": {"label_map": {"a": "b"}}}, "different data: label map"),
        (
            {"model": {"labels": ["a", "b"]}},
            "different data: labels (base: label0, label1; new: a, b)",
        ),
    ],
)
def test_says_by_name_what_differs(
    reports: tuple[Report, Report], parts: dict[str, dict[str, Any]], message: str
) -> None:
    base, new = reports
    changed = {name: getattr(new, name).model_copy(update=of) for name, of in parts.items()}
    with pytest.raises(ComparisonRefusedError) as caught:
        require_comparable(base, new.model_copy(update=changed), allow_different_data=False)
    assert message in caught.value.message


@pytest.mark.parametrize(
    "part", [{"model": {"task": "multiclass"}}, {"settings": {"unit": "word"}}]
)
def test_other_data_is_all_that_can_be_allowed(
    base: Path, new: Path, tmp_path: Path, part: dict[str, Any]
) -> None:
    assert refused(base, rewritten(new, tmp_path, **part), allow_different_data=True)


def test_settings_of_a_check_that_one_lacks_are_no_reason(audited: Audited, base: Path) -> None:
    only = audited(1.0, checks=("correlation",), epsilon=0.05)
    comparison = compare(base, only)
    assert (
        "checks (base: correlation, attended, permutation, adversarial; new: correlation)"
        in comparison.notes
    )
    assert {change.metric.split(".")[0] for change in comparison.changes} == {
        "performance",
        "correlation",
    }


def test_settings_that_change_no_number_are_no_reason(
    base: Path, new: Path, tmp_path: Path
) -> None:
    other = rewritten(new, tmp_path, settings={"no_texts": True, "on_bad_row": "skip"})
    assert compare(base, other).n_pairs == 30


def test_other_data_is_compared_by_its_summaries_where_that_is_allowed(
    audited: Audited, base: Path, tmp_path: Path
) -> None:
    other = audited(1.0, data=write_texts(tmp_path / "others.jsonl", 20, first=100))
    assert "examples (base: 30; new: 20)" in refused(base, other)
    comparison = compare(base, other, allow_different_data=True)
    assert comparison.n_pairs is None
    assert not any(change.is_paired for change in comparison.changes)
    assert any("examples" in note for note in comparison.notes)


def test_a_deeper_model_is_compared_at_its_own_last_layer(
    base: Path, new: Path, tmp_path: Path
) -> None:
    deeper = rewritten(new, tmp_path, settings={"layer": 7}, model={"default_layer": 7})
    assert compare(base, deeper).n_pairs == 30


def test_examples_that_one_report_lacks(audited: Audited, base: Path, tmp_path: Path) -> None:
    other = audited(1.0, data=write_texts(tmp_path / "others.jsonl", 30, first=1))
    content = json.loads(other.read_text())
    content["data"]["sha256"] = json.loads(base.read_text())["data"]["sha256"]
    write_content(other, content)
    assert "2 examples stand in one of them only (id 'e0')" in refused(base, other)


def test_an_id_that_stands_twice(tmp_path: Path) -> None:
    require_unique_ids(["a", "b"], tmp_path)
    with pytest.raises(ComparisonRefusedError, match="two examples with the id 'a'"):
        require_unique_ids(["a", "b", "a"], tmp_path)


def test_without_records_and_hashes_nothing_says_that_the_data_is_the_same(
    audited: Audited, base: Path, tmp_path: Path
) -> None:
    unknown = rewritten(audited(1.0, ""), tmp_path, data={"sha256": None})
    assert "nothing says that the reports are of the same data" in refused(base, unknown)


def test_records_that_are_gone(audited: Audited, base: Path) -> None:
    other = audited(2.0)
    (other.parent / "records.parquet").unlink()
    with pytest.raises(
        RecordsError, match=r"are not where they belong: at .*records\.parquet"
    ) as caught:
        compare(base, other)
    assert "Copy records.parquet there" in str(caught.value.hint)
    assert "--allow-different-data" in str(caught.value.hint)


def test_records_whose_columns_hold_something_else(
    audited: Audited, base: Path, tmp_path: Path
) -> None:
    other = audited(1.0)
    file = other.parent / "records.parquet"
    table = pq.read_table(file)
    lists = pa.array([[name] for name in table["id"].to_pylist()])
    pq.write_table(table.set_column(table.column_names.index("id"), "id", lists), file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    path = rewritten(other, tmp_path, records={"sha256": sha256})
    with pytest.raises(RecordsError, match=r"the column 'id' holds list<.*>, not string"):
        compare(base, path)


def test_records_that_were_changed_since(audited: Audited, base: Path) -> None:
    other = audited(2.0)
    with (other.parent / "records.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(RecordsError, match=r"is not the file that .* was written with"):
        compare(base, other)


def test_a_report_that_is_none(base: Path, tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("{")
    with pytest.raises(AttnAuditError, match="cannot use the report"):
        compare(base, tmp_path / "no.json")
