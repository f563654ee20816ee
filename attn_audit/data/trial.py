"""The few texts that a model is tried out on before it is audited."""

from collections.abc import Sequence

from attn_audit.data.example import Example

N_PEEKED = 32
"""Examples at the beginning of the data, among which the texts of the trial are chosen."""

N_TRIAL = 3

SHORT = 6
"""One text in so many is short enough."""

MIN_CHARACTERS = 12
"""Shorter texts may be one unit: they tell nothing of where a model looks."""


def choose_trial(examples: Sequence[Example]) -> tuple[Example, ...]:
    """A few of the shorter texts, of different lengths.

    The trial of a transformer takes some 30 passes: how long its texts are decides how soon the
    audit begins, and that they differ is what shows its padding.

    Args:
        examples: The first of the data.
    """
    ordered = sorted(examples, key=_n_characters)
    telling = [e for e in ordered if _n_characters(e) >= MIN_CHARACTERS]
    candidates = telling if len(telling) >= N_TRIAL else ordered
    n_short = max(N_TRIAL, len(candidates) // SHORT)
    step = max(1, (n_short - 1) // (N_TRIAL - 1))
    return tuple(candidates[:n_short:step][:N_TRIAL])


def _n_characters(example: Example) -> int:
    return len(example.text) + len(example.text_pair or "")
