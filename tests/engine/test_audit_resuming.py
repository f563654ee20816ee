"""An audit that was cut short goes on where it stood, and finds what it would have found."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

import attn_audit
from attn_audit.engine.report import report_of_run
from attn_audit.errors import ConfigurationError, RunDirectoryError
from attn_audit.progress import Progress
from attn_audit.results.report import Report
from tests.tiny import tiny_examples, tiny_model

EXAMPLES = tiny_examples(11, lengths=(1, 12))
SETTINGS: dict[str, Any] = {"permutations": 7, "shard_size": 3, "reproducible": True}


class Interrupted(BaseException):
    """As by a signal."""


def audit(folder: object, *, after: int | None = None, **settings: Any) -> Report:
    """Audit into a run directory; with `after`, interrupted after so many batches."""
    finished: set[int] = set()

    def on_progress(progress: Progress) -> None:
        finished.add(progress.n_finished)
        if len(finished - {0}) == after:
            raise Interrupted

    return attn_audit.audit(
        tiny_model(),
        EXAMPLES,
        on_progress=on_progress,
        run_dir=str(folder),
        **{**SETTINGS, **settings},
    )


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """An audit that came to its end: report, and run directory beside records."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return audit(folder / "run", records=str(folder / "records.jsonl")), folder / "run"


@pytest.fixture
def run(whole: tuple[Report, Path], tmp_path: Path) -> Path:
    """A copy of its run directory."""
    return shutil.copytree(whole[1], tmp_path / "run")


@pytest.mark.parametrize("after", [1, 4])
def test_records_and_report_equal_those_of_an_undisturbed_run(
    whole: tuple[Report, Path], tmp_path: Path, after: int
) -> None:
    undisturbed, run = whole
    with pytest.raises(Interrupted) as interrupted:
        audit(tmp_path / "cut", after=after)
    assert "go on with --resume" in interrupted.value.__notes__[0]
    records = str(tmp_path / "cut.jsonl")
    resumed = audit(tmp_path / "cut", resume=True, records=records, shard_size=None)
    assert resumed.model_copy(update={"records_file": None}) == undisturbed.model_copy(
        update={"records_file": None}
    )
    written = run.with_name("records.jsonl")
    assert (tmp_path / "cut.jsonl").read_bytes() == written.read_bytes()
    assert contents(tmp_path / "cut") == contents(run)


def test_finished_shards_are_not_audited_again(run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")}
    told: list[Progress] = []
    attn_audit.audit(
        tiny_model(),
        EXAMPLES,
        on_progress=told.append,
        run_dir=str(run),
        resume=True,
        **SETTINGS,
    )
    before_any = {"loading the model", "self-check", "leverage by layer", "reading data"}
    assert {progress.doing for progress in told} <= before_any | {"summing up"}
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")}


def test_resuming_where_nothing_was_started_starts(tmp_path: Path) -> None:
    assert audit(tmp_path / "new", resume=True).data.n_examples == len(EXAMPLES)


def test_a_report_is_made_from_the_records_alone(tmp_path: Path) -> None:
    whole = audit(tmp_path / "run", layer="all", head="all", iterations=5, restarts=1)
    assert report_of_run(str(tmp_path / "run"), None, None) == whole


def test_what_is_finished_so_far_can_be_reported(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        audit(tmp_path / "run", after=3)
    report = report_of_run(str(tmp_path / "run"), None, None)
    assert report.data.n_examples == 6
    assert not report.data.is_complete


def test_a_run_directory_may_be_in_a_bucket(whole: tuple[Report, Path], tmp_path: Path) -> None:
    url = f"memory:/{tmp_path}/run"
    with pytest.raises(Interrupted):
        audit(url, after=3)
    resumed = audit(url, resume=True)
    expected = whole[0].model_copy(update={"records_file": None})
    assert resumed == expected
    UPath(url).fs.rm(UPath(url).path, recursive=True)


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        ({"seed": 1}, "settings.seed was 0 and is 1"),
        ({"permutations": 8}, "settings.permutations was 7 and is 8"),
        ({"shard_size": 5}, "plan.shard_size was 3 and is 5"),
        ({"on_error": "record"}, 'on_error was "stop" and is "record"'),
    ],
)
def test_another_audit_is_refused_and_what_differs_is_named(
    run: Path, settings: dict[str, Any], difference: str
) -> None:
    with pytest.raises(RunDirectoryError, match="it holds another audit") as refused:
        audit(run, resume=True, **settings)
    assert difference in refused.value.message
    assert not hasattr(refused.value, "__notes__")


def test_other_data_is_refused_although_nothing_identifies_it(run: Path) -> None:
    others = [*EXAMPLES[1:], EXAMPLES[0]]
    with pytest.raises(RunDirectoryError, match="shard 0 is of other examples"):
        attn_audit.audit(tiny_model(), others, run_dir=str(run), resume=True, **SETTINGS)


def _started(folder: Path) -> None:
    """As it is."""


def _foreign(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "notes.txt").touch()


def _damaged(folder: Path) -> None:
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text()[:100])


@pytest.mark.parametrize(
    ("prepare", "resume", "problem"),
    [
        (_started, False, "an audit was started in it"),
        (_foreign, False, "it is not empty, and no audit was started in it"),
        (_foreign, True, "it is not empty, and no audit was started in it"),
        (_damaged, True, r"manifest.json cannot be read"),
    ],
)
def test_directories_that_cannot_be_used(
    run: Path, prepare: Any, resume: bool, problem: str
) -> None:
    prepare(run)
    with pytest.raises(RunDirectoryError, match=problem) as refused:
        audit(run, resume=resume)
    assert refused.value.hint is not None


def test_a_manifest_tells_what_the_records_are_of(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["subject"]["settings"]["permutations"] == 7
    assert manifest["plan"]["shard_size"] == 3


@pytest.mark.parametrize("setting", [{"resume": True}, {"shard_size": 3}])
def test_settings_of_run_directories_need_one(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="no run directory is named"):
        attn_audit.audit(tiny_model(), EXAMPLES, **setting)


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_half_written_files_go_and_those_of_others_stay(run: Path, tmp_path: Path) -> None:
    part = run / "records" / ".000000-half.parquet.17.part"
    part.write_bytes(b"PAR1")
    audit(run, resume=True)
    assert not part.exists()
    (tmp_path / "mine" / "records").mkdir(parents=True)
    others = tmp_path / "mine" / "records" / part.name
    others.touch()
    with pytest.raises(RunDirectoryError, match="it is not empty"):
        audit(tmp_path / "mine", resume=True)
    assert others.exists()
