"""A tiny task that every model of the paper can learn in a second."""

import random
from collections.abc import Callable, Sequence

import pytest
import torch

from attn_audit.data.example import Example
from attn_audit.models.paper.training.loop import TrainedModel, TrainingSettings, train

FILLERS = tuple(f"filler{i}" for i in range(12))
DECIDING = {"bad": "negative", "good": "positive", "so-so": "neutral"}

Make = Callable[..., list[Example]]
Train = Callable[..., TrainedModel]


@pytest.fixture
def make_examples() -> Make:
    """Texts of random words with one among them that decides the label."""

    def make(n: int, *, seed: int = 0, n_labels: int = 2, is_pair: bool = False) -> list[Example]:
        draw = random.Random(seed)
        examples = []
        for i in range(n):
            deciding = draw.choice(list(DECIDING)[:n_labels])
            words = [*draw.choices(FILLERS, k=draw.randint(1, 6)), deciding]
            draw.shuffle(words)
            pair = " ".join(draw.choices(FILLERS, k=3)) if is_pair else None
            examples.append(
                Example(f"{seed}-{i}", " ".join(words), pair, (DECIDING[deciding],), None, f"x:{i}")
            )
        return examples

    return make


@pytest.fixture
def train_on() -> Train:
    """Training with small, fast settings; keywords change them."""

    def train_small(
        examples: Sequence[Example], dev: Sequence[Example], **changes: object
    ) -> TrainedModel:
        small: dict[str, object] = {
            "hidden_size": 8,
            "embedding_size": 8,
            "learning_rate": 1e-2,
            "epochs": 15,
        }
        settings = TrainingSettings(**(small | changes))  # type: ignore[arg-type]
        return train(settings, examples, dev, torch.device("cpu"))

    return train_small
