"""Which attention was audited, in words: of which layer and heads, read out where, over what."""

from attn_audit.results.description import Findings, ModelDescription
from attn_audit.results.report import Report, Settings


def audited_attention(report: Report) -> str:
    """The audited site: `layer 5 of 0-5 (bert...self), 12 heads averaged, read out at ...`.

    Args:
        report: Any report.
    """
    model, settings = report.model, report.settings
    if model.findings is None:
        return "; ".join(model.sites)
    read = "every query row" if settings.rows == "all" else readout(model.findings)
    return f"{_layer(model, settings.layer)}, {_heads(model, settings)}, {read}"


def readout(findings: Findings) -> str:
    """Where the attention that reaches the output is read.

    Args:
        findings: Of a model that was tried out.

    Example:
        >>> known = dict(replay="row", replay_error=0.0, special_share=0.0, masking_leaks=False)
        >>> readout(Findings(readout="first token", removal="mask", **known))
        'read out at the first token'
        >>> readout(Findings(readout="every token", removal="mask", **known))
        'read out at every token'
    """
    article = "the " if findings.readout in ("first token", "last token") else ""
    return f"read out at {article}{findings.readout}"


def units(settings: Settings, *, is_pair: bool) -> str:
    """What was ranked, moved and left out.

    Args:
        settings: Of the audit.
        is_pair: Whether the model takes a second text.
    """
    return f"{settings.unit}s of the first text" if is_pair else f"{settings.unit}s"


def _layer(model: ModelDescription, index: int) -> str:
    name = model.layers[index].name
    last = len(model.layers) - 1
    return f"layer {index} of 0-{last} ({name})" if last else f"the only layer ({name})"


def _heads(model: ModelDescription, settings: Settings) -> str:
    n_heads = model.layers[settings.layer].n_heads
    if n_heads == 1:
        return "one head"
    if settings.head is None:
        return f"{n_heads} heads averaged"
    return f"head {settings.head} of 0-{n_heads - 1}"
