"""`train`: one of the paper's models from labelled texts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from rich.text import Text

from attn_audit.cli.command import command, error_console
from attn_audit.cli.options import OPTIONS, SHORT, argument, option
from attn_audit.cli.progress import watching
from attn_audit.errors import OutputError
from attn_audit.files import require_writable
from attn_audit.quoting import printable
from attn_audit.settings import Panel

if TYPE_CHECKING:
    from attn_audit.data.source import DataSource
    from attn_audit.engine.paper import Observer, OnBatch, OnEpoch
    from attn_audit.models.paper.training.loop import EpochResult

DATA, MODEL, TRAINING = "What is learnt", "What learns it", "How it learns"
"""Panels of its own."""


def _shared(*names: str) -> dict[str, Any]:
    return {name: OPTIONS[name] for name in names}


TRAIN: dict[str, Any] = {
    "data": argument(
        str,
        "DATA",
        "A folder of splits, a .jsonl, .jsonl.gz, .csv, .tsv or .parquet file, `-`, or the name of "
        "a HuggingFace data set.",
    ),
    "task": option(
        Literal["binary", "multiclass", "multilabel", "candidates"] | None,
        *(DATA, "Kind of labels. (default: as the data looks)"),
    ),
    "train_split": option(str, DATA, "Split to train on.", "NAME"),
    "dev_split": option(
        str | None,
        *(DATA, "Split that decides when to stop. (default: dev, or a tenth held out)", "NAME"),
    ),
    "encoder": option(Literal["bilstm", "cnn", "average"], MODEL, "How tokens become states."),
    "attention": option(Literal["additive", "dot"], MODEL, "How states are scored."),
    "tokenizer": option(
        Literal["words", "whitespace"],
        *(MODEL, "Lower-cased words and punctuation, or what white space separates."),
    ),
    "min_count": option(int, MODEL, "Words that occur less often are unknown.", "N"),
    "max_vocabulary": option(
        int | None, MODEL, "Know only the N most frequent words. (default: all)", "N"
    ),
    "embeddings": option(
        Path | None,
        MODEL,
        "Pretrained vectors in the text format of GloVe or word2vec, perhaps gzipped.",
        "FILE",
    ),
    "embedding_size": option(
        int | None, MODEL, "Numbers of a word's vector. (default: 100, or as --embeddings)", "N"
    ),
    "hidden_size": option(
        int,
        MODEL,
        "Of one LSTM direction, of all convolutions together, or of the average's projection.",
        "N",
    ),
    "epochs": option(int, TRAINING, "At most so many.", "N"),
    "patience": option(
        int, TRAINING, "Stop after N epochs with neither dev score nor loss better.", "N"
    ),
    "batch_size": option(int, TRAINING, "Examples in a batch.", "N"),
    "learning_rate": option(float, TRAINING, "Of Adam.", "X"),
    "weight_decay": option(float, TRAINING, "Of everything but the attention.", "X"),
    **_shared("quoting", "label_map", "text_field", "text_pair_field", "label_field"),
    **_shared("labels_field", "candidates_field", "id_field"),
    "seed": option(int, Panel.HOW, "Of the first weights and the order of texts.", "N"),
    **_shared("device"),
    "threads": option(
        int, Panel.HOW, "CPU threads: more are hardly faster, and give other weights.", "N"
    ),
    "output": option(
        Path, Panel.OUTPUT, "Where the model goes: model.pt.", "FILE", "--output", SHORT["output"]
    ),
    "precision": option(
        Literal["float32", "float16"], Panel.OUTPUT, "How the file keeps the weights."
    ),
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
