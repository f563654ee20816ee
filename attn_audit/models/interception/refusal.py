"""Why no attention of a model can be audited, and what to load instead."""

from torch import nn

from attn_audit.errors import UnsupportedModelError
from attn_audit.models.interception.observing import Observation

LOAD_INSTEAD = "Load the model with attn_implementation='sdpa' or 'eager'."
_UNSEEN = ("flash", "flex")


def nothing_seen(
    module: nn.Module,
    observation: Observation,
    shorter: Observation | None,
    within: nn.Module | None,
) -> UnsupportedModelError:
    """The error for a model without any attention whose keys are the tokens of the input.

    Args:
        module: The model.
        observation: A pass over a few texts.
        shorter: Over a shorter text.
        within: The submodule that was named to look in.
    """
    kind = type(module).__name__
    implementation = str(getattr(getattr(module, "config", None), "_attn_implementation", ""))
    if any(name in implementation for name in _UNSEEN):
        return UnsupportedModelError(
            f"{kind} computes its attention with {implementation!r}, which cannot be looked into",
            hint=LOAD_INSTEAD,
        )
    if hasattr(module, "_orig_mod"):
        return UnsupportedModelError(
            "the model is compiled (torch.compile), and a compiled graph cannot be looked into",
            hint="Give the model itself, before torch.compile.",
        )
    if within is not None:
        return UnsupportedModelError(
            f"{type(within).__name__}, named to look in, neither computes a softmax over the "
            "tokens nor returns weights over them",
            hint="Name the submodule that computes the attention, or whose output it is.",
        )
    if observation.attentions:
        shapes = {seen.shape for seen in observation.attentions.values()}
        listed = ", ".join("x".join(map(str, shape[1:])) for shape in sorted(shapes))
        return UnsupportedModelError(
            f"{kind} has no attention with one weight for each token: it computes its attention "
            f"in chunks, windows or over pooled tokens (heads x queries x keys: {listed}, for "
            f"{observation.inputs.n_positions} tokens)",
            hint="Where the model has a dense mode (BigBird: attention_type='original_full'), "
            "load it with that.",
        )
    return UnsupportedModelError(
        f"no attention is seen in {kind}: it calls neither a softmax nor "
        "scaled_dot_product_attention over its tokens",
        hint=f"A transformer: {LOAD_INSTEAD[0].lower()}{LOAD_INSTEAD[1:]} An adapter's module: "
        "name the submodule whose output is the attention (attention=...).",
    )
