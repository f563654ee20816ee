"""The paper's models trained on one data set, audited and tabled; what is finished is kept."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from attn_audit import __version__
from attn_audit.data.reading import find_data
from attn_audit.data.source import DataSource, FieldNames
from attn_audit.engine.audit import run_audit
from attn_audit.errors import ConfigurationError, OutputError
from attn_audit.files import LOCK, held_alone, problem_of, sha256_of, write_whole
from attn_audit.formats.documents.paper import PAGE, TABLES, page
from attn_audit.formats.documents.report import figures
from attn_audit.formats.result_files import write_reports, write_result
from attn_audit.judgement.tabulation import table_of
from attn_audit.models.loading import resolve_device
from attn_audit.models.paper.network import AttentionKind, EncoderKind
from attn_audit.models.paper.training.data import dev_source, read_splits
from attn_audit.models.paper.training.loop import (
    EpochResult,
    Precision,
    TrainedModel,
    TrainingSettings,
    train,
)
from attn_audit.numbers import counted
from attn_audit.progress import Watcher
from attn_audit.quoting import in_our_words, listed
from attn_audit.results.answers import ReportTable
from attn_audit.results.report import Report
from attn_audit.settings import AuditSettings

STARTED, FINISHED = "paper.json", "finished.json"
"""What a folder is of; what is finished of a model."""

OF_TRAINING = ("seed", "task", "batch_size", "threads")
"""Called as settings of an audit are, and none of them."""

_WRITTEN: dict[str, Any] = {
    "output": (), "figures": None, "run_dir": None, "resume": False, "policy": None,
}  # fmt: skip
"""Whatever a configuration says: the folder is what is written."""

OnEpoch = Callable[[EpochResult], None]
OnBatch = Callable[[float], None]


@dataclass(frozen=True)
class Observer:
    """Whom training and audits tell how they go."""

    say: Callable[[str], None]
    training: Callable[[], AbstractContextManager[tuple[OnEpoch, OnBatch]]]
    """Around the training of a model: told each epoch, and of an epoch how much is done."""
    auditing: Callable[[], AbstractContextManager[Watcher]]


@dataclass(frozen=True)
class Course:
    """What models are trained on and where, beside the settings of each."""

    source: DataSource
    dev_split: str | None = None
    device: str = "auto"
    threads: int = 1

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ConfigurationError(f"--threads must be at least 1, not {self.threads}")

    def train(
        self, settings: TrainingSettings, observer: Observer
    ) -> tuple[TrainedModel, dict[str, str | int]]:
        """The model, and what its file should tell of where it was made."""
        torch.set_num_threads(self.threads)
        device = resolve_device(self.device)
        splits = read_splits(self.source, self.dev_split, settings.seed)
        held_out = ", held out because there is no dev split" if splits.is_held_out else ""
        train_on = counted(len(splits.train), "example")
        observer.say(f"training on {train_on}, early stopping on {len(splits.dev):,}{held_out}")
        with observer.training() as (on_epoch, on_batch):
            model = train(settings, splits.train, splits.dev, device, on_epoch, on_batch)
        words = f"{model.n_words:,} words"
        if model.n_pretrained is not None:
            words += f", {model.n_pretrained:,} of them with pretrained vectors"
        observer.say(f"{model.task.name} task ({listed(model.task.labels)}), {words}")
        best, n_epochs = model.best, len(model.epochs)
        score = f"{best.score_name} {best.dev_score:.4f}, epoch {best.epoch} of {n_epochs}"
        observer.say(f"best dev {score}")
        return model, {
            "data": Path(self.source.location).name or self.source.location,
            "train_split": self.source.split,
            "n_train": len(splits.train),
            "n_dev": len(splits.dev),
            "dev_is_held_out": splits.is_held_out,
            "device": device.type,
            "threads": self.threads,
        }


def training_settings(given: Mapping[str, Any]) -> TrainingSettings:
    """What options say of how a model is trained; other options are left alone.

    Raises:
        ConfigurationError: A value is of the wrong type or out of its range, or two do not fit
            together.
    """
    names = (each.name for each in fields(TrainingSettings))
    try:
        return TrainingSettings(**{name: given[name] for name in names if name in given})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).replace("_", "-")
        problem = f"--{name}: {in_our_words(first['msg'])} (got {first['input']!r})"
        raise ConfigurationError(problem) from None


@dataclass(frozen=True)
class ReproducedModel:
    """One of the models, and the folder that it and its report go to."""

    settings: TrainingSettings
    folder: Path

    @property
    def name(self) -> str:
        """In messages."""
        return self.folder.name.replace("_", ", ", 1).replace("_", " ")

    @property
    def files(self) -> dict[str, Path]:
        """The checkpoint, and its audit."""
        return {"model": self.folder / "model.pt", "report": self.folder / "report.json"}


@dataclass(frozen=True)
class Reproduction:
    """The paper's models on one data set."""

    folder: Path
    models: tuple[ReproducedModel, ...]
    course: Course
    audit: AuditSettings
    """Of every model; which that is, and where it is written, does not stand here."""
    observer: Observer

    @staticmethod
    def of(
        folder: Path, given: Mapping[str, Any], audit: AuditSettings, observer: Observer
    ) -> "Reproduction":
        """What options ask for.

        Args:
            given: Those of training, by name; of `encoder`, `attention` and `seed` one or several.
            audit: Says how the data is read too.

        Raises:
            ConfigurationError: A value is of the wrong type or out of its range, or two do not fit
                together.
        """
        every = {"encoder": EncoderKind, "attention": AttentionKind, "seed": (0,)}
        chosen = [_several(given.get(name)) or [*of_all] for name, of_all in every.items()]
        models = []
        for encoder, attention, seed in product(*chosen):
            # The seed is part of the name unless it is the first that there is by default.
            name = f"{encoder}_{attention}" + ("" if chosen[2] == [0] else f"_seed{seed}")
            own = {**given, "encoder": encoder, "attention": attention, "seed": seed}
            models.append(ReproducedModel(training_settings(own), folder / name))
        names: dict[str, Any] = audit.fields
        source = DataSource(
            audit.data[0],
            given.get("train_split", "train"),
            FieldNames(**names),
            audit.label_map,
            quoting=audit.quoting,
        )
        named = {name: given[name] for name in ("dev_split", "threads") if name in given}
        course = Course(source, device=audit.device, **named)
        return Reproduction(folder, tuple(models), course, audit, observer)

    def run(self) -> tuple[ReportTable, Mapping[Path, Report]]:
        """Train and audit what is not there yet, and write the table and the page.

        Returns:
            The table, and the reports by their files.

        Raises:
            DataError: There is no such data.
            ConfigurationError: What would be audited is what is trained on.
            OutputError: The folder holds something else, is in use, or cannot be written.
        """
        reports, n_threads = {}, torch.get_num_threads()
        try:
            with _held(self.folder, self.course.source, self.prints):
                for i, model in enumerate(self.models, start=1):
                    step = f"[{i} of {len(self.models)}] {model.name}"
                    self._train(model, step)
                    reports[model.files["report"]] = self._report(model, step)
                return self._table(reports), reports
        finally:
            torch.set_num_threads(n_threads)

    @cached_property
    def prints(self) -> dict[str, str | None]:
        """What identifies the data of each split."""
        source, dev_split = self.course.source, self.course.dev_split
        test = replace(source, split=self.audit.split)
        found = {"train": source, "dev": dev_source(source, dev_split), "test": test}
        prints = {
            name: find_data(each).fingerprint() for name, each in found.items() if each is not None
        }
        if prints["test"] is not None and prints["test"] == prints["train"]:
            raise ConfigurationError(
                f"{source.location}: the data to audit is the training data itself",
                hint="Give a folder with a train and a test split.",
            )
        return prints

    def _train(self, model: ReproducedModel, step: str) -> None:
        """See to it that the model is there, trained as it is asked for."""
        source, vectors = self.course.source, model.settings.embeddings
        asked = {
            **model.settings.plain(),
            "embeddings": None if vectors is None else sha256_of(vectors),
            "data": {name: self.prints.get(name) for name in ("train", "dev")},
            "read_as": [asdict(source.fields), dict(source.label_map), source.quoting],
            "device": resolve_device(self.course.device).type,
            "threads": self.course.threads,
            "version": __version__,
        }
        if self._is_finished(model, "model", asked, step):
            return
        self.observer.say(f"{step}: training")
        model.folder.mkdir(exist_ok=True)
        found, notes = self.course.train(model.settings, self.observer)
        found.save(model.files["model"], Precision.FLOAT32, notes)
        _finish(model, "model", asked)

    def _report(self, model: ReproducedModel, step: str) -> Report:
        """The report of the model, made where it is not there."""
        from attn_audit.formats.charts import write_figures  # Altair: only where there are any

        file, own = model.files["report"], {"model": str(model.files["model"])}
        records = str(model.folder / "records.parquet")
        settings = replace(self.audit, **{**_WRITTEN, **own, "records": records})
        of_both = {"model": sha256_of(model.files["model"]), "data": self.prints["test"]}
        asked = {**_plain(settings), **of_both}
        if self._is_finished(model, "report", asked, step):
            return Report.load(file)
        self.observer.say(f"{step}: auditing")
        with self.observer.auditing() as watcher:
            report = run_audit(settings, watcher=watcher)
        write_figures(figures(report), model.folder / "figures")
        write_reports(report, None, [file, file.with_suffix(".html")], origin=Path())
        _finish(model, "report", asked)
        return report

    def _is_finished(
        self, model: ReproducedModel, what: str, asked: Mapping[str, Any], step: str
    ) -> bool:
        """Whether model or report were made just so, and are as they were written."""
        before = _read(model.folder / FINISHED).get(what)
        if before is None or not model.files[what].is_file():
            return False
        is_same: bool = before == _print(model, what, asked)
        there = "is there" if is_same else "there is another, and is made again"
        self.observer.say(f"{step}: the {what} {there}")
        return is_same

    def _table(self, reports: Mapping[Path, Report]) -> ReportTable:
        """The table in every format, and the page that leads to everything."""
        from attn_audit.formats.html import render

        of_models = {path.relative_to(self.folder): report for path, report in reports.items()}
        table = table_of(of_models)
        write_result(table, [self.folder / name for name in TABLES])
        write_whole(self.folder / PAGE, render(page(table, of_models)).encode())
        return table


def _several(value: Any) -> list[Any]:
    """Each once, whether one is given or several, or none."""
    is_one = isinstance(value, str) or not isinstance(value, Iterable)
    return [] if value is None else [value] if is_one else [*dict.fromkeys(value)]


@contextmanager
def _held(folder: Path, source: DataSource, prints: Mapping[str, str | None]) -> Iterator[None]:
    """Hold the folder, which is new or of an earlier run on the same data."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(folder, problem_of(error)) from None
    with held_alone(folder, "--output", OutputError):
        started = _read(folder / STARTED)
        if not started and any(path.name != LOCK for path in folder.iterdir()):
            problem = "it is not empty, and no models of the paper were started in it"
            raise OutputError(folder, problem, hint="Name a new folder, or an empty one.")
        if not started:
            _write(folder / STARTED, {"data": source.location, "sha256": dict(prints)})
        elif started.get("sha256") != dict(prints):
            problem = f"it holds the models of other data ({started.get('data')})"
            raise OutputError(folder, problem, hint="Name a new folder.")
        try:
            yield
        except BaseException as error:
            error.add_note(f"what is finished is kept in {folder}: run the same again to go on")
            raise


def _plain(settings: AuditSettings) -> dict[str, Any]:
    """What decides the numbers of an audit, beside model and data, and which code makes them."""
    left_out = (*_WRITTEN, "records", "model", "data", "format", "inconclusive", "require")
    kept = {name: value for name, value in asdict(settings).items() if name not in left_out}
    return {**kept, "version": __version__}


def _finish(model: ReproducedModel, what: str, asked: Mapping[str, Any]) -> None:
    done = {**_read(model.folder / FINISHED), what: _print(model, what, asked)}
    _write(model.folder / FINISHED, done)


def _print(model: ReproducedModel, what: str, asked: Mapping[str, Any]) -> dict[str, str]:
    text = json.dumps(asked, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"settings": digest, "sha256": sha256_of(model.files[what])}


def _read(file: Path) -> dict[str, Any]:
    """What a file of ours says; nothing where it is not there, or damaged."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(file: Path, content: Mapping[str, Any]) -> None:
    write_whole(file, (json.dumps(content, indent=2) + "\n").encode())
