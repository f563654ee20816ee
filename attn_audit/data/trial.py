"""The few texts that a model is tried out on before it is audited."""

from collections.abc import Sequence

from attn_audit.data.example import Example

N_PEEKED = 32
"""Examples at the beginning of the data, among which the texts of the trial are chosen."""

N_TRIAL = 3

SHORT = 6
"""One text in so many is short enough."""

MIN_CHARACTERS = 24
"""Of what attention is read over: less may be one or two units, which tell little."""


def choose_trial(examples: Sequence[Example]) -> tuple[Example, ...]:
    """A few of the shorter texts, of different lengths.

    The trial of a transformer takes some 30 passes: how long its texts are decides how soon the
    audit begins, and that they differ is what shows its padding.

    Args:
        examples: The first of the data.
    """
    by_text = sorted(examples, key=lambda example: len(example.text))
    n_telling = sum(len(example.text) >= MIN_CHARACTERS for example in examples)
    candidates = sorted(by_text[-max(N_TRIAL, n_telling) :], key=_n_characters)
    n_short = max(N_TRIAL, len(candidates) // SHORT)
    step = max(1, (n_short - 1) // (N_TRIAL - 1))
    return tuple(candidates[:n_short:step][:N_TRIAL])


def _n_characters(example: Example) -> int:
    return len(example.text) + len(example.text_pair or "")
