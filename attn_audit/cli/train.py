"""`train`: one of the paper's models from labelled texts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.text import Text

from attn_audit.cli.command import error_console, guard
from attn_audit.cli.options import shared
from attn_audit.data.location import suffix_of
from attn_audit.data.source import DataSource, FieldNames
from attn_audit.errors import ConfigurationError, OutputError
from attn_audit.files import require_writable
from attn_audit.quoting import listed, printable

if TYPE_CHECKING:
    from attn_audit.models.paper.training import EpochResult, Splits, TrainedModel, TrainingSettings

_DATA = "What is learnt"
_MODEL = "What learns it"
_TRAINING = "How it learns"
_HOW = "How it is run"
_OUTPUT = "What comes out"
"""The last two are panels of the shared options too."""


def _option(name: str, panel: str, help: str, metavar: str | None = None) -> Any:
    return typer.Option(f"--{name}", help=help, rich_help_panel=panel, metavar=metavar)


def _number(name: str, panel: str, help: str) -> Any:
    return _option(name, panel, help, "N")


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A folder of splits, a .jsonl, .jsonl.gz, .csv, .tsv or .parquet file, `-`, or the "
        "name of a HuggingFace data set.",
    ),
]
Output = Annotated[Path, _option("output", _OUTPUT, "Where the model goes: model.pt.", "FILE")]

Encoder = Annotated[
    Literal["bilstm", "cnn", "average"], _option("encoder", _MODEL, "How tokens become states.")
]
Attention = Annotated[
    Literal["additive", "dot"], _option("attention", _MODEL, "How states are scored.")
]
TokenizerName = Annotated[
    Literal["words", "whitespace"],
    _option(
        "tokenizer", _MODEL, "Lower-cased words and punctuation, or what white space separates."
    ),
]
MinCount = Annotated[int, _number("min-count", _MODEL, "Words that occur less often are unknown.")]
MaxVocabulary = Annotated[
    int | None,
    _number("max-vocabulary", _MODEL, "Know only the N most frequent words. (default: all)"),
]
Embeddings = Annotated[
    Path | None,
    _option(
        "embeddings",
        _MODEL,
        "Pretrained vectors in the text format of GloVe or word2vec, perhaps gzipped.",
        "FILE",
    ),
]
EmbeddingSize = Annotated[
    int | None,
    _number(
        "embedding-size", _MODEL, "Numbers of a word's vector. (default: 100, or as --embeddings)"
    ),
]
HiddenSize = Annotated[
    int,
    _number(
        "hidden-size",
        _MODEL,
        "Of one LSTM direction, of all convolutions together, or of the average's projection.",
    ),
]
PrecisionName = Annotated[
    Literal["float32", "float16"],
    _option("precision", _OUTPUT, "How the file keeps the weights."),
]

TaskName = Annotated[
    Literal["binary", "multiclass", "multilabel", "candidates"] | None,
    _option("task", _DATA, "Kind of labels. (default: as the data looks)"),
]
TrainSplit = Annotated[str, _option("train-split", _DATA, "Split to train on.")]
DevSplit = Annotated[
    str | None,
    _option(
        "dev-split", _DATA, "Split that decides when to stop. (default: dev, or a tenth held out)"
    ),
]
QuotingName = Annotated[Literal["auto", "none", "csv"] | None, shared("quoting")]
LabelMap = Annotated[list[str] | None, shared("label_map")]
TextField = Annotated[str | None, shared("text_field")]
TextPairField = Annotated[str | None, shared("text_pair_field")]
LabelField = Annotated[str | None, shared("label_field")]
LabelsField = Annotated[str | None, shared("labels_field")]
CandidatesField = Annotated[str | None, shared("candidates_field")]
IdField = Annotated[str | None, shared("id_field")]

Epochs = Annotated[int, _number("epochs", _TRAINING, "At most so many.")]
Patience = Annotated[
    int,
    _number("patience", _TRAINING, "Stop after N epochs with neither dev score nor loss better."),
]
BatchSize = Annotated[int, _number("batch-size", _TRAINING, "Examples in a batch.")]
LearningRate = Annotated[float, _option("learning-rate", _TRAINING, "Of Adam.", "X")]
WeightDecay = Annotated[
    float, _option("weight-decay", _TRAINING, "Of everything but the attention.", "X")
]
Seed = Annotated[int, _number("seed", _HOW, "Of the first weights and the order of texts.")]

Device = Annotated[Literal["auto", "cpu", "cuda"] | None, shared("device")]
Threads = Annotated[
    int,
    _number("threads", _HOW, "CPU threads: more are hardly faster, and give other weights."),
]
Quiet = Annotated[bool, shared("quiet")]
Debug = Annotated[bool, shared("debug")]


def train(
    data: Data,
    *,
    task: TaskName = None,
    train_split: TrainSplit = "train",
    dev_split: DevSplit = None,
    encoder: Encoder = "bilstm",
    attention: Attention = "additive",
    tokenizer: TokenizerName = "words",
    min_count: MinCount = 2,
    max_vocabulary: MaxVocabulary = None,
    embeddings: Embeddings = None,
    embedding_size: EmbeddingSize = None,
    hidden_size: HiddenSize = 128,
    epochs: Epochs = 40,
    patience: Patience = 3,
    batch_size: BatchSize = 32,
    learning_rate: LearningRate = 1e-3,
    weight_decay: WeightDecay = 1e-5,
    quoting: QuotingName = None,
    label_map: LabelMap = None,
    text_field: TextField = None,
    text_pair_field: TextPairField = None,
    label_field: LabelField = None,
    labels_field: LabelsField = None,
    candidates_field: CandidatesField = None,
    id_field: IdField = None,
    seed: Seed = 0,
    device: Device = None,
    threads: Threads = 1,
    output: Output,
    precision: PrecisionName = "float32",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train one of the paper's models on labelled texts, to be audited afterwards."""
    with guard(debug=debug):
        _require_output(output, data, embeddings)
        from attn_audit.config import parse_label_map
        from attn_audit.models.paper.architecture import AttentionKind, EncoderKind, Tokenizer
        from attn_audit.models.paper.training import Precision, TrainingSettings
        from attn_audit.models.task import TaskKind

        settings = TrainingSettings(
            encoder=EncoderKind(encoder),
            attention=AttentionKind(attention),
            task=None if task is None else TaskKind(task),
            tokenizer=Tokenizer(tokenizer),
            min_count=min_count,
            max_vocabulary=max_vocabulary,
            embeddings=embeddings,
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            epochs=epochs,
            patience=patience,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            seed=seed,
        )
        names = {
            "text": text_field,
            "text_pair": text_pair_field,
            "label": label_field,
            "labels": labels_field,
            "candidates": candidates_field,
            "id": id_field,
        }
        source = DataSource(
            data,
            train_split,
            FieldNames(**{role: name for role, name in names.items() if name is not None}),
            {} if label_map is None else parse_label_map(",".join(label_map)),
            quoting=quoting or "auto",
        )
        _set_threads(threads)
        model, notes = _train(settings, source, dev_split, device or "auto", quiet=quiet)
        model.save(output, Precision(precision), notes)
        _say(f"model written to {output}", quiet=quiet)


def _require_output(output: Path, data: str, embeddings: Path | None) -> None:
    if suffix_of(output) is not None:
        raise OutputError(output, "that is the name of a data set", hint="Call it model.pt.")
    inputs = [Path(data)] if embeddings is None else [Path(data), embeddings]
    require_writable(output, inputs)


def _set_threads(threads: int) -> None:
    if threads < 1:
        raise ConfigurationError(f"--threads must be at least 1, not {threads}")
    import torch

    torch.set_num_threads(threads)


def _train(
    settings: "TrainingSettings",
    source: DataSource,
    dev_split: str | None,
    device_name: str,
    *,
    quiet: bool,
) -> tuple["TrainedModel", dict[str, str | int]]:
    """The model, and what its file should tell of where it was made."""
    import torch

    from attn_audit.models.loading import resolve_device
    from attn_audit.models.paper.training import read_splits, train

    device = resolve_device(device_name)
    splits = read_splits(source, dev_split, settings.seed)
    _say(_examples(splits), quiet=quiet)
    with training_progress(quiet=quiet) as (on_epoch, on_batch):
        model = train(settings, splits.train, splits.dev, device, on_epoch, on_batch)
    _say(_outcome(model), quiet=quiet)
    return model, {
        "data": Path(source.location).name or source.location,
        "train_split": source.split,
        "n_train": len(splits.train),
        "n_dev": len(splits.dev),
        "dev_is_held_out": splits.is_held_out,
        "device": device.type,
        "threads": torch.get_num_threads(),
    }


def _examples(splits: "Splits") -> str:
    held_out = ", held out because there is no dev split" if splits.is_held_out else ""
    return (
        f"training on {len(splits.train):,} examples, "
        f"early stopping on {len(splits.dev):,}{held_out}"
    )


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


def _say(text: str, *, quiet: bool) -> None:
    if not quiet:
        for line in text.splitlines():
            error_console().print(Text(printable(line)))


OnEpoch = Callable[["EpochResult"], None]
OnBatch = Callable[[float], None]


@contextmanager
def training_progress(*, quiet: bool) -> Iterator[tuple[OnEpoch, OnBatch]]:
    """A bar for each epoch where standard error is a terminal, else a line for each."""
    if quiet:
        yield lambda epoch: None, lambda share: None
    elif error_console().is_terminal:
        with _bar() as callbacks:
            yield callbacks
    else:
        yield _lines(), lambda share: None


def scores(epoch: "EpochResult") -> str:
    """Loss and dev score of an epoch: `loss 0.3406, dev ROC AUC 0.8496 (best)`."""
    best = " (best)" if epoch.is_best else ""
    return f"loss {epoch.loss:.4f}, dev {epoch.score_name} {epoch.dev_score:.4f}{best}"


def _lines() -> OnEpoch:
    console, last = error_console(), monotonic()

    def on_epoch(epoch: "EpochResult") -> None:
        nonlocal last
        seconds, last = monotonic() - last, monotonic()
        console.print(f"epoch {epoch.epoch}: {scores(epoch)}, {seconds:.1f} s")

    return on_epoch


@contextmanager
def _bar() -> Iterator[tuple[OnEpoch, OnBatch]]:
    from rich.progress import BarColumn, Progress, TimeElapsedColumn

    with Progress(
        "{task.description}",
        BarColumn(),
        "{task.fields[scores]}",
        TimeElapsedColumn(),
        console=error_console(),
        transient=True,
    ) as bar:
        task = bar.add_task("epoch 1", total=1.0, scores="")

        def on_epoch(epoch: "EpochResult") -> None:
            bar.update(task, description=f"epoch {epoch.epoch + 1}", scores=scores(epoch))

        yield on_epoch, lambda share: bar.update(task, completed=share)
