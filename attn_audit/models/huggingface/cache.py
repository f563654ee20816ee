"""Decoders: the last token again, over the keys and values that the others left in a cache.

In a causal decoder no token attends to a later one, so other attention of the last row changes
nothing but the last token, from any layer on.
"""

import copy

import torch
from torch import Tensor

from attn_audit.models.huggingface.classifier import HuggingFaceClassifier, accepts
from attn_audit.models.huggingface.encoding import IDS, MASK
from attn_audit.models.interception.attention_point import Reached, VariantLogits, Way, Weights
from attn_audit.models.interception.classifier import ModelInputs
from attn_audit.models.interception.mode import Interception
from attn_audit.models.interception.module_calls import UnknownLayoutError


def cache(reached: Reached) -> Way:
    """Run the last token alone, at the given weights over a cache of all others.

    Raises:
        UnknownLayoutError: The model keeps no such cache.
    """
    classifier, inputs, last = reached.classifier, reached.inputs, reached.rows
    if not isinstance(classifier, HuggingFaceClassifier) or last.shape[1] != 1:
        raise UnknownLayoutError
    needed = ("past_key_values", "position_ids", MASK)
    if not all(accepts(classifier.module, argument) for argument in needed):
        raise UnknownLayoutError
    with torch.no_grad():
        left = classifier.call(inputs, use_cache=True).past_key_values
    step = _last_token(inputs, last)

    def replay(weights: Weights) -> VariantLogits:
        times = weights.shape[1]
        given = _with_last_behind(weights, last, inputs.n_positions).flatten(0, 1)

        def visit(number: int, own: Tensor, scores: Tensor | None) -> Tensor:
            shaped: Tensor = given.reshape(own.shape)  # grouped queries may be folded in a row
            return shaped

        mode = Interception(len(given), visit, wanted=[reached.point.number])
        with mode.active():
            own_cache = copy.deepcopy(left)
            own_cache.batch_repeat_interleave(times)
            output = classifier.call(step.repeat(times), past_key_values=own_cache, use_cache=True)
        logits = classifier.logits_of(output)
        return logits.reshape(-1, times, logits.shape[-1])

    return replay


def _last_token(inputs: ModelInputs, last: Tensor) -> ModelInputs:
    """The last token alone. It is in the cache too: hidden there, it comes behind the others."""
    hidden = inputs.keywords[MASK].scatter(1, last, 0)
    return ModelInputs(
        (),
        {
            IDS: inputs.keywords[IDS].gather(1, last),
            MASK: torch.cat([hidden, torch.ones_like(last)], dim=1),
            "position_ids": last,
        },
        inputs.units.gather(1, last),
        torch.ones_like(last, dtype=torch.bool),
    )


def _with_last_behind(weights: Weights, last: Tensor, n_positions: int) -> Tensor:
    """Move the weight of the last token's own key to a new key behind all others."""
    index = last[:, None, None, None].expand(*weights.shape[:3], 1, 1)
    own = weights.gather(-1, index)
    others = weights[..., :n_positions].scatter(-1, index, 0)
    return torch.cat([others, own, weights[..., n_positions:]], dim=-1)
