"""A HuggingFace classifier behind the contract: what shares a batch, and what fails by itself.

Decoders have a cheap replay of their own: the last token again, over the keys and values that the
others left in a cache. In a causal decoder no token attends to a later one, so other attention of
the last row changes nothing but the last token, from any layer on.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import compress
from typing import Any

import torch
from jaxtyping import TypeCheckError

from attn_audit.data.example import Example
from attn_audit.distances import VariantLogits
from attn_audit.errors import AttnAuditError, AuditFailedError, UnsupportedModelError
from attn_audit.models.contract import EncodedExample, coarsest_dtype
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier, accepts, copied
from attn_audit.models.huggingface.encoding import EncodedTokens, Side
from attn_audit.models.huggingface.output import MASK, PLACES
from attn_audit.models.interception.attention_point import AttentionTrace, Way, Weights
from attn_audit.models.interception.classifier import NOT_AUDITED, ModelInputs
from attn_audit.models.interception.erased_logits import Sharing
from attn_audit.models.interception.model import InterceptedModel, RemovalName
from attn_audit.models.interception.module_calls import UnknownLayoutError
from attn_audit.models.interception.replay import CHEAPEST_FIRST, handed_on, mixtures_of
from attn_audit.models.self_check import TOLERANCES, Trial, rounding
from attn_audit.models.task import place
from attn_audit.numbers import counted
from attn_audit.quoting import one_line
from attn_audit.results.model_description import ModelDescription


def cache(trace: AttentionTrace) -> Way:
    """Push the last token's mixture through what follows, over a cache of all others.

    Raises:
        UnknownLayoutError: The model keeps no such cache, or more than one row is read.
    """
    classifier, inputs, rows = trace.classifier, trace.inputs, trace.rows
    if not isinstance(classifier, HuggingFaceClassifier):
        raise UnknownLayoutError
    needed = ("past_key_values", PLACES, MASK)
    if not all(accepts(classifier.module, argument) for argument in needed):
        raise UnknownLayoutError
    mixtures = mixtures_of(trace)
    with torch.no_grad():
        left = classifier.kept_prefixes(inputs)
    if any(layer.keys.shape[-2] != inputs.n_positions for layer in left.layers):
        raise UnknownLayoutError  # of a text that a window does not hold it keeps the end alone

    @lru_cache(maxsize=1)
    def repeated(times: int) -> tuple[Any, ModelInputs]:
        kept = copied(left)
        kept.batch_repeat_interleave(times)
        # The last token is in the cache too: hidden there, it comes behind the others.
        return kept, classifier.behind(inputs, rows[:, 0], inputs.n_positions).repeat(times)

    def replay(weights: Weights) -> VariantLogits:
        times = weights.shape[1]
        kept, step = repeated(times)
        own = copied(kept)
        with handed_on(trace.point, trace.outputs, inputs, rows[:, 0], mixtures(weights), times):
            output = classifier.call(step, past_key_values=own, use_cache=True)
        logits = classifier.task.from_outputs(classifier.output.read(output, step))
        return logits.reshape(-1, times, logits.shape[-1])

    return replay


_ROW, *_OTHERS = CHEAPEST_FIRST
WAYS = (_ROW, ("cache", cache), *_OTHERS)

_NOT_ITS_OWN = (AttnAuditError, TypeCheckError, MemoryError, torch.OutOfMemoryError)
"""What a pass may raise that is no fault of the module's."""


class HuggingFaceModel(InterceptedModel):
    """An intercepted model whose padding was tried out, and whose own failures are named as such.

    Where padding changes a text's output, texts of one length are audited together, as far as a
    trial shows that each is then what it is alone.

    Raises:
        UnsupportedModelError: Its attention cannot be audited, or the module fails.
    """

    classifier: HuggingFaceClassifier

    def __init__(
        self,
        classifier: HuggingFaceClassifier,
        trial: Sequence[Example],
        removal: RemovalName | None = None,
        *,
        is_blind: bool = False,
    ) -> None:
        unlabelled = classifier.encode_unlabelled(trial)
        encoded = [item for item in unlabelled if isinstance(item, EncodedTokens)]
        failure = own_failure(classifier, encoded)
        if failure is not None:
            raise UnsupportedModelError(failure, hint=_IN_TRANSFORMERS)
        longest = max(encoded, key=lambda item: item.n_units)
        # Texts of one length would show nothing of padding.
        is_padded = choose_padding_side(classifier, [*encoded, _first_half(longest)])
        texts = trial if is_padded else [longest.example]
        super().__init__(classifier, texts, removal, ways=WAYS, is_blind=is_blind)
        self.asked = classifier.asked
        if not is_padded:
            self.pads_texts = False
            self.sharing = Sharing.LENGTHS
            self.not_shared_because = "padding changes its output for a text"
            if not self._lengths_share(encoded):
                self.batches_texts = False
                self.sharing = Sharing.VARIANTS
                self.not_shared_because = "its output for a text changes with the texts beside it"

    def describe(self) -> ModelDescription:
        """With what was seen where a prompt and its texts meet."""
        description = super().describe()
        tried = self._trial.encoded
        merged = sum(isinstance(item, EncodedTokens) and item.is_merged for item in tried)
        if not merged:
            return description
        texts = counted(len(tried), "text")
        said = f"the tokens that hold letters of both, in {merged} of {texts} tried, are the text's"
        details = {**description.details, "prompt and text": said}
        return description.model_copy(update={"details": details})

    @torch.no_grad()
    def _lengths_share(self, encoded: Sequence[EncodedTokens]) -> bool:
        """Whether each text is what it is alone, beside one of other tokens and the same length."""
        site, limit = self.default_site, rounding(self)
        for item in encoded:
            pair = [item, _turned(item)]
            alone = [self.read(self.collate([one]), [site])[0] for one in pair]
            batch = self.collate(pair)
            (reading,) = self.read(batch, [site])
            trial = Trial(self, site, batch, reading)
            gap = (reading.attention - torch.cat([one.attention for one in alone])).abs()
            is_off = trial.deviation(torch.cat([one.logits for one in alone])) > limit
            if is_off or bool((gap > limit).any()):
                return False
        return True

    @contextmanager
    def _guard(self, encoded: Sequence[EncodedExample]) -> Iterator[None]:
        """Within: what the module raises when nothing is intercepted either is called its own."""
        try:
            yield
        except _NOT_ITS_OWN:
            raise
        except Exception as error:
            failure = own_failure(self.classifier, encoded)
            if failure is None:
                raise
            raise AuditFailedError(failure, hint=_IN_TRANSFORMERS) from error


_IN_TRANSFORMERS = (
    "It fails so without attn-audit too. Load it with transformers and call it on such a text."
)


@torch.no_grad()
def own_failure(classifier: HuggingFaceClassifier, encoded: Sequence[EncodedExample]) -> str | None:
    """At which text the module fails by itself, and what it says; None where it does not."""
    for item in encoded:
        inputs = classifier.collate([item])
        try:
            classifier.logits(inputs)
        except _NOT_ITS_OWN:
            raise
        except Exception as error:
            return (
                f"{type(classifier.module).__name__} of transformers itself fails at "
                f"{place(item.example)}: {type(error).__name__}: {one_line(error)}"
            )
    return None


MAX_ERROR = 1e-2
"""Of the spread of the logits: reading at the wrong position is off by about the spread itself."""


@torch.no_grad()
def choose_padding_side(
    classifier: HuggingFaceClassifier, encoded: Sequence[EncodedTokens]
) -> bool:
    """Pad on the right, or on the left if only then a padded text gives what it gives alone.

    Encoders that read the first token must be padded right; most decoders find their last token
    themselves; a few models (XLNet) read the last position, whatever stands there.

    Returns:
        Whether padding then changes nothing but by rounding. It does in ConvBERT, MobileBERT and
        Nyströmformer, which mix neighbours.
    """
    task = classifier.task
    limit = TOLERANCES[coarsest_dtype(classifier.module)]
    sides: tuple[Side, ...] = ("right", "left")
    found: list[tuple[float, bool, Side]] = []
    for side in sides:
        classifier.padding_side = side
        together = classifier.logits(classifier.collate(encoded))
        alone = torch.cat([classifier.logits(classifier.collate([item])) for item in encoded])
        change = (together - alone).abs()
        spread = float(alone.amax() - alone.amin())
        error = float(change.max()) / max(spread, torch.finfo(alone.dtype).tiny)
        # As the self-check measures it.
        moved = task.distance(task.probabilities(together), task.probabilities(alone))
        change = change.amax(dim=1) / alone.abs().amax(dim=1).clamp_min(1)
        found.append((error, max(float(moved.max()), float(change.max())) <= limit, side))
        if error <= MAX_ERROR:
            break
    _, is_exact, classifier.padding_side = min(found, key=lambda each: each[0])
    return is_exact


def _first_half(text: EncodedTokens) -> EncodedTokens:
    """The beginning of a text, with all that stands around it."""
    half = max(1, text.n_units // 2)
    kept = [unit < half for unit in text.unit_of_position]
    return dataclasses.replace(
        text,
        units=text.units[:half],
        unit_of_position=tuple(compress(text.unit_of_position, kept)),
        token_ids=tuple(compress(text.token_ids, kept)),
        token_type_ids=tuple(compress(text.token_type_ids, kept)),
        following=tuple(compress(text.following, kept)),
    )


def _turned(text: EncodedTokens) -> EncodedTokens:
    """A text of the same length, its audited tokens in the opposite order."""
    ids = list(text.token_ids)
    held = [i for i, unit in enumerate(text.unit_of_position) if unit != NOT_AUDITED]
    for i, j in zip(held, reversed(held), strict=True):
        ids[i] = text.token_ids[j]
    return dataclasses.replace(text, token_ids=tuple(ids))
