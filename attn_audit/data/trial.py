"""The few texts that a model is tried out on before it is audited."""

from collections.abc import Sequence

from attn_audit.data.example import Example

N_PEEKED = 32
"""Examples at the beginning of the data, among which the texts of the trial are chosen."""

N_TRIAL = 3

MIN_CHARACTERS = 12
"""Shorter texts may be one unit: they tell nothing of where a model looks."""


def choose_trial(examples: Sequence[Example]) -> tuple[Example, ...]:
    """A few texts of different lengths, none of them longer than most.

    The trial of a transformer takes some 30 passes: how long its texts are decides how soon the
    audit begins, and that they differ is what shows its padding.

    Args:
        examples: The first of the data.
    """
    ordered = sorted(examples, key=_n_characters)
    telling = [e for e in ordered if _n_characters(e) >= MIN_CHARACTERS]
    candidates = telling if len(telling) >= N_TRIAL else ordered
    last = max(min(N_TRIAL, len(candidates)) - 1, len(candidates) // 4)
    ranks = sorted({last * i // (N_TRIAL - 1) for i in range(N_TRIAL)})
    return tuple(candidates[rank] for rank in ranks if rank < len(candidates))


def _n_characters(example: Example) -> int:
    return len(example.text) + len(example.text_pair or "")
