"""One text explained, in words: what its numbers mean, and no more."""

from collections.abc import Iterator

from attn_audit.formats.numbers import number, percent
from attn_audit.formats.sentences.attention import readout
from attn_audit.formats.sentences.provenance import short
from attn_audit.results.explanation import Explanation
from attn_audit.results.record import STATUS_MEANINGS, Status
from attn_audit.results.thresholds import ALIKE, ENTIRELY, FARTHEST, LARGELY, PARTLY_ALIKE


def facts(found: Explanation) -> Iterator[tuple[str, str]]:
    """What was explained: headings and what belongs to them.

    Args:
        found: Of any text.
    """
    yield "Model", f"{found.model.architecture}; {found.model.source}, {short(found.model.sha256)}"
    yield "Attention", _attention(found)
    cut = ", cut to what the model takes" if found.record["truncated"] else ""
    n_units = found.record["n_units"]
    yield "Text", f"{n_units} {found.unit}{'s' if n_units != 1 else ''}{cut}"
    if found.text_pair is not None:
        yield "Beside it", found.text_pair


def _attention(found: Explanation) -> str:
    known = found.model.findings
    if known is None:
        return "; ".join(found.model.sites)
    layer = found.model.layers[found.layer]
    heads = f"{layer.n_heads} heads averaged" if found.head is None else f"head {found.head}"
    read = "every query row" if found.rows == "all" else readout(known)
    share = f"{percent(found.record['audited_mass'])} of it on the {found.unit}s below"
    return f"layer {found.layer} of 0-{len(found.model.layers) - 1}, {heads}, {read}; {share}"


def tau(found: Explanation, pair: str) -> str:
    """Kendall's tau of a pair of rankings, with its p-value; why there is none.

    Args:
        found: Of any text.
        pair: `attention_gradient`, ...
    """
    value, p_value = found.record[f"tau_{pair}"], found.record[f"p_{pair}"]
    if value is None:
        return f"tau undefined: {_why(found, 'correlation')}"
    known = f" (p {number(p_value, 3)})" if p_value is not None else " (too short for a p-value)"
    return f"tau with attention {number(value)}{known}"


def divergence(found: Explanation) -> str:
    """How far the adversary is, of how far it could be.

    Args:
        found: Of any text.
    """
    jsd, relative = found.record["max_jsd"], found.record["relative_jsd"]
    if jsd is None:
        return _why(found, "adversarial")
    return f"max JSD {number(jsd)}, {percent(relative)} of the possible; epsilon {found.epsilon:g}"


def certainty(found: Explanation) -> str:
    """Whether other attention could be farther still.

    Args:
        found: Of a text whose attention can be moved.
    """
    if found.record["adversarial_method"] == "exact":
        return "the proven optimum"
    if found.record["relative_jsd"] > FARTHEST:
        return "nothing can be farther"
    return "the best that was found: more may exist"


def meaning(found: Explanation) -> str:
    """What it means for this text, in one sentence.

    Args:
        found: Of any text.
    """
    return f"{_movable(found)}{_ranked(found)}."


def _movable(found: Explanation) -> str:
    relative = found.record["relative_jsd"]
    if relative is None:
        return (
            f"Whether attention could lie elsewhere cannot be said ({_why(found, 'adversarial')})"
        )
    kept = f"the output within {found.epsilon:g}"
    singled = "so the output does not single this one out"
    if relative >= ENTIRELY:
        return f"Almost entirely different attention keeps {kept}, {singled}"
    if relative >= LARGELY:
        return f"Very different attention keeps {kept}, {singled}"
    best = "No" if found.record["adversarial_method"] == "exact" else "As far as was searched, no"
    return f"{best} very different attention keeps {kept}"


def _ranked(found: Explanation) -> str:
    names = (("gradients", "attention_gradient"), ("leave-one-out", "attention_leave_one_out"))
    known = [(name, found.record[f"tau_{pair}"]) for name, pair in names]
    taus = [value for _, value in known if value is not None]
    if not taus:
        return ""
    mean = sum(taus) / len(taus)
    how = "ranks the {} much as" if mean >= ALIKE else "ranks the {} partly as"
    how = how if mean >= PARTLY_ALIKE else "does not rank the {} as"
    shown = ", ".join(f"{number(value)} with {name}" for name, value in known if value is not None)
    yardstick = found.record["tau_gradient_leave_one_out"]
    between = "" if yardstick is None else f"; {number(yardstick)} between these two"
    ranks = f"the model's own {how.format(f'{found.unit}s')} the importance measures do"
    return f"; {ranks} (tau {shown}{between})"


def _why(found: Explanation, check: str) -> str:
    statuses = (found.record[f"status_{check}"] or "").split("+")
    known = [STATUS_MEANINGS[Status(status)] for status in statuses if status in set(Status)]
    reasons = [meaning for meaning in known if meaning != STATUS_MEANINGS[Status.MEASURED]]
    return "; ".join(reasons) or "not measured"
