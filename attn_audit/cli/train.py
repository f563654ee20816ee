"""`train`: one of the paper's models from labelled texts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.text import Text

from attn_audit.cli.command import command, error_console
from attn_audit.cli.options import OPTIONS, SHORT
from attn_audit.cli.progress import watching
from attn_audit.errors import OutputError
from attn_audit.files import require_writable
from attn_audit.quoting import printable

if TYPE_CHECKING:
    from attn_audit.data.source import DataSource
    from attn_audit.engine.paper import Observer, OnBatch, OnEpoch
    from attn_audit.models.paper.training.loop import EpochResult

_DATA, _MODEL, _TRAINING = "What is learnt", "What learns it", "How it learns"
_HOW, _OUTPUT = "How it is run", "What comes out"
"""Panels of the shared options too."""


def _row(kind: Any, panel: str, help: str, metavar: str | None = None, *names: str) -> Any:
    told = typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar)
    return Annotated[kind, told]


def _shared(*names: str) -> dict[str, Any]:
    return {name: OPTIONS[name] for name in names}


TRAIN: dict[str, Any] = {
    "data": Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder of splits, a .jsonl, .jsonl.gz, .csv, .tsv or .parquet file, `-`, or "
            "the name of a HuggingFace data set.",
        ),
    ],
    "task": _row(
        Literal["binary", "multiclass", "multilabel", "candidates"] | None,
        *(_DATA, "Kind of labels. (default: as the data looks)"),
    ),
    "train_split": _row(str, _DATA, "Split to train on.", "NAME"),
    "dev_split": _row(
        str | None,
        *(_DATA, "Split that decides when to stop. (default: dev, or a tenth held out)", "NAME"),
    ),
    "encoder": _row(Literal["bilstm", "cnn", "average"], _MODEL, "How tokens become states."),
    "attention": _row(Literal["additive", "dot"], _MODEL, "How states are scored."),
    "tokenizer": _row(
        Literal["words", "whitespace"],
        *(_MODEL, "Lower-cased words and punctuation, or what white space separates."),
    ),
    "min_count": _row(int, _MODEL, "Words that occur less often are unknown.", "N"),
    "max_vocabulary": _row(
        int | None, _MODEL, "Know only the N most frequent words. (default: all)", "N"
    ),
    "embeddings": _row(
        Path | None,
        _MODEL,
        "Pretrained vectors in the text format of GloVe or word2vec, perhaps gzipped.",
        "FILE",
    ),
    "embedding_size": _row(
        int | None, _MODEL, "Numbers of a word's vector. (default: 100, or as --embeddings)", "N"
    ),
    "hidden_size": _row(
        int,
        _MODEL,
        "Of one LSTM direction, of all convolutions together, or of the average's projection.",
        "N",
    ),
    "epochs": _row(int, _TRAINING, "At most so many.", "N"),
    "patience": _row(
        int, _TRAINING, "Stop after N epochs with neither dev score nor loss better.", "N"
    ),
    "batch_size": _row(int, _TRAINING, "Examples in a batch.", "N"),
    "learning_rate": _row(float, _TRAINING, "Of Adam.", "X"),
    "weight_decay": _row(float, _TRAINING, "Of everything but the attention.", "X"),
    **_shared("quoting", "label_map", "text_field", "text_pair_field", "label_field"),
    **_shared("labels_field", "candidates_field", "id_field"),
    "seed": _row(int, _HOW, "Of the first weights and the order of texts.", "N"),
    **_shared("device"),
    "threads": _row(int, _HOW, "CPU threads: more are hardly faster, and give other weights.", "N"),
    "output": _row(
        Path, _OUTPUT, "Where the model goes: model.pt.", "FILE", "--output", SHORT["output"]
    ),
    "precision": _row(Literal["float32", "float16"], _OUTPUT, "How the file keeps the weights."),
    **_shared("quiet", "debug"),
}
DEFAULTS: dict[str, Any] = {
    **{"data": ..., "output": ..., "train_split": "train", "precision": "float32"},
    **{"encoder": "bilstm", "attention": "additive", "tokenizer": "words", "min_count": 2},
    **{"hidden_size": 128, "epochs": 40, "patience": 3, "batch_size": 32, "seed": 0},
    **{"learning_rate": 1e-3, "weight_decay": 1e-5, "threads": 1},
}


@command("train", *TRAIN, defaults=DEFAULTS, **TRAIN)
def train(**values: Any) -> None:
    """Train one of the paper's models on labelled texts, to be audited afterwards."""
    from attn_audit.data.location import suffix_of

    output, vectors, quiet = values["output"], values["embeddings"], values["quiet"]
    if suffix_of(output) is not None:
        raise OutputError(output, "that is the name of a data set", hint="Call it model.pt.")
    require_writable(output, [Path(values["data"]), *filter(None, [vectors])])
    from attn_audit.engine.paper import Course, training_settings
    from attn_audit.models.paper.training.loop import Precision

    settings, source = training_settings(values), training_source(values)
    device, dev_split = values["device"] or "auto", values["dev_split"]
    course = Course(source, dev_split, device, values["threads"])
    model, notes = course.train(settings, observer(quiet=quiet))
    model.save(output, Precision(values["precision"]), notes)
    say_line(f"model written to {output}", quiet=quiet)


def training_source(given: Mapping[str, Any]) -> "DataSource":
    """The data that the options name, and how it is read.

    Raises:
        ConfigurationError: The label map is malformed.
    """
    from attn_audit.config import parse_label_map
    from attn_audit.data.source import ROLES, DataSource, FieldNames

    names = {role: given[f"{role}_field"] for role in ROLES}
    return DataSource(
        given["data"],
        given["train_split"],
        FieldNames(**{role: name for role, name in names.items() if name is not None}),
        {} if given["label_map"] is None else parse_label_map(",".join(given["label_map"])),
        quoting=given["quoting"] or "auto",
    )


def observer(*, quiet: bool) -> "Observer":
    """Who shows on standard error how training and audits go."""
    from attn_audit.engine.paper import Observer

    return Observer(
        partial(say_line, quiet=quiet),
        partial(training_progress, quiet=quiet),
        partial(watching, quiet=quiet),
    )


def say_line(text: str, *, quiet: bool) -> None:
    """Tell on standard error how it goes."""
    if not quiet:
        error_console().print(Text(printable(text)))


@contextmanager
def training_progress(*, quiet: bool) -> Iterator["tuple[OnEpoch, OnBatch]"]:
    """A bar for each epoch where standard error is a terminal, else a line for each."""
    console, last = error_console(), monotonic()
    if quiet or not console.is_terminal:

        def on_epoch(epoch: "EpochResult") -> None:
            nonlocal last
            seconds, last = monotonic() - last, monotonic()
            say_line(f"epoch {epoch.epoch}: {epoch}, {seconds:.1f} s", quiet=quiet)

        yield on_epoch, lambda share: None
        return
    from rich.progress import BarColumn, Progress, TimeElapsedColumn

    columns = ("{task.description}", BarColumn(), "{task.fields[scores]}", TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("epoch 1", total=1.0, scores="")

        def on_bar(epoch: "EpochResult") -> None:
            bar.update(task, description=f"epoch {epoch.epoch + 1}", scores=str(epoch))

        yield on_bar, lambda share: bar.update(task, completed=share)
