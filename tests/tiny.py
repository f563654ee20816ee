"""Small random models of the paper's families, built in memory, and texts for them."""

import itertools
import random
from dataclasses import replace

import torch

from attn_audit.data.example import Example
from attn_audit.models.paper.checkpoint import MARKERS, Checkpoint, Tokenizer, Vocabulary
from attn_audit.models.paper.classifier import PaperClassifier, PaperModel
from attn_audit.models.paper.network import (
    Activation,
    Architecture,
    AttentionKind,
    AttentionPoolingNetwork,
    EncoderKind,
)
from attn_audit.models.task import TASKS, TaskKind

WORDS = tuple(f"w{i}" for i in range(4, 40))
KINDS = tuple(itertools.product(EncoderKind, AttentionKind, (False, True)))
"""Every encoder with every attention, for single texts and pairs."""

_ACTIVATIONS = {
    EncoderKind.BILSTM: Activation.LINEAR,
    EncoderKind.CNN: Activation.RELU,
    EncoderKind.AVERAGE: Activation.TANH,
}


def tiny_model(
    encoder: EncoderKind = EncoderKind.BILSTM,
    attention: AttentionKind = AttentionKind.ADDITIVE,
    *,
    is_pair: bool = False,
    kind: TaskKind = TaskKind.BINARY,
    n_labels: int = 2,
    seed: int = 0,
    scale: float = 3.0,
) -> PaperModel:
    """A random model whose weights are large enough for peaked attention and varied outputs."""
    torch.manual_seed(seed)
    task = TASKS[kind](tuple(f"label{i}" for i in range(n_labels)))
    architecture = Architecture(
        encoder=encoder,
        attention=attention,
        is_pair=is_pair,
        vocabulary_size=len(MARKERS) + len(WORDS),
        embedding_size=10,
        hidden_size=4 if encoder is EncoderKind.CNN else 8,
        n_logits=task.n_logits,
        activation=_ACTIVATIONS[encoder],
    )
    network = AttentionPoolingNetwork(architecture)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(scale)
    words = Tokenizer.WHITESPACE, Vocabulary([*MARKERS, *WORDS])
    checkpoint = Checkpoint("in memory", architecture, task, *words, weights={})
    return PaperModel(PaperClassifier(network, checkpoint))


def checkpoint_of(model: PaperModel, **changes: object) -> Checkpoint:
    """All that a model is made of, to be saved."""
    network, words = model.network, (model.tokenizer, model.vocabulary)
    weights = network.state_dict()
    made = Checkpoint("in memory", network.architecture, model.task, *words, weights)
    return replace(made, **changes)  # type: ignore[arg-type]


def tiny_examples(
    n_examples: int, *, is_pair: bool = False, seed: int = 0, lengths: tuple[int, int] = (1, 15)
) -> list[Example]:
    """Random texts of words that the tiny models know, none twice in a text."""
    draw = random.Random(seed)

    def text(low: int, high: int) -> str:
        return " ".join(draw.sample(WORDS, draw.randint(low, high)))

    return [
        Example(
            id=f"example-{i}",
            text=text(*lengths),
            text_pair=text(2, 6) if is_pair else None,
        )
        for i in range(n_examples)
    ]
