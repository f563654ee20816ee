"""What one recorded pass shows of a model's attentions."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool
from torch import Tensor

from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.models.interception.mode import Interception, Sight
from attn_audit.models.interception.script import Recording
from attn_audit.shapes import Logits

MASKED = 1e3
"""A score this far below its row's largest was masked: covers the least numbers of all types,
1e30 (XLNet), 1e6 (Funnel) and 1e4 added to the score (GPT-1, CTRL). Weights themselves may
underflow where nothing is masked."""


@dataclass(frozen=True)
class Observed:
    """One attention in one pass."""

    shape: tuple[int, int, int, int]
    """Batch, head, query, key."""
    weights: Tensor
    admissible: Bool[Tensor, "batch head query key"] | None
    """None where the scores are not seen."""

    @property
    def is_causal(self) -> bool:
        """Whether its queries are positions that attend to none after them."""
        n_queries, n_keys = self.shape[2:]
        if self.admissible is None or n_queries != n_keys or n_queries == 1:
            return False
        return not bool(self.admissible.triu(1).any())


@dataclass(frozen=True)
class Observation:
    """A pass over one batch: its module calls, and every attention of a known layout."""

    inputs: ModelInputs
    logits: Logits
    recording: Recording
    attentions: dict[int, Observed] = field(default_factory=dict)
    """By number in call order."""
    sight: Sight = field(default_factory=Sight)
    shapes: dict[int, tuple[torch.Size, int]] = field(default_factory=dict)
    """Of the weights of every attention, those of an unknown layout too, and the keys' axis."""
    n_flat: int = 0
    """Softmaxes of tensors that have no axis but the keys'."""


def admissible_keys(scores: Tensor) -> Bool[Tensor, "batch head query key"]:
    """The keys that each query may attend to: those whose score was not masked.

    Args:
        scores: Before the softmax.
    """
    scores = scores.detach()
    return scores > scores.amax(-1, keepdim=True) - MASKED


@torch.no_grad()
def observe(classifier: Classifier, inputs: ModelInputs, sight: Sight | None = None) -> Observation:
    """Run the model once, and record everything.

    Args:
        classifier: The model.
        inputs: A batch.
        sight: How its attentions are seen.
    """
    attentions: dict[int, Observed] = {}
    shapes: dict[int, tuple[torch.Size, int]] = {}

    def visit(number: int, weights: Tensor, scores: Tensor | None) -> None:
        batch, head, query, key = weights.shape
        admissible = None if scores is None else admissible_keys(scores)
        attentions[number] = Observed((batch, head, query, key), weights, admissible)

    recording = Recording()
    mode = Interception(
        len(inputs),
        visit,
        sight=sight,
        on_attention=recording.see_attention,
        on_weights=lambda number, shape, key: shapes.update({number: (shape, key)}),
    )
    # The mode's hook comes first: a module whose output is attention is still under way then.
    with mode.active(), recording.of(classifier.module):
        logits = classifier.logits(inputs)
    return Observation(inputs, logits, recording, attentions, sight or Sight(), shapes, mode.n_flat)
