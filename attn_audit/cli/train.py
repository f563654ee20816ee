"""`train`: one of the paper's models from labelled texts."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.text import Text

from attn_audit.cli.command import command, error_console
from attn_audit.cli.options import OPTIONS, SHORT
from attn_audit.data.location import suffix_of
from attn_audit.data.source import ROLES, DataSource, FieldNames
from attn_audit.errors import ConfigurationError, OutputError
from attn_audit.files import require_writable
from attn_audit.numbers import counted
from attn_audit.quoting import listed, printable

if TYPE_CHECKING:
    from attn_audit.models.paper.training.loop import EpochResult, TrainedModel, TrainingSettings

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
    output, vectors, quiet = values["output"], values["embeddings"], values["quiet"]
    if suffix_of(output) is not None:
        raise OutputError(output, "that is the name of a data set", hint="Call it model.pt.")
    require_writable(output, [Path(values["data"]), *filter(None, [vectors])])
    from attn_audit.models.paper.training.loop import Precision

    settings, source = training_settings(values), training_source(values)
    model, notes = train_model(settings, source, values, quiet=quiet)
    model.save(output, Precision(values["precision"]), notes)
    say_line(f"model written to {output}", quiet=quiet)


def training_settings(given: Mapping[str, Any]) -> "TrainingSettings":
    """What the options say of how a model is trained.

    Raises:
        ConfigurationError: A number is out of its range, or two do not fit together.
    """
    from attn_audit.models.paper.training.loop import TrainingSettings

    if given["threads"] < 1:
        raise ConfigurationError(f"--threads must be at least 1, not {given['threads']}")
    return TrainingSettings(**{each.name: given[each.name] for each in fields(TrainingSettings)})


def training_source(given: Mapping[str, Any]) -> DataSource:
    """The data that the options name, and how it is read.

    Raises:
        ConfigurationError: The label map is malformed.
    """
    from attn_audit.config import parse_label_map

    names = {role: given[f"{role}_field"] for role in ROLES}
    return DataSource(
        given["data"],
        given["train_split"],
        FieldNames(**{role: name for role, name in names.items() if name is not None}),
        {} if given["label_map"] is None else parse_label_map(",".join(given["label_map"])),
        quoting=given["quoting"] or "auto",
    )


def train_model(
    settings: "TrainingSettings", source: DataSource, given: Mapping[str, Any], *, quiet: bool
) -> tuple["TrainedModel", dict[str, str | int]]:
    """The model, and what its file should tell of where it was made."""
    import torch

    from attn_audit.models.loading import resolve_device
    from attn_audit.models.paper.training.data import read_splits
    from attn_audit.models.paper.training.loop import train

    torch.set_num_threads(given["threads"])
    device = resolve_device(given["device"] or "auto")
    splits = read_splits(source, given["dev_split"], settings.seed)
    held_out = ", held out because there is no dev split" if splits.is_held_out else ""
    train_on = counted(len(splits.train), "example")
    examples = f"training on {train_on}, early stopping on {len(splits.dev):,}"
    say_line(examples + held_out, quiet=quiet)
    with training_progress(quiet=quiet) as (on_epoch, on_batch):
        model = train(settings, splits.train, splits.dev, device, on_epoch, on_batch)
    words = f"{model.n_words:,} words"
    if model.n_pretrained is not None:
        words += f", {model.n_pretrained:,} of them with pretrained vectors"
    say_line(f"{model.task.name} task ({listed(model.task.labels)}), {words}", quiet=quiet)
    best, n_epochs = model.best, len(model.epochs)
    score = f"{best.score_name} {best.dev_score:.4f}, epoch {best.epoch} of {n_epochs}"
    say_line(f"best dev {score}", quiet=quiet)
    return model, {
        "data": Path(source.location).name or source.location,
        "train_split": source.split,
        "n_train": len(splits.train),
        "n_dev": len(splits.dev),
        "dev_is_held_out": splits.is_held_out,
        "device": device.type,
        "threads": given["threads"],
    }


def say_line(text: str, *, quiet: bool) -> None:
    """Tell on standard error how it goes."""
    if not quiet:
        error_console().print(Text(printable(text)))


OnEpoch = Callable[["EpochResult"], None]
OnBatch = Callable[[float], None]


@contextmanager
def training_progress(*, quiet: bool) -> Iterator[tuple[OnEpoch, OnBatch]]:
    """A bar for each epoch where standard error is a terminal, else a line for each."""
    console, last = error_console(), monotonic()
    if quiet or not console.is_terminal:

        def on_epoch(epoch: "EpochResult") -> None:
            nonlocal last
            seconds, last = monotonic() - last, monotonic()
            say_line(f"epoch {epoch.epoch}: {scores(epoch)}, {seconds:.1f} s", quiet=quiet)

        yield on_epoch, lambda share: None
        return
    from rich.progress import BarColumn, Progress, TimeElapsedColumn

    columns = ("{task.description}", BarColumn(), "{task.fields[scores]}", TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("epoch 1", total=1.0, scores="")

        def on_bar(epoch: "EpochResult") -> None:
            bar.update(task, description=f"epoch {epoch.epoch + 1}", scores=scores(epoch))

        yield on_bar, lambda share: bar.update(task, completed=share)


def scores(epoch: "EpochResult") -> str:
    """Loss and dev score of an epoch: `loss 0.3406, dev ROC AUC 0.8496 (best)`."""
    best = " (best)" if epoch.is_best else ""
    return f"loss {epoch.loss:.4f}, dev {epoch.score_name} {epoch.dev_score:.4f}{best}"
