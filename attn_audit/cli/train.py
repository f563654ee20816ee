"""`train`: one of the paper's models from labelled texts."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from attn_audit.cli import training_options as options
from attn_audit.cli.running import error_console, guard
from attn_audit.cli.training_progress import training_progress
from attn_audit.data.fields import FieldNames
from attn_audit.data.locating import suffix_of
from attn_audit.data.quoting import listed
from attn_audit.data.source import DataSource
from attn_audit.errors import ConfigurationError, OutputError
from attn_audit.files import require_writable
from attn_audit.formats.safety import printable

if TYPE_CHECKING:
    from attn_audit.models.paper.training import (
        Splits,
        TrainedModel,
        TrainingSettings,
    )


def train(
    data: options.Data,
    *,
    task: options.TaskName = None,
    train_split: options.TrainSplit = "train",
    dev_split: options.DevSplit = None,
    encoder: options.Encoder = "bilstm",
    attention: options.Attention = "additive",
    tokenizer: options.TokenizerName = "words",
    min_count: options.MinCount = 2,
    max_vocabulary: options.MaxVocabulary = None,
    embeddings: options.Embeddings = None,
    embedding_size: options.EmbeddingSize = None,
    hidden_size: options.HiddenSize = 128,
    epochs: options.Epochs = 40,
    patience: options.Patience = 3,
    batch_size: options.BatchSize = 32,
    learning_rate: options.LearningRate = 1e-3,
    weight_decay: options.WeightDecay = 1e-5,
    quoting: options.QuotingName = None,
    label_map: options.LabelMap = None,
    text_field: options.TextField = None,
    text_pair_field: options.TextPairField = None,
    label_field: options.LabelField = None,
    labels_field: options.LabelsField = None,
    candidates_field: options.CandidatesField = None,
    id_field: options.IdField = None,
    seed: options.Seed = 0,
    device: options.Device = None,
    threads: options.Threads = 1,
    output: options.Output,
    precision: options.PrecisionName = "float32",
    quiet: options.Quiet = False,
    debug: options.Debug = False,
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
