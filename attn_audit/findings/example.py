"""What records hold of an example whatever the check: text, answer and attention."""

from enum import StrEnum

from attn_audit.findings import tolerance
from attn_audit.findings.field import LOGITS, SAME, SHARE, Field, Kind, Place, Range, Shape

AUDITED, FAILED = "audited", "failed"
"""What a record's `status` may be."""

Label = str | tuple[str, ...]
"""One label's name, or several where the task has several."""

Probability = float | tuple[float, ...]

IF_FAILED = "the example failed"


class Status(StrEnum):
    """Why a check says something, or does not, about an example.

    A check's status in a record is null where the check was not run, else `measured`, or one or
    more of the other values joined by `+`. `untestable`: there is nothing that the check could show
    on such an example. `undefined`: the number does not exist. `not_sampled`: nobody asked.
    Measures have some of their own, for where they rank nothing or give no number.
    """

    MEASURED = "measured"
    FEW_UNITS = "untestable_fewer_than_5_units"
    SINGLE_UNIT = "untestable_single_unit"
    NO_AUDITED_MASS = "undefined_no_audited_mass"
    CONSTANT_ATTENTION = "undefined_constant_attention"
    NO_MARGIN = "undefined_no_margin"
    CLIPPED = "undefined_clipped_margin"
    NOT_SAMPLED = "not_sampled"
    NO_RATIONALE = "no_rationale"
    NOT_SURE = "untestable_not_sure"
    NO_OTHER_LABEL = "untestable_no_other_label"
    LABEL_OF_NEITHER = "undefined_label_of_neither"


STATUS_MEANINGS: dict[str, str] = {
    Status.MEASURED: "measured",
    Status.FEW_UNITS: "fewer than 5 units: tau counts, but no p-value could reach 0.05",
    Status.SINGLE_UNIT: "a single unit: there is no other place that attention could go to",
    Status.NO_AUDITED_MASS: "less than 1e-6 of the attention lies on the audited units",
    Status.CONSTANT_ATTENTION: "attention is the same on every unit: it ranks nothing",
    Status.NO_MARGIN: "the model is undecided: there is no margin that could be lost",
    Status.CLIPPED: "the model gives probabilities, and this one is 0 or 1 to its last digit: how "
    "large the margin is, nobody knows",
    Status.NOT_SAMPLED: "it is not in the check's sample of the texts",
    Status.NO_RATIONALE: "people marked nothing of what the model reads of it",
    Status.NOT_SURE: "the model finds its label less probable than 0.8",
    Status.NO_OTHER_LABEL: "none of 8 other texts is of another label, and the model sure of it",
    Status.LABEL_OF_NEITHER: "joined with another text it is given a label of neither, or is cut",
}


NOT_RUN = "the check was not run"


def status_field(check: str) -> Field[str | None]:
    """Why a check says something of an example, or does not."""
    return Field(
        f"{check}.status",
        f"Whether the {check} check could measure the example, else every reason why not, joined "
        "by +",
        kind=Kind.TEXT, place=Place.EVERYWHERE, null=NOT_RUN, claim=SAME,
        formerly=f"status_{check}",
    )  # fmt: skip


_OUTPUTS = (
    "the second label's probability of binary tasks, else one for each label, in order; of a "
    "vocabulary those of `likeliest`"
)
_MASSES = "audited mass, largest weight"

ID = Field[str](
    "id", "The example's id in the data, or a hash of its text",
    kind=Kind.TEXT, place=Place.EVERYWHERE,
)  # fmt: skip
LAYER = Field[int]("layer", "Index of the site's layer", kind=Kind.COUNT, place=Place.SITE)
HEAD = Field[int | None](
    "head", "Index of the site's head", kind=Kind.COUNT, place=Place.SITE,
    null="all heads of the layer, averaged",
)  # fmt: skip
LABEL = Field[Label | None](
    "label", "The gold label; several where the task has several", kind=Kind.LABEL,
    null="the data says none", claim=SAME,
)  # fmt: skip
STATUS = Field[str](
    "status", f"Whether the example was audited: `{AUDITED}` or `{FAILED}`", kind=Kind.TEXT
)
REASON = Field[str | None](
    "reason", "Why the example failed; then nothing else but id and label says anything",
    kind=Kind.TEXT, null="the example was audited",
)  # fmt: skip
PREDICTION = Field[Label](
    "prediction", "The model's own prediction: what is explained, unless a label was named",
    kind=Kind.LABEL,    null=IF_FAILED,
)  # fmt: skip
PROBABILITY = Field[Probability](
    "probability", f"The model's output: {_OUTPUTS}", kind=Kind.PROBABILITY, range=SHARE,
    null=IF_FAILED, claim="probability", tolerance=tolerance.OUTPUT,
)  # fmt: skip
LIKELIEST = Field[tuple[str, ...] | None](
    "likeliest",
    "Names of the tokens that are likeliest to follow the prompt, of which `probability` is, where "
    "the distribution over all is audited",
    kind=Kind.NAMES, null=f"{IF_FAILED}, or labels are asked for",
)  # fmt: skip
MARGIN = Field[float | None](
    "margin",
    "The margin on the full text: the logit of what is explained minus that of the label which is "
    "second, of one sigmoid its logit, of several labels the mean over the audited ones",
    range=LOGITS, page="margin", claim="margin",
    null=f"{IF_FAILED}, or the model is undecided, or its output a probability of 0 or 1",
    tolerance=tolerance.MARGIN,
)  # fmt: skip
N_UNITS = Field[int](
    "n_units", "Number of audited units", kind=Kind.COUNT, range=Range("units"),
    page="number of units", claim=SAME,
)  # fmt: skip
TRUNCATED = Field[bool](
    "truncated", "Whether the text was cut to what the model takes", kind=Kind.SWITCH, claim=SAME
)
WINDOWS = Field[int | None](
    "windows", "In how many windows the text was read, whose logits are averaged",
    kind=Kind.COUNT, null="the text was read at once", claim=SAME,
)  # fmt: skip
READOUT_UNIT = Field[int | None](
    "readout_unit",
    "Index of the unit that holds the token which is read out; leave-one-out deletes it, because "
    "it cannot be masked away",
    kind=Kind.COUNT, null="what is read out is no audited token", claim=SAME,
)  # fmt: skip
AUDITED_MASS = Field[float | None](
    "audited_mass", "Share of the attention that lies on the audited units",
    place=Place.EVERYWHERE, range=SHARE, null=f"{IF_FAILED}, or no attention is seen",
    page="audited mass", claim=_MASSES,
    tolerance=tolerance.MASS,
)  # fmt: skip
MAX_ATTENTION = Field[float | None](
    "max_attention",
    "The largest attention weight among the audited units, after renormalisation",
    place=Place.EVERYWHERE, range=SHARE,
    null="hardly any attention lies on the audited units, or none is seen",
    page="largest attention weight", claim=_MASSES, tolerance=tolerance.MASS,
)  # fmt: skip
UNITS = Field[tuple[str, ...]](
    "units", "The audited units in the text's own spelling, or their places", kind=Kind.TEXT,
    shape=Shape.UNITS, claim=SAME,
)  # fmt: skip


def places(n_units: int) -> tuple[str, ...]:
    """What stands for units where no word of a text may be told.

    Example:
        >>> places(3)
        ('#1', '#2', '#3')
    """
    return tuple(f"#{i}" for i in range(1, n_units + 1))


BORDER = Field[int | None](
    "border", "Index of the unit with which the second text begins, where both are audited",
    kind=Kind.COUNT, null="the units are of one text", claim=SAME,
)  # fmt: skip
ATTENTION = Field[tuple[float, ...] | None](
    "attention",
    "The model's attention over the audited units, renormalised: what people are shown",
    shape=Shape.UNITS, range=SHARE, null="no attention is seen", page="the model's attention",
    claim="attention",
    tolerance=tolerance.WEIGHT,
)  # fmt: skip
FIELDS: tuple[Field[object], ...] = (
    ID, LAYER, HEAD, LABEL, STATUS, REASON, PREDICTION, PROBABILITY, LIKELIEST, MARGIN, N_UNITS,
    TRUNCATED, WINDOWS, READOUT_UNIT, AUDITED_MASS, MAX_ATTENTION, UNITS, BORDER, ATTENTION,
)  # fmt: skip
