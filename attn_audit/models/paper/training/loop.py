"""Training itself: what can be chosen, and epochs over shuffled batches until nothing improves."""

import math
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path

import pydantic.dataclasses
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from attn_audit import __version__
from attn_audit.data.example import Example, length_batches
from attn_audit.distances import Logits
from attn_audit.errors import ConfigurationError, DataError, OutputError
from attn_audit.models.capacity import in_order
from attn_audit.models.paper.checkpoint import (
    MARKERS,
    OURS,
    Checkpoint,
    Tokenizer,
    Vocabulary,
    save_checkpoint,
)
from attn_audit.models.paper.network import (
    KERNEL_SIZES,
    Activation,
    Architecture,
    AttentionKind,
    AttentionPoolingNetwork,
    EncoderKind,
)
from attn_audit.models.paper.training.data import (
    Corpus,
    PretrainedVectors,
    build_corpus,
    build_vocabulary,
    infer_task,
    initialise,
    read_vectors,
    require_known_labels,
    takes_pairs,
    tokenized,
)
from attn_audit.models.task import Task, TaskKind
from attn_audit.quoting import one_line
from attn_audit.statistics.performance import macro_roc_auc

DEFAULT_EMBEDDING_SIZE = 100
ACTIVATIONS = {
    EncoderKind.BILSTM: Activation.LINEAR,
    EncoderKind.CNN: Activation.RELU,
    EncoderKind.AVERAGE: Activation.TANH,
}
"""The paper's."""
LEAST = {
    **dict.fromkeys(("min_count", "epochs", "patience", "batch_size"), 1),
    **dict.fromkeys(("max_vocabulary", "embedding_size"), 1),
    "hidden_size": 2,
    "seed": 0,
}


class Precision(StrEnum):
    """How a checkpoint keeps its weights; they are computed with in float32 either way."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"

    @property
    def dtype(self) -> torch.dtype:
        """As PyTorch calls it."""
        return torch.float16 if self is Precision.FLOAT16 else torch.float32


@pydantic.dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """Everything that decides what weights come out, data, device and thread count aside.

    Raises:
        ConfigurationError: A number is out of its range, or two settings do not fit together.

    Source: the defaults are those of Jain & Wallace (2019) and of their code; the embedding size
    (300 there) is smaller, and a word needs two occurrences, so that unknown words are trained too.
    """

    encoder: EncoderKind = EncoderKind.BILSTM
    attention: AttentionKind = AttentionKind.ADDITIVE
    task: TaskKind | None = None
    """None: inferred from the data."""
    tokenizer: Tokenizer = Tokenizer.WORDS
    min_count: int = 2
    """Rarer tokens are unknown."""
    max_vocabulary: int | None = None
    """At most so many tokens, the most frequent; None for all."""
    embeddings: Path | None = None
    """Pretrained vectors in the text format of GloVe and word2vec."""
    embedding_size: int | None = None
    """None: that of the pretrained vectors, or 100."""
    hidden_size: int = 128
    """Of one LSTM direction, of all convolutions together, of the average's projection."""
    epochs: int = 40
    """At most."""
    patience: int = 3
    """Stop after so many epochs without a better dev score or a lower dev loss."""
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    """Of everything but the attention."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                words = name.replace("_", " ")
                raise ConfigurationError(f"{words} must be at least {least}, not {value}")
        if not self.learning_rate > 0 or not self.weight_decay >= 0:
            raise ConfigurationError(
                "the learning rate must be positive, the weight decay not negative"
            )
        if self.encoder is EncoderKind.CNN and self.hidden_size % len(KERNEL_SIZES):
            raise ConfigurationError(
                f"a CNN shares its hidden size among {len(KERNEL_SIZES)} kernel sizes; "
                f"{self.hidden_size} cannot be divided by that",
                hint=f"Take a multiple of {len(KERNEL_SIZES)}.",
            )

    def architecture(
        self, task: Task, *, is_pair: bool, vocabulary_size: int, embedding_size: int
    ) -> Architecture:
        """The network that these settings ask for, given what the data decided."""
        shares = len(KERNEL_SIZES) if self.encoder is EncoderKind.CNN else 1
        return Architecture(
            encoder=self.encoder,
            attention=self.attention,
            is_pair=is_pair,
            vocabulary_size=vocabulary_size,
            embedding_size=embedding_size,
            hidden_size=self.hidden_size // shares,
            n_logits=task.n_logits,
            kernel_sizes=KERNEL_SIZES,
            activation=ACTIVATIONS[self.encoder],
        )

    def plain(self) -> dict[str, str | int | float | None]:
        """As plain values, for the checkpoint."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value.name if isinstance(value, Path) else getattr(value, "value", value)
            for name, value in values.items()
        }


@dataclass(frozen=True, slots=True)
class TrainingSetup:
    """The data as tensors, and the network's shape."""

    task: Task
    vocabulary: Vocabulary
    vectors: PretrainedVectors | None
    architecture: Architecture
    train: Corpus
    dev: Corpus


def prepare(
    settings: TrainingSettings,
    train_examples: Sequence[Example],
    dev_examples: Sequence[Example],
    device: torch.device,
) -> TrainingSetup:
    """Find out what the data asks for, and turn it into tensors.

    Raises:
        DataError: The examples cannot be trained on, or the pretrained vectors cannot be read.
        ConfigurationError: Settings and data do not fit together.
    """
    if not train_examples or not dev_examples:
        raise DataError(f"there are no {'dev' if train_examples else 'training'} examples")
    task = infer_task(train_examples, settings.task)
    require_known_labels(dev_examples, task)
    is_pair = takes_pairs([*train_examples, *dev_examples])
    texts, pairs = tokenized(train_examples, settings.tokenizer, is_pair)
    dev_texts, dev_pairs = tokenized(dev_examples, settings.tokenizer, is_pair)
    vocabulary = build_vocabulary(
        [*texts, *(pairs or ())], settings.min_count, settings.max_vocabulary
    )
    vectors, width = None, settings.embedding_size or DEFAULT_EMBEDDING_SIZE
    if settings.embeddings is not None:
        vectors = read_vectors(settings.embeddings, vocabulary)
        width = vectors.vectors.shape[1]
        if settings.embedding_size not in (None, width):
            raise ConfigurationError(
                f"the pretrained vectors have {width} numbers each, not {settings.embedding_size}",
                hint="Leave the embedding size out: it is theirs.",
            )
    return TrainingSetup(
        task=task,
        vocabulary=vocabulary,
        vectors=vectors,
        architecture=settings.architecture(
            task, is_pair=is_pair, vocabulary_size=len(vocabulary), embedding_size=width
        ),
        train=build_corpus(train_examples, texts, pairs, vocabulary, task, device),
        dev=build_corpus(dev_examples, dev_texts, dev_pairs, vocabulary, task, device),
    )


Gold = Bool[Tensor, "batch _"]
"""Which labels each example has, two columns in a binary task."""
Loss = Callable[[Logits, Gold], Float[Tensor, ""]]


def loss_of(task: Task, gold: Gold) -> Loss:
    """The cross-entropy of a batch: summed over examples, the mean over labels if multilabel.

    A sum, because Adam's steps do not depend on the scale of the loss but weight decay, which is
    added to the gradient, does: against a mean, words of few examples would fade.

    Args:
        gold: Of all training examples. In a binary task the second label's examples get the weight
            that makes both labels count the same in total.

    Source: the released code of Jain & Wallace (2019), `Trainers/`, which takes the mean for pairs.
    """
    match TaskKind(task.name):
        case TaskKind.BINARY:
            weight = gold[:, 0].sum() / gold[:, 1].sum()
            return lambda logits, own: F.binary_cross_entropy_with_logits(
                logits, own[:, 1:].to(logits.dtype), pos_weight=weight, reduction="sum"
            )
        case TaskKind.MULTILABEL:
            return lambda logits, own: (
                F.binary_cross_entropy_with_logits(logits, own.to(logits.dtype), reduction="sum")
                / logits.shape[-1]
            )
        case TaskKind.MULTICLASS | TaskKind.CANDIDATES:
            return lambda logits, own: F.cross_entropy(
                logits, own.int().argmax(dim=-1), reduction="sum"
            )


MAX_EXAMPLES = 512
MAX_TOKENS = 16384

SCORE_NAMES = {
    TaskKind.BINARY: "ROC AUC",
    TaskKind.MULTICLASS: "accuracy",
    TaskKind.MULTILABEL: "macro ROC AUC",
    TaskKind.CANDIDATES: "accuracy",
}
"""What the score of a task is called."""


@torch.no_grad()
def dev_loss_and_score(
    network: AttentionPoolingNetwork, dev: Corpus, task: Task, loss: Loss
) -> tuple[float, float]:
    """Mean loss, and score from 0 to 1: what early stopping goes by.

    Raises:
        DataError: There is no ROC curve, because all examples are of one class.
    """
    logits = corpus_logits(network, dev)
    return float(loss(logits, dev.gold)) / len(dev), score_of(logits, dev.gold, task)


def score_of(
    logits: Float[Tensor, "example label"], gold: Bool[Tensor, "example _"], task: Task
) -> float:
    """How well logits tell the labels apart, 0 to 1.

    Accuracy where the labels compete; else ROC AUC, the mean over labels if multilabel.

    Raises:
        DataError: There is no ROC curve, because all examples are of one class.
    """
    if task.is_softmax:
        right = logits.argmax(dim=-1) == gold.int().argmax(dim=-1)
        return float(right.double().mean())
    gold = gold[:, 1:] if task.name == TaskKind.BINARY else gold
    score = macro_roc_auc(gold.cpu().numpy(), logits.double().cpu().numpy())
    if score is None:
        raise DataError(
            "all examples for early stopping are of one class: their ROC AUC is undefined",
            hint="Give a dev split in which both classes occur.",
        )
    return score


@torch.no_grad()
def corpus_logits(
    network: AttentionPoolingNetwork, corpus: Corpus
) -> Float[Tensor, "example label"]:
    """Logits of all examples, in their order, computed in batches of similar length."""
    network.eval()
    batches = length_batches(corpus.lengths.tolist(), MAX_EXAMPLES, MAX_TOKENS)
    rows = [torch.tensor(batch) for batch in batches]
    return in_order([corpus.logits(network, some) for some in rows], rows)


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One pass over the training examples, and how good the model was after it."""

    epoch: int
    """From 1."""
    loss: float
    """Mean over the training examples, each seen once while the model changed."""
    dev_loss: float
    """Mean over the examples held back for early stopping, after the epoch."""
    dev_score: float
    score_name: str
    """What the dev score is: `ROC AUC`, `accuracy`."""
    is_best: bool
    """Better than every epoch before."""

    def __str__(self) -> str:
        """Loss and dev score: `loss 0.3406, dev ROC AUC 0.8496 (best)`."""
        best = " (best)" if self.is_best else ""
        return f"loss {self.loss:.4f}, dev {self.score_name} {self.dev_score:.4f}{best}"


PERFECT = 1.0


def should_stop(epochs: Sequence[EpochResult], patience: int) -> bool:
    """Whether neither dev score nor dev loss has been better than ever before for too long.

    The score decides which epoch is kept. The loss says whether something is still being learnt:
    on question answering it falls for many epochs before the first answers are right.

    Or whether the score cannot get better.
    """
    if not epochs:
        return False
    scores = [epoch.dev_score for epoch in epochs]
    losses = [epoch.dev_loss for epoch in epochs]
    last_progress = max(scores.index(max(scores)), losses.index(min(losses)))
    return max(scores) >= PERFECT or len(epochs) - 1 - last_progress >= patience


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The network at its best epoch, and how it came about."""

    network: AttentionPoolingNetwork
    task: Task
    vocabulary: Vocabulary
    settings: TrainingSettings
    epochs: tuple[EpochResult, ...]
    n_pretrained: int | None
    """How many words have pretrained vectors; None where none were asked for."""

    @property
    def n_words(self) -> int:
        """How many words the model knows."""
        return len(self.vocabulary) - len(MARKERS)

    @property
    def best(self) -> EpochResult:
        """The epoch whose weights were kept."""
        return [epoch for epoch in self.epochs if epoch.is_best][-1]

    def save(self, path: Path, precision: Precision, notes: Mapping[str, str | int]) -> None:
        """Write a checkpoint.

        Raises:
            OutputError: It cannot be written.
        """
        weights = {
            name: tensor.to("cpu", precision.dtype)
            for name, tensor in self.network.state_dict().items()
        }
        training = {
            **self.settings.plain(),
            "n_pretrained": self.n_pretrained,
            "epochs_run": len(self.epochs),
            "best_epoch": self.best.epoch,
            "dev_score": self.best.dev_score,
            "dev_score_name": self.best.score_name,
            "attn_audit_version": __version__,
            "torch_version": str(torch.__version__),
            "python_version": platform.python_version(),
            "precision": precision.value,
            **notes,
        }
        words = self.settings.tokenizer, self.vocabulary
        shape = self.network.architecture
        try:
            save_checkpoint(path, Checkpoint(OURS, shape, self.task, *words, weights, training))
        except (OSError, RuntimeError) as error:  # torch.save wraps a full disk in the latter
            raise OutputError(path, one_line(error)) from error


NOISE = 0.1


def random_batches(
    lengths: Int[Tensor, " example"], batch_size: int, generator: torch.Generator
) -> list[Int[Tensor, " batch"]]:
    """Batches of similar length in random order, so that little of a batch is padding.

    Lengths are shaken by a tenth before they are sorted: the company that an example keeps changes
    from epoch to epoch.

    Returns:
        Indices of examples, each once; one batch takes what is left.

    Source: the released code of Jain & Wallace (2019) buckets in the same way.
    """
    noise = 2 * torch.rand(len(lengths), generator=generator) - 1
    by_length = (lengths * (1 + NOISE * noise)).argsort(stable=True)
    batches = torch.split(by_length, batch_size)
    order = torch.randperm(len(batches), generator=generator).tolist()
    return [batches[i] for i in order]


def repeatable(device: torch.device) -> AbstractContextManager[None]:
    """What CUDA needs for the same weights every time; on a CPU they are."""
    if device.type != "cuda":
        return nullcontext()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)


def initial_network(
    settings: TrainingSettings, setup: TrainingSetup, device: torch.device
) -> AttentionPoolingNetwork:
    """Drawn on the CPU, so that the first weights are the same on every device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = AttentionPoolingNetwork(setup.architecture)
    for encoder in (network.text_encoder, network.pair_encoder):
        if encoder is not None:
            initialise(encoder.embedding, setup.vectors)
    return network.to(device)


def optimizer_of(
    network: AttentionPoolingNetwork, settings: TrainingSettings
) -> torch.optim.Optimizer:
    """The paper's Adam: no weight decay on the attention."""
    attention = list(network.attention.parameters())
    ours = {id(parameter) for parameter in attention}
    others = [parameter for parameter in network.parameters() if id(parameter) not in ours]
    return torch.optim.Adam(
        [
            {"params": others, "weight_decay": settings.weight_decay},
            {"params": attention, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        amsgrad=True,
        fused=True,
    )


def train(
    settings: TrainingSettings,
    train_examples: Sequence[Example],
    dev_examples: Sequence[Example],
    device: torch.device,
    on_epoch: Callable[[EpochResult], None] = lambda _: None,
    on_batch: Callable[[float], None] = lambda _: None,
) -> TrainedModel:
    """Train one of the paper's models; the same inputs and thread count give the same weights.

    Args:
        train_examples: All labelled; single texts or pairs, not both.
        dev_examples: Decide which epoch is kept and when to stop.
        on_batch: Told which share of the current epoch is done.

    Returns:
        The model of the first of the best epochs, ready to be saved.

    Raises:
        DataError: The examples cannot be trained on, or the pretrained vectors cannot be read.
        ConfigurationError: Settings and data do not fit together, or the training diverges.
    """
    setup = prepare(settings, train_examples, dev_examples, device)
    network = initial_network(settings, setup, device)
    loss = loss_of(setup.task, setup.train.gold)
    optimizer = optimizer_of(network, settings)
    generator = torch.Generator().manual_seed(settings.seed)
    epochs: list[EpochResult] = []
    weights: dict[str, Tensor] = {}
    with repeatable(device):
        # Raises now what it would after an epoch.
        dev_loss_and_score(network, setup.dev, setup.task, loss)
        while len(epochs) < settings.epochs and not should_stop(epochs, settings.patience):
            batches = random_batches(setup.train.lengths, settings.batch_size, generator)
            mean_loss = _epoch(network, setup.train, batches, loss, optimizer, on_batch)
            finite = (bool(each.isfinite().all()) for each in network.parameters())
            if not math.isfinite(mean_loss) or not all(finite):
                raise ConfigurationError(
                    f"the training diverged: loss or weights after epoch {len(epochs) + 1} are "
                    "not finite",
                    hint="Lower the learning rate, or look for extreme numbers in the pretrained "
                    "vectors.",
                )
            dev_loss, score = dev_loss_and_score(network, setup.dev, setup.task, loss)
            is_best = all(score > epoch.dev_score for epoch in epochs)
            name = SCORE_NAMES[TaskKind(setup.task.name)]
            epochs.append(EpochResult(len(epochs) + 1, mean_loss, dev_loss, score, name, is_best))
            if is_best:
                weights = {key: tensor.clone() for key, tensor in network.state_dict().items()}
            on_epoch(epochs[-1])
    network.load_state_dict(weights)
    return TrainedModel(
        network=network.eval().requires_grad_(False),
        task=setup.task,
        vocabulary=setup.vocabulary,
        settings=settings,
        epochs=tuple(epochs),
        n_pretrained=None if setup.vectors is None else len(setup.vectors.ids),
    )


def _epoch(
    network: AttentionPoolingNetwork,
    corpus: Corpus,
    batches: Sequence[Tensor],
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    on_batch: Callable[[float], None],
) -> float:
    """One pass over the training examples; the mean loss meanwhile."""
    network.train()
    total = torch.zeros((), device=corpus.gold.device, dtype=torch.float64)
    for done, rows in enumerate(batches, start=1):
        batch_loss = loss(corpus.logits(network, rows), corpus.gold[rows])
        optimizer.zero_grad()
        torch.autograd.backward(batch_loss)
        optimizer.step()
        total += batch_loss.detach()
        on_batch(done / len(batches))
    return float(total) / len(corpus)
