"""What one pass shows of a model's attentions, and why none of them can be audited."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.distances import Logits
from attn_audit.errors import UnsupportedModelError
from attn_audit.models.interception.attention_calls import Interception, Sight
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.models.interception.module_calls import Recording

MASKED = 1e3
"""A score this far below its row's largest was masked: covers the least numbers of all types,
1e30 (XLNet), 1e6 (Funnel) and 1e4 added to the score (GPT-1, CTRL). Weights themselves may
underflow where nothing is masked."""


@dataclass(frozen=True)
class ObservedAttention:
    """One attention in one pass."""

    weights: Float[Tensor, "batch head query key"]
    admissible: Bool[Tensor, "batch head query key"] | None
    """None where the scores are not seen."""

    @property
    def shape(self) -> torch.Size:
        """Batch, head, query, key."""
        return self.weights.shape

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
    attentions: dict[int, ObservedAttention] = field(default_factory=dict)
    """By number in call order."""
    sight: Sight = field(default_factory=Sight)
    shapes: dict[int, tuple[torch.Size, int]] = field(default_factory=dict)
    """Of the weights of every attention, those of an unknown layout too, and the keys' axis."""
    n_flat: int = 0
    """Softmaxes of tensors that have no axis but the keys'."""


def admissible_keys(scores: Tensor) -> Bool[Tensor, "batch head query key"]:
    """The keys that each query may attend to: those whose score was not masked."""
    scores = scores.detach()
    return scores > scores.amax(-1, keepdim=True) - MASKED


@torch.no_grad()
def observe(classifier: Classifier, inputs: ModelInputs, sight: Sight | None = None) -> Observation:
    """Run the model once, and record everything."""
    attentions: dict[int, ObservedAttention] = {}
    shapes: dict[int, tuple[torch.Size, int]] = {}

    def visit(number: int, weights: Tensor, scores: Tensor | None) -> None:
        admissible = None if scores is None else admissible_keys(scores)
        attentions[number] = ObservedAttention(weights, admissible)

    def note(number: int, shape: torch.Size, key: int) -> None:
        recording.see_attention()
        shapes[number] = shape, key

    recording = Recording()
    mode = Interception(len(inputs), visit, sight=sight, on_weights=note)
    # The mode's hook comes first: a module whose output is attention is still under way then.
    with mode.active(), recording.of(classifier.module):
        logits = classifier.logits(inputs)
    return Observation(inputs, logits, recording, attentions, sight or Sight(), shapes, mode.n_flat)


LOAD_INSTEAD = (
    "Load the model with --attention-implementation sdpa or eager (attn_implementation in memory)."
)
_UNSEEN = ("flash", "flex")


class NothingSeenError(UnsupportedModelError):
    """The model computes by nothing that attention can be seen in, if it has any.

    What needs no attention can be audited all the same.
    """


class AttentionOutOfReachError(UnsupportedModelError):
    """Attention is seen, and reaches the output in none of the texts that were tried.

    Of other texts that is not said: where one word decides, attention matters in few of them.
    """

    def __init__(
        self, n_tried: int, find: Callable[[Sequence[Example]], tuple[list[Example], int]]
    ) -> None:
        """Say so.

        Args:
            find: Gives those of other texts in which attention reaches the output, and how many it
                tried until it met them.
        """
        who = f"none of the {n_tried} texts that were tried lets"
        super().__init__(
            f"{'the one text that was tried does not let' if n_tried == 1 else who} attention "
            "reach the output",
            hint="In a module of your own, look for detach() or torch.no_grad() behind it. Where "
            "attention acts in few texts, begin the data with one of them.",
        )
        self._n_tried, self._find = n_tried, find

    def texts_in_reach(self, others: Sequence[Example]) -> list[Example]:
        """Those of some other texts in which attention does reach the output, at least one.

        Raises:
            AttentionOutOfReachError: It does in none of them either.
        """
        found, n_tried = self._find(others)
        if not found:
            raise AttentionOutOfReachError(self._n_tried + n_tried, self._find) from None
        return found


def nothing_seen(
    module: nn.Module,
    observation: Observation,
    shorter: Observation | None,
    within: nn.Module | None,
) -> UnsupportedModelError:
    """The error for a model without any attention whose keys are the tokens of the input."""
    kind = type(module).__name__
    implementation = str(getattr(getattr(module, "config", None), "_attn_implementation", ""))
    if any(name in implementation for name in _UNSEEN):
        return NothingSeenError(
            f"{kind} computes its attention with {implementation!r}, which cannot be looked into",
            hint=LOAD_INSTEAD,
        )
    if within is not None:
        return UnsupportedModelError(
            f"{type(within).__name__}, named to look in, neither computes a softmax over the "
            "tokens nor returns weights over them",
            hint="Name the submodule that computes the attention, or whose output it is.",
        )
    if observation.attentions:
        return UnsupportedModelError(
            f"{kind} has no attention with one weight for each token: "
            f"{_instead(observation, shorter)}",
            hint="Let the module compute one weight for each column of its input, or name the "
            "submodule that does: attention=..."
            if observation.sight.is_tried
            else "Where the model has a dense mode (BigBird: attention_type='original_full'), "
            "load it with that.",
        )
    if observation.shapes:
        listed = ", ".join("x".join(map(str, shape)) for shape, _ in observation.shapes.values())
        return UnsupportedModelError(
            f"{kind} computes weights of which it cannot be told what their axes are: {listed}, "
            f"for one text of {observation.inputs.n_positions} tokens",
            hint="Let it compute them with the batch along an axis of its own, or along one with "
            "the heads.",
        )
    if observation.n_flat:
        return UnsupportedModelError(
            f"{kind} computes its softmax along the only axis of a tensor: it works through the "
            "texts one by one, or drops the batch's axis where there is one text",
            hint="Let it keep the batch along an axis of its own: squeeze(-1), not squeeze().",
        )
    return NothingSeenError(
        f"{kind} calls neither a softmax nor scaled_dot_product_attention over its tokens",
        hint=f"A transformer: {LOAD_INSTEAD[0].lower()}{LOAD_INSTEAD[1:]} An adapter's module: "
        "name the submodule whose output is the attention (attention=...).",
    )


def laid_out_otherwise(module: nn.Module, n_rows: int) -> UnsupportedModelError:
    """The error for attention that a trial found, and another batch does not have."""
    return UnsupportedModelError(
        f"{type(module).__name__} computes its attention in another way, or not at all, in "
        f"{'one of the texts' if n_rows == 1 else f'a batch of {n_rows}'}: it has other columns, "
        "axes or calls there than in the texts that it was tried out on",
        hint="Audit texts of one kind, or let the module compute one weight for each column of its "
        "input in every text, the batch along one axis.",
    )


def _instead(observation: Observation, shorter: Observation | None) -> str:
    """What the weights stand for, as far as two lengths of text show it."""
    every = observation.attentions
    n_tokens = observation.inputs.n_positions
    both = {n for n in every if shorter is not None and n in shorter.attentions}
    if shorter is None or not both:
        listed = ", ".join(sorted({"x".join(map(str, seen.shape[1:])) for seen in every.values()}))
        return (
            "it computes its attention in chunks, windows or over pooled tokens (heads x queries x "
            f"keys: {listed}, for {n_tokens} tokens)"
        )
    sizes = {every[n].shape[3] for n in both}
    n_fewer = n_tokens - shorter.inputs.n_positions
    more = {every[n].shape[3] - shorter.attentions[n].shape[3] for n in both}
    columns = f"{', '.join(map(str, sorted(sizes)))} columns for {n_tokens} tokens"
    if more == {0}:
        return (
            f"{columns}, and as many for {n_tokens - n_fewer}: labels, slots of a memory, windows, "
            "or tokens that are pooled"
        )
    if n_fewer in more:
        return (
            "its columns grow with the text, and some token has none that may be attended to "
            f"({columns})"
        )
    several = [n // n_fewer for n in more if n > n_fewer and n % n_fewer == 0]
    if several:
        return f"it has {max(several)} for each ({columns})"
    return f"its columns do not grow one by one with the text: tokens are pooled ({columns})"
