"""Training itself: epochs over shuffled batches until the dev score stops rising."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError
from attn_audit.models.paper.network import AttentionPoolingNetwork
from attn_audit.models.paper.training.loss import Loss, loss_of
from attn_audit.models.paper.training.preparation import Prepared, prepare
from attn_audit.models.paper.training.result import EpochResult, TrainedModel
from attn_audit.models.paper.training.score import (
    SCORE_NAMES,
    dev_loss_and_score,
)
from attn_audit.models.paper.training.settings import TrainingSettings
from attn_audit.models.paper.training.shuffling import random_batches
from attn_audit.models.paper.training.starting import (
    initial_network,
    optimizer_of,
    repeatable,
)
from attn_audit.models.paper.training.stopping import should_stop


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
        settings: What to train and how.
        train_examples: All labelled; single texts or pairs, not both.
        dev_examples: Decide which epoch is kept and when to stop.
        device: Where to compute.
        on_epoch: Told after each epoch.
        on_batch: Told which share of the current epoch is done.

    Returns:
        The model of the first of the best epochs, ready to be saved.

    Raises:
        DataError: The examples cannot be trained on, or the pretrained vectors cannot be read.
        ConfigurationError: Settings and data do not fit together, or the training diverges.
    """
    prepared = prepare(settings, train_examples, dev_examples, device)
    run = _Run(
        settings,
        prepared,
        initial_network(settings, prepared, device),
        loss_of(prepared.task, prepared.train.gold),
    )
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
            _require_finite(self.network, mean_loss, len(results) + 1)
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
            score_name=SCORE_NAMES[self.prepared.task.kind],
            is_best=all(score > epoch.dev_score for epoch in before),
        )

    def dev(self) -> tuple[float, float]:
        """Mean loss and score on the examples for early stopping."""
        return dev_loss_and_score(self.network, self.prepared.dev, self.prepared.task, self.loss)

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self.network.state_dict().items()}


def _require_finite(network: AttentionPoolingNetwork, loss: float, epoch: int) -> None:
    weights_are_finite = all(bool(weights.isfinite().all()) for weights in network.parameters())
    if not math.isfinite(loss) or not weights_are_finite:
        raise ConfigurationError(
            f"the training diverged: loss or weights after epoch {epoch} are not finite",
            hint="Lower the learning rate, or look for extreme numbers in the pretrained vectors.",
        )
