"""The adversarial check in words: how different attention could look, and how common that is."""

from math import log

from attn_audit.formats.numbers import count, counted, mean, mean_percent
from attn_audit.formats.sentences import mass
from attn_audit.results.summary import AdversarialSummary, Distribution

CAVEAT = (
    "That other attention gives the same output does not make the model's own attention wrong: "
    "it shows that the output does not single it out."
)


def in_short(summary: AdversarialSummary, common: Distribution | None) -> tuple[str, ...]:
    """How different attention could look, and how common that is, in short lines.

    Args:
        summary: Of an adversarial check that was run.
        common: Share of an example's permutations within epsilon; None where not run.
    """
    if summary.relative_jsd.mean is None:
        return ("no example could be measured",)
    first = f"could be {mean_percent(summary.relative_jsd)} different with the same output"
    movable = mass.in_short(summary.audited_mass)
    if common is None or common.mean is None:
        return (first, *movable)
    return (first, f"{mean_percent(common)} of random permutations keep it, too", *movable)


def answer(
    summary: AdversarialSummary, epsilon: float, common: Distribution | None
) -> tuple[str, ...]:
    """What the check found, in sentences.

    Args:
        summary: Of an adversarial check that was run.
        epsilon: Largest output distance that counts as the same output.
        common: Share of an example's permutations within epsilon; None where not run.
    """
    if summary.max_jsd.mean is None:
        return ("No example could be measured: see the degenerate examples.",)
    first = (
        f"Attention can be changed by a divergence of {mean(summary.max_jsd)} on average while the "
        f"output stays within {epsilon:g} ({counted(summary.max_jsd.n, 'example')}; 0: the same "
        f"attention, {log(2):.2f}: nothing in common): {mean_percent(summary.relative_jsd)} of "
        "the most that each example allows."
    )
    return (
        first,
        _certainty(summary),
        _common(common),
        CAVEAT,
        mass.sentence(summary.audited_mass),
    )


def _certainty(summary: AdversarialSummary) -> str:
    if summary.n_gradient == 0:
        return "Each is the proven optimum: no search can find attention that differs more."
    searched = f"the best that a search found: more may exist{_limit(summary)}"
    if summary.n_exact == 0:
        return f"Each is {searched}."
    return (
        f"In {counted(summary.n_exact, 'example')} it is the proven optimum, in "
        f"{counted(summary.n_gradient, 'example')} {searched}."
    )


def _limit(summary: AdversarialSummary) -> str:
    """What no adversary can exceed, and for how many examples that is known."""
    bound = summary.upper_bound
    if bound is None or bound.mean is None:
        return ""
    known = f" in {count(bound.n)} examples where a limit is proven"
    where = known if bound.n < summary.max_jsd.n else ""
    return f", but not beyond {mean(bound)} on average{where}"


def _common(common: Distribution | None) -> str:
    if common is None or common.mean is None:
        return "How common alternatives are was not measured: that takes the permutation check."
    return (
        f"How common alternatives are: {mean_percent(common)} of an example's random "
        "permutations keep the output that close as well."
    )
