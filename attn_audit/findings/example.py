"""What records hold of an example whatever the check: text, answer and attention."""

from enum import StrEnum

from attn_audit.findings import tolerance
from attn_audit.findings.field import SAME, Field, Kind, Place, Shape

AUDITED, FAILED = "audited", "failed"
"""What a record's `status` may be."""

Label = str | tuple[str, ...]
"""One label's name, or several where the task has several."""

Probability = float | tuple[float, ...]

IF_FAILED = "the example failed"
_NO_MASS = "hardly any attention lies on the audited units"


class Status(StrEnum):
    """Why a check says something, or does not, about an example.

    A check's status in a record is null where the check was not run, else `measured`, or one or
    more of the other values joined by `+`. `untestable`: there is nothing that the check could show
    on such an example. `undefined`: the number does not exist.
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


def status_field(check: str) -> Field[str | None]:
    """Why a check says something of an example, or does not.

    Args:
        check: Its id.
    """
    return Field(
        name=f"{check}.status",
        definition=f"Whether the {check} check could measure the example, else every reason why "
        "not, joined by +.",
        kind=Kind.TEXT,
        place=Place.EVERYWHERE,
        null=NOT_RUN,
        claim=SAME,
        formerly=f"status_{check}",
    )


NOT_RUN = "the check was not run"

ID = Field[str](
    name="id",
    definition="The example's id in the data, or a hash of its text.",
    kind=Kind.TEXT,
    place=Place.EVERYWHERE,
)
LAYER = Field[int](
    name="layer",
    definition="Index of the site's layer among the model's layers.",
    kind=Kind.COUNT,
    place=Place.SITE,
    low=0,
)
HEAD = Field[int | None](
    name="head",
    definition="Index of the site's head.",
    kind=Kind.COUNT,
    place=Place.SITE,
    low=0,
    null="all heads of the layer, averaged",
)
LABEL = Field[Label | None](
    name="label",
    definition="The gold label; several where the task has several.",
    kind=Kind.LABEL,
    null="the data says none",
    claim=SAME,
)
STATUS = Field[str](
    name="status",
    definition=f"Whether the example was audited: `{AUDITED}` or `{FAILED}`.",
    kind=Kind.TEXT,
)
REASON = Field[str | None](
    name="reason",
    definition="Why the example failed; then nothing else but id and label says anything.",
    kind=Kind.TEXT,
    null="the example was audited",
)
PREDICTION = Field[Label](
    name="prediction",
    definition="The model's own prediction, the target of every check.",
    kind=Kind.LABEL,
    null=IF_FAILED,
)
PROBABILITY = Field[Probability](
    name="probability",
    definition="The model's output: of binary tasks the second label's probability, else one for "
    "each label, in the task's order.",
    kind=Kind.PROBABILITY,
    low=0.0,
    high=1.0,
    null=IF_FAILED,
    claim="probability",
    tolerance=tolerance.OUTPUT,
)
N_UNITS = Field[int](
    name="n_units",
    definition="Number of audited units.",
    kind=Kind.COUNT,
    unit="units",
    low=0,
    page="number of units",
    claim=SAME,
)
TRUNCATED = Field[bool](
    name="truncated",
    definition="Whether the text was cut to what the model takes.",
    kind=Kind.SWITCH,
    claim=SAME,
)
READOUT_UNIT = Field[int | None](
    name="readout_unit",
    definition="Index of the unit that holds the token which is read out; leave-one-out deletes "
    "it, because it cannot be masked away.",
    kind=Kind.COUNT,
    low=0,
    null="what is read out is no audited token",
    claim=SAME,
)
AUDITED_MASS = Field[float](
    name="audited_mass",
    definition="Share of the attention that lies on the audited units.",
    place=Place.EVERYWHERE,
    unit="share",
    low=0.0,
    high=1.0,
    null=IF_FAILED,
    page="audited mass",
    claim="audited mass, largest weight",
    tolerance=tolerance.MASS,
)
MAX_ATTENTION = Field[float | None](
    name="max_attention",
    definition="The largest attention weight among the audited units, after renormalisation.",
    place=Place.EVERYWHERE,
    unit="share",
    low=0.0,
    high=1.0,
    null=_NO_MASS,
    page="largest attention weight",
    claim="audited mass, largest weight",
    tolerance=tolerance.MASS,
)
UNITS = Field[tuple[str, ...]](
    name="units",
    definition="The audited units in the text's own spelling.",
    kind=Kind.TEXT,
    shape=Shape.UNITS,
    claim=SAME,
)
ATTENTION = Field[tuple[float, ...]](
    name="attention",
    definition="The model's attention over the audited units, renormalised: what people are shown.",
    shape=Shape.UNITS,
    unit="share",
    low=0.0,
    high=1.0,
    page="the model's attention",
    claim="attention",
    tolerance=tolerance.WEIGHT,
    scale=tolerance.weight_scale,
)
GRADIENT = Field[tuple[float, ...] | None](
    name="gradient",
    definition="Importance of each unit by gradient, with attention held constant.",
    shape=Shape.UNITS,
    low=0.0,
    null="the measure was not asked for",
    page="gradient importance",
    claim="gradient",
    tolerance=tolerance.GRADIENT,
    scale=tolerance.gradient_scale,
)
LEAVE_ONE_OUT = Field[tuple[float, ...] | None](
    name="leave_one_out",
    definition="Change of the output when each unit is left out.",
    shape=Shape.UNITS,
    unit="output distance",
    low=0.0,
    high=1.0,
    null="the measure was not asked for",
    page="leave-one-out importance",
    claim="leave-one-out",
    tolerance=tolerance.OUTPUT,
)

FIELDS: tuple[Field[object], ...] = (
    ID, LAYER, HEAD, LABEL, STATUS, REASON, PREDICTION, PROBABILITY, N_UNITS, TRUNCATED,
    READOUT_UNIT, AUDITED_MASS, MAX_ATTENTION, UNITS, ATTENTION, GRADIENT, LEAVE_ONE_OUT,
)  # fmt: skip
