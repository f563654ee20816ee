"""`paper`: every model of the paper trained on one data set, audited, and tabled."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attn_audit import __version__
from attn_audit.cli.command import command, said
from attn_audit.cli.options import OPTIONS, SHORT, option
from attn_audit.cli.progress import watching
from attn_audit.cli.train import (
    DEFAULTS,
    TRAIN,
    say_line,
    train_model,
    training_settings,
    training_source,
)
from attn_audit.data.source import DataSource
from attn_audit.errors import ConfigurationError, OutputError
from attn_audit.files import LOCK, held_alone, problem_of, sha256_of, write_whole
from attn_audit.process import no_collection
from attn_audit.settings import KEYS, AuditSettings, Panel

if TYPE_CHECKING:
    from attn_audit.models.paper.training.loop import TrainingSettings
    from attn_audit.results.report import Report

Encoder = StrEnum("Encoder", ("bilstm", "cnn", "average"))
Attention = StrEnum("Attention", ("additive", "dot"))
"""What may be chosen several times over, which Typer takes no literals for."""

_OWN: dict[str, Any] = {
    **{name: OPTIONS[name] for name in ("limit", "split")},
    "encoder": Annotated[
        list[Encoder] | None,
        typer.Option(
            metavar=f"<{'|'.join(Encoder)}>",
            help="One of the encoders alone; repeat it for two. (default: all three)",
            rich_help_panel="What learns it",
        ),
    ],
    "attention": Annotated[
        list[Attention] | None,
        typer.Option(
            metavar=f"<{'|'.join(Attention)}>",
            help="One kind of attention alone. (default: both)",
            rich_help_panel="What learns it",
        ),
    ],
    "seed": Annotated[
        list[int] | None,
        option(
            "--seed",
            panel=Panel.HOW,
            metavar="N",
            help="Of the first weights and the order of texts; repeat it, and tables give mean and "
            "standard deviation over seeds. (default: 0)",
        ),
    ],
    "output": Annotated[
        Path,
        option(
            "--output",
            SHORT["output"],
            panel=Panel.OUTPUT,
            metavar="FOLDER",
            help="Where models, reports, tables and the page go: a new folder, or one to go on in.",
        ),
    ],
}
_HERE = [name for name in TRAIN if name != "precision"]
_OPTIONS = {n: _OWN.get(n) or TRAIN[n] for n in (*_HERE[:4], "split", "limit", *_HERE[4:])}
_DEFAULTS = {name: default for name, default in DEFAULTS.items() if name not in _OWN} | {
    "output": ...
}

STARTED, FINISHED = "paper.json", "finished.json"
"""What a folder is of; what is finished of a model."""


@dataclass(frozen=True)
class Trained:
    """One of the models, and the folder that it and its report go to."""

    settings: "TrainingSettings"
    folder: Path

    @property
    def name(self) -> str:
        """In messages."""
        return self.folder.name.replace("_", ", ", 1).replace("_", " ")

    @property
    def files(self) -> dict[str, Path]:
        """The checkpoint, and its audit."""
        return {"model": self.folder / "model.pt", "report": self.folder / "report.json"}


@command("paper", *_OPTIONS, defaults=_DEFAULTS, **_OPTIONS)
def reproduce(**values: Any) -> None:
    """Train the paper's models on a data set, audit each, and write the paper's tables and figures.

    Three encoders with two kinds of attention each. What is finished stays in the folder: the same
    command goes on where it was interrupted. Settings of the audits are read from attn-audit.toml.
    """
    folder: Path = values["output"]
    models = list(_models(values, folder))
    source = training_source(values)
    prints = _fingerprints(source, values)
    with _held(folder, source, prints):
        reports = {}
        for i, model in enumerate(models, start=1):
            step = f"[{i} of {len(models)}] {model.name}"
            _trained(model, source, values, prints, step)
            reports[model.files["report"]] = _audited(model, values, prints, step)
        _tables(reports, folder, quiet=values["quiet"])


def _models(given: Mapping[str, Any], folder: Path) -> Iterator[Trained]:
    """One of each encoder, attention and seed."""
    encoders = dict.fromkeys(given["encoder"] or list(Encoder))
    attentions = dict.fromkeys(given["attention"] or list(Attention))
    seeds = dict.fromkeys(given["seed"] or [0])
    for encoder, attention, seed in product(encoders, attentions, seeds):
        # The seed is part of the name unless it is the first that there is by default.
        name = f"{encoder}_{attention}" + ("" if [*seeds] == [0] else f"_seed{seed}")
        chosen = {**given, "encoder": encoder, "attention": attention, "seed": seed}
        yield Trained(training_settings(chosen), folder / name)


def _fingerprints(source: DataSource, given: Mapping[str, Any]) -> dict[str, str | None]:
    """What identifies the data of each split.

    Raises:
        DataError: There is no such data.
        ConfigurationError: What would be audited is what is trained on.
    """
    from attn_audit.data.reading import find_data
    from attn_audit.models.paper.training.data import dev_source

    test = replace(source, split=given["split"] or "test")
    found = {"train": source, "dev": dev_source(source, given["dev_split"]), "test": test}
    prints = {
        name: find_data(each).fingerprint() for name, each in found.items() if each is not None
    }
    if prints["test"] is not None and prints["test"] == prints["train"]:
        raise ConfigurationError(
            f"{source.location}: the data to audit is the training data itself",
            hint="Give a folder with a train and a test split.",
        )
    return prints


@contextmanager
def _held(folder: Path, source: DataSource, prints: Mapping[str, str | None]) -> Iterator[None]:
    """Hold the folder, which is new or of an earlier run on the same data.

    Raises:
        OutputError: It holds something else, is in use, or cannot be written.
    """
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
            error.add_note(f"what is finished is kept in {folder}: the same command goes on")
            raise


def _trained(
    model: Trained, source: DataSource, given: Mapping[str, Any],
    prints: Mapping[str, str | None], step: str,
) -> None:  # fmt: skip
    """See to it that the model is there, trained as it is asked for."""
    from attn_audit.models.loading import resolve_device
    from attn_audit.models.paper.training.loop import Precision

    quiet, vectors = given["quiet"], model.settings.embeddings
    asked = {
        **model.settings.plain(),
        "embeddings": None if vectors is None else sha256_of(vectors),
        "data": {name: prints.get(name) for name in ("train", "dev")},
        "read_as": [asdict(source.fields), dict(source.label_map), source.quoting],
        "device": resolve_device(given["device"] or "auto").type,
        "threads": given["threads"],
        "version": __version__,
    }
    if _is_finished(model, "model", asked, step, quiet=quiet):
        return
    say_line(f"{step}: training", quiet=quiet)
    model.folder.mkdir(exist_ok=True)
    found, notes = train_model(model.settings, source, given, quiet=quiet)
    found.save(model.files["model"], Precision.FLOAT32, notes)
    _finish(model, "model", asked)


def _audited(
    model: Trained, given: Mapping[str, Any], prints: Mapping[str, str | None], step: str
) -> "Report":
    """The report of the model, made where it is not there."""
    from attn_audit.config import load_settings
    from attn_audit.formats.charts import write_figures
    from attn_audit.formats.documents.report import figures
    from attn_audit.formats.result_files import write_reports
    from attn_audit.results.report import Report

    with no_collection():
        from attn_audit.engine.audit import run_audit

    of_audit = {name: given[name] for name in given if name in KEYS and name not in _NOT_OF_AUDITS}
    words = said({**of_audit, "data": [given["data"]], "model": str(model.files["model"])})
    asked_for = load_settings(words, None, Path())
    records = str(model.folder / "records.parquet")
    settings = replace(asked_for, **{**_WRITTEN, "records": records})
    asked = {**_plain(settings), "model": sha256_of(model.files["model"]), "data": prints["test"]}
    quiet = given["quiet"]
    if _is_finished(model, "report", asked, step, quiet=quiet):
        return Report.load(model.files["report"])
    say_line(f"{step}: auditing", quiet=quiet)
    with watching(quiet=quiet) as watcher:
        report = run_audit(settings, watcher=watcher)
    write_figures(figures(report), model.folder / "figures")
    file = model.files["report"]
    page = file.with_suffix(".html")
    write_reports(report, None, [file, page], origin=Path())  # paths start from here yet
    _finish(model, "report", asked)
    return report


_NOT_OF_AUDITS = ("seed", "task", "batch_size", "threads", "output", "quiet", "debug")
"""They are of the training, or of this command."""

_WRITTEN: dict[str, Any] = {
    "output": (), "figures": None, "run_dir": None, "resume": False, "policy": None,
}  # fmt: skip
"""Whatever a configuration says: the folder is what is written."""


def _plain(settings: AuditSettings) -> dict[str, Any]:
    """What decides the numbers of an audit, beside model and data, and which code makes them."""
    left_out = (*_WRITTEN, "records", "model", "data", "format", "inconclusive", "require")
    kept = {name: value for name, value in asdict(settings).items() if name not in left_out}
    return {**kept, "version": __version__}


def _is_finished(
    model: Trained, what: str, asked: Mapping[str, Any], step: str, *, quiet: bool
) -> bool:
    """Whether model or report were made with just these settings, and are as they were written."""
    before = _read(model.folder / FINISHED).get(what)
    if before is None or not model.files[what].is_file():
        return False
    is_same: bool = before == _print(model, what, asked)
    there = "is there" if is_same else "there is another, and is made again"
    say_line(f"{step}: the {what} {there}", quiet=quiet)
    return is_same


def _finish(model: Trained, what: str, asked: Mapping[str, Any]) -> None:
    done = {**_read(model.folder / FINISHED), what: _print(model, what, asked)}
    _write(model.folder / FINISHED, done)


def _print(model: Trained, what: str, asked: Mapping[str, Any]) -> dict[str, str]:
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


def _tables(reports: "Mapping[Path, Report]", folder: Path, *, quiet: bool) -> None:
    """The table in every format, and the page that leads to everything."""
    from attn_audit.cli.results import say_written, show_output
    from attn_audit.formats.documents.paper import page
    from attn_audit.formats.html import render
    from attn_audit.formats.result_files import Output, write_result
    from attn_audit.judgement.tabulation import table_of

    of_models = {path.relative_to(folder): report for path, report in reports.items()}
    table = table_of(of_models)
    written = [folder / f"table{suffix}" for suffix in (".md", ".csv", ".tex", ".json")]
    write_result(Output.of(table), written)
    index = folder / "index.html"
    write_whole(index, render(page(table, of_models)).encode())
    show_output(Output.of(table), "terminal")
    if not quiet:
        say_written("table", written)
        say_written("page", [index])
