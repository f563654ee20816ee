"""`train`: one of the paper's models from labelled texts."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.text import Text

from attn_audit.cli.command import Command, app, error_console, guard
from attn_audit.cli.options import SHORT, shared
from attn_audit.data.location import suffix_of
from attn_audit.data.source import ROLES, DataSource, FieldNames
from attn_audit.errors import ConfigurationError, OutputError
from attn_audit.files import require_writable
from attn_audit.numbers import counted
from attn_audit.quoting import listed, printable

if TYPE_CHECKING:
    from attn_audit.models.paper.training.loop import EpochResult, TrainedModel
    from attn_audit.models.paper.training.settings import TrainingSettings

_DATA = "What is learnt"
_MODEL = "What learns it"
_TRAINING = "How it learns"
_HOW = "How it is run"
_OUTPUT = "What comes out"
"""The last two are panels of the shared options too."""


def _option(panel: str, help: str, metavar: str | None = None, *names: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar)


@app.command("train", cls=Command)
def train(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder of splits, a .jsonl, .jsonl.gz, .csv, .tsv or .parquet file, `-`, or "
            "the name of a HuggingFace data set.",
        ),
    ],
    *,
    task: Annotated[
        Literal["binary", "multiclass", "multilabel", "candidates"] | None,
        _option(_DATA, "Kind of labels. (default: as the data looks)"),
    ] = None,
    train_split: Annotated[str, _option(_DATA, "Split to train on.", "NAME")] = "train",
    dev_split: Annotated[
        str | None,
        _option(
            _DATA, "Split that decides when to stop. (default: dev, or a tenth held out)", "NAME"
        ),
    ] = None,
    encoder: Annotated[
        Literal["bilstm", "cnn", "average"], _option(_MODEL, "How tokens become states.")
    ] = "bilstm",
    attention: Annotated[
        Literal["additive", "dot"], _option(_MODEL, "How states are scored.")
    ] = "additive",
    tokenizer: Annotated[
        Literal["words", "whitespace"],
        _option(_MODEL, "Lower-cased words and punctuation, or what white space separates."),
    ] = "words",
    min_count: Annotated[int, _option(_MODEL, "Words that occur less often are unknown.", "N")] = 2,
    max_vocabulary: Annotated[
        int | None, _option(_MODEL, "Know only the N most frequent words. (default: all)", "N")
    ] = None,
    embeddings: Annotated[
        Path | None,
        _option(
            _MODEL,
            "Pretrained vectors in the text format of GloVe or word2vec, perhaps gzipped.",
            "FILE",
        ),
    ] = None,
    embedding_size: Annotated[
        int | None,
        _option(_MODEL, "Numbers of a word's vector. (default: 100, or as --embeddings)", "N"),
    ] = None,
    hidden_size: Annotated[
        int,
        _option(
            _MODEL,
            "Of one LSTM direction, of all convolutions together, or of the average's projection.",
            "N",
        ),
    ] = 128,
    epochs: Annotated[int, _option(_TRAINING, "At most so many.", "N")] = 40,
    patience: Annotated[
        int, _option(_TRAINING, "Stop after N epochs with neither dev score nor loss better.", "N")
    ] = 3,
    batch_size: Annotated[int, _option(_TRAINING, "Examples in a batch.", "N")] = 32,
    learning_rate: Annotated[float, _option(_TRAINING, "Of Adam.", "X")] = 1e-3,
    weight_decay: Annotated[
        float, _option(_TRAINING, "Of everything but the attention.", "X")
    ] = 1e-5,
    quoting: Annotated[Literal["auto", "none", "csv"] | None, shared("quoting")] = None,
    label_map: Annotated[list[str] | None, shared("label_map")] = None,
    text_field: Annotated[str | None, shared("text_field")] = None,
    text_pair_field: Annotated[str | None, shared("text_pair_field")] = None,
    label_field: Annotated[str | None, shared("label_field")] = None,
    labels_field: Annotated[str | None, shared("labels_field")] = None,
    candidates_field: Annotated[str | None, shared("candidates_field")] = None,
    id_field: Annotated[str | None, shared("id_field")] = None,
    seed: Annotated[int, _option(_HOW, "Of the first weights and the order of texts.", "N")] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda"] | None, shared("device")] = None,
    threads: Annotated[
        int, _option(_HOW, "CPU threads: more are hardly faster, and give other weights.", "N")
    ] = 1,
    output: Annotated[
        Path,
        _option(_OUTPUT, "Where the model goes: model.pt.", "FILE", "--output", SHORT["output"]),
    ],
    precision: Annotated[
        Literal["float32", "float16"], _option(_OUTPUT, "How the file keeps the weights.")
    ] = "float32",
    quiet: Annotated[bool, shared("quiet")] = False,
    debug: Annotated[bool, shared("debug")] = False,
) -> None:
    """Train one of the paper's models on labelled texts, to be audited afterwards."""
    given = locals()
    with guard(debug=debug):
        _require_output(output, data, embeddings)
        from attn_audit.models.paper.training.settings import Precision

        settings, source = training_settings(given), training_source(given)
        model, notes = train_model(
            settings, source, dev_split, device or "auto", threads, quiet=quiet
        )
        model.save(output, Precision(precision), notes)
        say_line(f"model written to {output}", quiet=quiet)


def training_settings(given: Mapping[str, Any]) -> "TrainingSettings":
    """What the options say of how a model is trained.

    Args:
        given: The options by name.

    Raises:
        ConfigurationError: A number is out of its range, or two do not fit together.
    """
    from attn_audit.models.paper.training.settings import TrainingSettings

    if given["threads"] < 1:
        raise ConfigurationError(f"--threads must be at least 1, not {given['threads']}")
    return TrainingSettings(**{each.name: given[each.name] for each in fields(TrainingSettings)})


def training_source(given: Mapping[str, Any]) -> DataSource:
    """The data that the options name, and how it is read.

    Args:
        given: The options by name.

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


def _require_output(output: Path, data: str, embeddings: Path | None) -> None:
    if suffix_of(output) is not None:
        raise OutputError(output, "that is the name of a data set", hint="Call it model.pt.")
    inputs = [Path(data)] if embeddings is None else [Path(data), embeddings]
    require_writable(output, inputs)


def train_model(
    settings: "TrainingSettings",
    source: DataSource,
    dev_split: str | None,
    device_name: str,
    n_threads: int,
    *,
    quiet: bool,
) -> tuple["TrainedModel", dict[str, str | int]]:
    """The model, and what its file should tell of where it was made."""
    import torch

    from attn_audit.models.loading import resolve_device
    from attn_audit.models.paper.training.examples import read_splits
    from attn_audit.models.paper.training.loop import train

    torch.set_num_threads(n_threads)
    device = resolve_device(device_name)
    splits = read_splits(source, dev_split, settings.seed)
    held_out = ", held out because there is no dev split" if splits.is_held_out else ""
    train_on = counted(len(splits.train), "example")
    examples = f"training on {train_on}, early stopping on {len(splits.dev):,}"
    say_line(examples + held_out, quiet=quiet)
    with training_progress(quiet=quiet) as (on_epoch, on_batch):
        model = train(settings, splits.train, splits.dev, device, on_epoch, on_batch)
    say_line(_outcome(model), quiet=quiet)
    return model, {
        "data": Path(source.location).name or source.location,
        "train_split": source.split,
        "n_train": len(splits.train),
        "n_dev": len(splits.dev),
        "dev_is_held_out": splits.is_held_out,
        "device": device.type,
        "threads": n_threads,
    }


def _outcome(model: "TrainedModel") -> str:
    vectors = ""
    if model.n_pretrained is not None:
        vectors = f", {model.n_pretrained:,} of them with pretrained vectors"
    best = model.best
    return (
        f"{model.task.name} task ({listed(model.task.labels)}), {model.n_words:,} words{vectors}\n"
        f"best dev {best.score_name} {best.dev_score:.4f}, epoch {best.epoch} of "
        f"{len(model.epochs)}"
    )


def say_line(text: str, *, quiet: bool) -> None:
    """Tell on standard error how it goes."""
    if not quiet:
        for line in text.splitlines():
            error_console().print(Text(printable(line)))


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
