"""A model's description on a terminal: what it is, and what can be audited of it."""

from collections.abc import Iterator

from rich.console import Console, Group
from rich.text import Text

from attn_audit.formats.numbers import count
from attn_audit.formats.sentences import findings
from attn_audit.formats.sentences.attention import readout
from attn_audit.formats.sentences.layers import kinds
from attn_audit.formats.sentences.overview import task
from attn_audit.formats.sentences.provenance import short
from attn_audit.formats.terminal.look import FAINT, WIDEST, Trimmed, heading, indented
from attn_audit.formats.terminal.opening import pairs
from attn_audit.results.description import Findings, ModelDescription


def render(description: ModelDescription, console: Console) -> None:
    """Print what `attn-audit inspect` knows of a model.

    Args:
        description: Of any model.
        console: Where to.
    """
    parts = (
        heading("Model"),
        indented(pairs(facts(description), FAINT)),
        Text(""),
        heading("What can be audited"),
        indented(pairs(auditable(description), "bold")),
    )
    console.print(Trimmed(Group(*parts)), width=min(console.width, WIDEST))


def facts(description: ModelDescription) -> tuple[tuple[str, str], ...]:
    """What the model is: headings and what belongs to them.

    Args:
        description: Of any model.
    """
    details = "; ".join(f"{name} {_detail(value)}" for name, value in description.details.items())
    takes = "a text and a second one (pairs)" if description.takes_pairs else "single texts"
    return (
        ("Model", description.architecture),
        ("Source", description.source),
        ("Format", f"{description.format}, sha256 {short(description.sha256)}"),
        ("Task", task(description)),
        ("Input", takes),
        ("Size", f"{count(description.n_parameters)} parameters, {description.dtype}"),
        ("Details", details or "none"),
    )


def auditable(description: ModelDescription) -> tuple[tuple[str, str], ...]:
    """Where attention is read, and what each check can do with this model.

    Args:
        description: Of any model.
    """
    found = description.findings
    known = [("Attention", "; ".join(description.sites))] if found is None else []
    removal = "" if found is None else f" ({findings.removal(found)})"
    return (
        *known,
        *(_tried_out(description, found) if found else ()),
        ("correlation", _correlation(found, removal)),
        ("permutation", "yes"),
        ("adversarial", _adversarial(description)),
    )


def _tried_out(description: ModelDescription, found: Findings) -> Iterator[tuple[str, str]]:
    """What a few texts showed of the attention: headings and what belongs to them."""
    for i, kind in enumerate(kinds(description.layers)):
        yield "" if i else "Attention", kind
    last = description.layers[description.default_layer].name
    yield "Default", f"layer {description.default_layer} ({last}), {readout(found)}"
    yield "Readout", _linearity(description)
    yield "Special", findings.special_share(found)
    yield "Replay", findings.replay(found)
    yield "Masking", findings.masking(found)
    if found.places_are_told is not None:  # of the models that were tried out in batches too
        yield "Columns", findings.columns(found)
        yield "Batches", findings.batching(found)


def _correlation(found: Findings | None, removal: str) -> str:
    if found is None or found.no_gradient_because is None:
        return f"yes: with gradients and with leave-one-out{removal}"
    return (
        f"with leave-one-out alone{removal} (--measures leave_one_out): {found.no_gradient_because}"
    )


def _linearity(description: ModelDescription) -> str:
    return f"{'linear' if description.linear_readout else 'not linear'} in the attention weights"


def _adversarial(description: ModelDescription) -> str:
    """As the check itself decides: exact where one number is linear in the weights."""
    one_number = description.task == "binary" or (
        description.task in ("multiclass", "candidates") and len(description.labels) == 2
    )
    if description.linear_readout and one_number:
        return "yes, exactly: the proven optimum, no search"
    if description.linear_readout:
        return "yes, by gradient search, with an upper bound on what any search could find"
    return "yes, by gradient search: more than it finds may exist"


def _detail(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return count(value) if isinstance(value, int) else str(value)
