"""The record of one audited example: plain values, the same names in JSON, Parquet and CSV."""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

import numpy as np
from jaxtyping import Float32

MAX_ROW_WEIGHTS = 16_384
"""Weights of a witness that a record holds row by row, at most: 64 KiB."""


class Status(StrEnum):
    """Why a check says something, or does not, about an example.

    A record's `status_*` field is null where the check was not run, else `measured`, or one or more
    of the other values joined by `+`. `untestable`: there is nothing that the check could show on
    such an example. `undefined`: the number does not exist.
    """

    MEASURED = "measured"
    FEW_UNITS = "untestable_fewer_than_5_units"
    SINGLE_UNIT = "untestable_single_unit"
    NO_AUDITED_MASS = "undefined_no_audited_mass"
    CONSTANT_ATTENTION = "undefined_constant_attention"
    CONSTANT_GRADIENT = "undefined_constant_gradient"
    CONSTANT_LEAVE_ONE_OUT = "undefined_constant_leave_one_out"


STATUS_MEANINGS: dict[Status, str] = {
    Status.MEASURED: "measured",
    Status.FEW_UNITS: "fewer than 5 units: tau counts, but no p-value could reach 0.05",
    Status.SINGLE_UNIT: "a single unit: there is no other place that attention could go to",
    Status.NO_AUDITED_MASS: "less than 1e-6 of the attention lies on the audited units",
    Status.CONSTANT_ATTENTION: "attention is the same on every unit: it ranks nothing",
    Status.CONSTANT_GRADIENT: "the gradient is the same for every unit: it ranks nothing",
    Status.CONSTANT_LEAVE_ONE_OUT: "leaving out any unit has the same effect: it ranks nothing",
}


AUDITED, FAILED = "audited", "failed"
"""What a record's `status` may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was found for one example. None: not measured, or undefined (the status says which)."""

    id: str
    label: str | tuple[str, ...] | None = None
    """Gold label; several for multilabel tasks."""
    status: str = AUDITED
    """`audited`, or `failed` where nothing could be measured: then all but `id`, `label` and
    `reason` is null."""
    reason: str | None = None
    """Why it failed."""
    prediction: str | tuple[str, ...] | None = None
    """The model's own prediction, the target of every check."""
    probability: float | tuple[float, ...] | None = None
    """Binary tasks: of the second label. Else one for each label, in the task's order."""
    n_units: int = 0
    truncated: bool = False
    readout_unit: int | None = None
    """The unit that holds the token which is read out; leave-one-out deletes it, because it cannot
    be masked away. None where what is read out is no audited token."""
    audited_mass: float | None = None
    """Share of the attention that lies on the audited units, 0 to 1."""
    max_attention: float | None = None
    """The largest attention weight among the audited units, after renormalisation."""

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
    uniform_prediction: str | tuple[str, ...] | None = None

    max_jsd: float | None = None
    relative_jsd: float | None = None
    """max_jsd over the attainable maximum of this example, 0 to 1. Where several rows may attend to
    different units, over a bound of that maximum."""
    max_jsd_upper_bound: float | None = None
    adversarial_distance: float | None = None
    adversarial_method: str | None = None

    status_correlation: str | None = None
    status_permutation: str | None = None
    status_adversarial: str | None = None

    units: tuple[str, ...] = ()
    """The audited units in the text's own spelling."""
    attention: tuple[float, ...] = ()
    gradient: tuple[float, ...] | None = None
    leave_one_out: tuple[float, ...] | None = None
    adversarial_attention: tuple[float, ...] | None = None
    """The witness: the weights farthest from `attention` that were found to keep the output. Of
    several heads or rows, each with weights of its own, what people would be shown of them."""
    adversarial_rows: Float32[np.ndarray, "row unit"] | None = field(default=None, compare=False)
    """Where there are several rows, the witness's weights in each, heads apart: what a model is
    given to check it again. None for one row, whose weights are `adversarial_attention`, and above
    `MAX_ROW_WEIGHTS`."""

    def as_dict(self) -> dict[str, Any]:
        """All fields by name, in the order in which they stand above."""
        return {name: getattr(self, name) for name in FIELDS}


FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Record))
"""Every column of a records file, in order."""

LIST_FIELDS: tuple[str, ...] = (
    "units",
    "attention",
    "gradient",
    "leave_one_out",
    "adversarial_attention",
    "adversarial_rows",
)
"""Columns with one value a unit, or one a row and unit: in Parquet and JSONL, not in CSV."""
