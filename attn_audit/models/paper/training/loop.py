"""Training itself: epochs over shuffled batches until the dev score stops rising."""

import math
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from attn_audit import __version__
from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, OutputError
from attn_audit.models.paper.architecture import MARKERS, Vocabulary
from attn_audit.models.paper.checkpoint import save_checkpoint
from attn_audit.models.paper.network import AttentionPoolingNetwork
from attn_audit.models.paper.training.corpus import Prepared, initialise, prepare
from attn_audit.models.paper.training.scoring import (
    SCORE_NAMES,
    EpochResult,
    Loss,
    dev_loss_and_score,
    loss_of,
    should_stop,
)
from attn_audit.models.paper.training.settings import Precision, TrainingSettings
from attn_audit.models.task import Task, TaskKind
from attn_audit.quoting import one_line


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
        try:
            save_checkpoint(
                path,
                self.network.architecture,
                self.settings.tokenizer,
                self.vocabulary,
                self.task,
                weights,
                {
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
                },
            )
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
        Indices of examples, each once, where `lengths` is; one batch takes what is left.

    Source: the released code of Jain & Wallace (2019) buckets in the same way.
    """
    noise = 2 * torch.rand(len(lengths), generator=generator) - 1
    by_length = (lengths.cpu() * (1 + NOISE * noise)).argsort(stable=True)
    batches = torch.split(by_length, batch_size)
    order = torch.randperm(len(batches), generator=generator).tolist()
    return [batches[i].to(lengths.device) for i in order]


def repeatable(device: torch.device) -> AbstractContextManager[None]:
    """What CUDA needs for the same weights every time; on a CPU they are."""
    if device.type != "cuda":
        return nullcontext()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)


def initial_network(
    settings: TrainingSettings, prepared: Prepared, device: torch.device
) -> AttentionPoolingNetwork:
    """Drawn on the CPU, so that the first weights are the same on every device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = AttentionPoolingNetwork(prepared.architecture)
    for encoder in (network.text_encoder, network.pair_encoder):
        if encoder is not None:
            initialise(encoder.embedding, prepared.vectors)
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
    prepared = prepare(settings, train_examples, dev_examples, device)
    network = initial_network(settings, prepared, device)
    run = _Run(settings, prepared, network, loss_of(prepared.task, prepared.train.gold))
    with repeatable(device):
        run.dev()  # raises now what it would after an epoch
        epochs, weights = run.until_it_stops_improving(on_epoch, on_batch)
    run.network.load_state_dict(weights)
    return TrainedModel(
        network=run.network.eval().requires_grad_(False),
        task=prepared.task,
        vocabulary=prepared.vocabulary,
        settings=settings,
        epochs=epochs,
        n_pretrained=None if prepared.vectors is None else len(prepared.vectors.ids),
    )


@dataclass(frozen=True, slots=True)
class _Run:
    settings: TrainingSettings
    prepared: Prepared
    network: AttentionPoolingNetwork
    loss: Loss

    def until_it_stops_improving(
        self, on_epoch: Callable[[EpochResult], None], on_batch: Callable[[float], None]
    ) -> tuple[tuple[EpochResult, ...], dict[str, Tensor]]:
        """All epochs run, and the weights after the best of them."""
        optimizer = optimizer_of(self.network, self.settings)
        generator = torch.Generator().manual_seed(self.settings.seed)
        results: list[EpochResult] = []
        weights = self._weights()
        while len(results) < self.settings.epochs and not should_stop(
            results, self.settings.patience
        ):
            mean_loss = self._epoch(optimizer, generator, on_batch)
            finite = (bool(each.isfinite().all()) for each in self.network.parameters())
            if not math.isfinite(mean_loss) or not all(finite):
                raise ConfigurationError(
                    f"the training diverged: loss or weights after epoch {len(results) + 1} are "
                    "not finite",
                    hint="Lower the learning rate, or look for extreme numbers in the pretrained "
                    "vectors.",
                )
            results.append(self._result(mean_loss, results))
            if results[-1].is_best:
                weights = self._weights()
            on_epoch(results[-1])
        return tuple(results), weights

    def _epoch(
        self,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
        on_batch: Callable[[float], None],
    ) -> float:
        """One pass over the training examples; the mean loss meanwhile."""
        corpus = self.prepared.train
        batches = random_batches(corpus.texts.lengths, self.settings.batch_size, generator)
        self.network.train()
        total = torch.zeros((), device=corpus.gold.device, dtype=torch.float64)
        for done, rows in enumerate(batches, start=1):
            batch_loss = self.loss(corpus.logits(self.network, rows), corpus.gold[rows])
            optimizer.zero_grad()
            torch.autograd.backward(batch_loss)
            optimizer.step()
            total += batch_loss.detach()
            on_batch(done / len(batches))
        return float(total) / len(corpus)

    def _result(self, loss: float, before: Sequence[EpochResult]) -> EpochResult:
        dev_loss, score = self.dev()
        return EpochResult(
            epoch=len(before) + 1,
            loss=loss,
            dev_loss=dev_loss,
            dev_score=score,
            score_name=SCORE_NAMES[TaskKind(self.prepared.task.name)],
            is_best=all(score > epoch.dev_score for epoch in before),
        )

    def dev(self) -> tuple[float, float]:
        """Mean loss and score on the examples for early stopping."""
        return dev_loss_and_score(self.network, self.prepared.dev, self.prepared.task, self.loss)

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
