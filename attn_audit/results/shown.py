"""A record as a report holds it, to be looked at: whether it is one, and agrees with itself."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

_ONE_A_UNIT = ("attention", "gradient", "leave_one_out", "adversarial_attention")

_Names = str | tuple[str, ...] | None
_Weights = tuple[float, ...] | None


def _as_written(value: object) -> object:
    """One probability is a number with a point, as every audit writes it; `true` and 1 are none."""
    if isinstance(value, int):
        raise ValueError("not written as a probability")
    return value


class Shown(BaseModel):
    """What is shown of an example. Fields mean what they mean in `Record`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    id: str
    label: _Names = None
    status: str = "audited"
    reason: None = None
    prediction: str | tuple[str, ...]
    probability: Annotated[float | tuple[float, ...], BeforeValidator(_as_written)]
    n_units: int
    truncated: bool
    readout_unit: int | None = None
    audited_mass: float
    max_attention: float | None = None
    tau_attention_gradient: float | None = None
    p_attention_gradient: float | None = None
    tau_attention_leave_one_out: float | None = None
    p_attention_leave_one_out: float | None = None
    tau_gradient_leave_one_out: float | None = None
    p_gradient_leave_one_out: float | None = None
    median_permutation_distance: float | None = None
    median_permutation_jsd: float | None = None
    share_permutations_within_epsilon: float | None = None
    uniform_distance: float | None = None
    uniform_prediction: _Names = None
    max_jsd: float | None = None
    relative_jsd: float | None = None
    max_jsd_upper_bound: float | None = None
    adversarial_distance: float | None = None
    adversarial_method: str | None = None
    status_correlation: str | None = None
    status_permutation: str | None = None
    status_adversarial: str | None = None
    units: tuple[str, ...]
    attention: tuple[float, ...]
    gradient: _Weights = None
    leave_one_out: _Weights = None
    adversarial_attention: _Weights = None

    @model_validator(mode="after")
    def _has_a_weight_for_each_unit(self) -> "Shown":
        for name in _ONE_A_UNIT:
            weights = getattr(self, name)
            if weights is not None and len(weights) != len(self.units):
                raise ValueError(f"{len(weights)} values of {name} for {len(self.units)} units")
        return self

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Shown":
        named = [n for n in (self.label, self.prediction, self.uniform_prediction) if n is not None]
        if len({isinstance(name, str) for name in named}) > 1:
            raise ValueError("one label beside several")
        if isinstance(self.prediction, str) and self.probability == ():
            raise ValueError("no probability")
        if self.adversarial_attention and self.adversarial_distance is None:
            raise ValueError("adversarial attention without its distance")
        return self
