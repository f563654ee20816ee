"""What an audit will take, as `attn-audit plan` shows it."""

from pydantic import BaseModel, ConfigDict


class StageForecast(BaseModel):
    """One part of an audit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """`start-up`, `reading attention`, a check's id, or `summing up`."""
    passes: int | None
    """Outputs that are computed, most of them from the attention on; None where there are none."""
    seconds: float
    peak_bytes: int | None
    """Of the device's memory, model included; None where it could not be measured."""


class Forecast(BaseModel):
    """All parts of an audit, and what the forecast rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    data: str
    device: str
    n_examples: int
    n_tokens: int
    """Of all examples together; where not all were encoded, as their sample lets expect."""
    longest: int
    """Tokens of the longest example of those that were encoded."""
    batch_examples: int
    batch_tokens: int
    """The largest batch."""
    stages: tuple[StageForecast, ...]
    seconds: float
    n_timed: int
    """Examples that were tried."""
    seconds_of_trial: float
