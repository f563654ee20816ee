"""What was found before the first example: leverage by layer, and the fit of the head mix."""

from attn_audit.findings.tolerance import GRADIENT, MARGIN, N_AT_HALF
from attn_audit.results.head_mix import HeadMix
from attn_audit.results.leverage import Leverage
from attn_audit.verification.recomputation import is_number, values_of
from attn_audit.verification.tally import EQUAL, Tally


def compare_layers(stored: Leverage | None, found: Leverage | None, dtype: str) -> list[Tally]:
    """Every value of two tables; where there is only one table, that alone.

    Args:
        dtype: Of the model: `float32`, ...
    """
    if stored is None and found is None:
        return []
    limit, n_texts = MARGIN.at(dtype), 1 if found is None else found.n_texts
    at_half = f"{N_AT_HALF} of the texts, just at half of a margin"
    same = Tally("layers", EQUAL)
    margins = Tally("layers", "leverage by layer", limit.limit, limit.reason)
    shares = Tally("layers", "share of texts decided", N_AT_HALF / n_texts, at_half)
    ours, theirs = (
        None if each is None else each.model_dump(mode="json") for each in (stored, found)
    )
    for path, one, other in values_of("layers", ours, theirs):
        if not (is_number(one) and is_number(other)) or path.endswith((".n", "layer", "n_texts")):
            same.require(None, path, one, other, one == other)
        elif ".matters." in path:
            unit = n_texts if path.endswith(".count") else 1
            shares.compare(None, path, one, other, abs(one - other) / unit)
        else:
            margins.compare(None, path, one, other, abs(one - other) / max(1.0, abs(one)))
    return [same, margins, shares]


def compare_mixes(stored: HeadMix | None, found: HeadMix | None, dtype: str) -> list[Tally]:
    """Every weight of two fits to the same texts, of the largest of them."""
    either = stored or found
    if either is None:
        return []
    limit = GRADIENT.at(dtype)
    same = Tally("head mix", EQUAL)
    weights = Tally("head mix", "weights", limit.limit, limit.reason)
    ours, theirs = (
        None if each is None else each.model_dump(mode="json") for each in (stored, found)
    )
    largest = max((abs(weight) for layer in either.weights for weight in layer), default=0.0)
    for path, one, other in values_of("head_mix", ours, theirs):
        if ".weights" in path and is_number(one) and is_number(other):
            weights.compare(None, path, one, other, abs(one - other) / (largest or 1.0))
        else:
            same.require(None, path, one, other, one == other)
    return [same, weights]
