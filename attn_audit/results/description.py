"""What is known of a model before any text is read."""

from pydantic import BaseModel, ConfigDict


class ModelDescription(BaseModel):
    """Architecture, task and size of a model, as `inspect` and every report show them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    """Where it was loaded from, as the user wrote it."""
    sha256: str | None
    """Of the checkpoint's content; None for objects in memory."""
    format: str
    """`attn-audit checkpoint` or `original folder`."""
    architecture: str
    """One line: `BiLSTM encoder, additive attention, single texts`."""
    task: str
    labels: tuple[str, ...]
    sites: tuple[str, ...]
    """Each place whose attention can be audited, in words."""
    n_parameters: int
    dtype: str
    linear_readout: bool
    """Whether the logits are linear in the attention weights."""
    takes_pairs: bool
    details: dict[str, str | int | float | bool]
    """Sizes and settings of the architecture by name."""
