"""An importance measure: what it is called, and how its numbers are read, whatever computes them.

Record columns, the pairs that are correlated, their metrics, and all that pages and explanations
say of a measure follow from its row.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from attn_audit.document import Hue
from attn_audit.findings import tolerance
from attn_audit.findings.field import OUTPUT_DISTANCE, Field, Range, Shape

GRADIENT_NOISE = 1e-6
"""Part of an example's largest gradient below which differences are rounding: ties.

This and the floor below are float32's; those of other numbers follow how finely these are spaced.
"""

PROBABILITY_NOISE = 2e-7
"""Leave-one-out values are differences of probabilities: closer than this they are ties."""

NOT_ASKED = "the measure was not asked for"


@dataclass(frozen=True, eq=False)
class Measure:
    """What attention is compared with."""

    field: Field[tuple[float, ...] | None]
    """A value for each unit, at least 0; the measure has its name."""
    words: str
    """In the plural or without a number, as in `tau with gradients`."""
    most: str
    """Said of the unit where it is largest: a sentence with `{unit}` and `{value}`."""
    constant: str
    """The same of every unit, as a clause: what an example's status means that it cannot rank."""
    noise: float
    """Values that are closer are ties, of float32."""
    _: KW_ONLY
    is_noise_of_largest: bool = False
    """Whether that is a part of the example's largest value."""
    passes: Callable[[int], int] = lambda n_units: 1
    """Outputs that it has a model compute of an example of so many units."""
    hue: Hue = Hue.OTHER
    source: str = ""
    """Paper and section."""
    needs: str = ""
    """What a model must have, beside outputs; empty: nothing."""
    is_signed: bool = False
    """Whether its scores say which units speak against the prediction, too."""
    is_of_correlation: bool = False
    """Whether it is read for the paper's correlation alone, and erasure does not judge it."""

    @property
    def name(self) -> str:
        """As settings and records have it."""
        return self.field.name

    @property
    def status(self) -> str:
        """Of an example in which it ranks nothing."""
        return f"undefined_constant_{self.name}"


GRADIENT = Measure(
    Field(
        "gradient", "Importance of each unit by gradient, with attention held constant",
        shape=Shape.UNITS, range=Range(), null=NOT_ASKED, page="gradient importance",
        claim="gradient", tolerance=tolerance.GRADIENT, scale=tolerance.gradient_scale,
    ),
    "gradients",
    "The slightest change of {unit} would move this most.",
    "the gradient is the same for every unit",
    GRADIENT_NOISE, is_noise_of_largest=True, hue=Hue.GRADIENT,
    source="Jain & Wallace (2019), section 4.1", needs="gradients", is_signed=True,
    is_of_correlation=True,
)  # fmt: skip
LEAVE_ONE_OUT = Measure(
    Field(
        "leave_one_out", "Change of the output when each unit is left out", shape=Shape.UNITS,
        range=OUTPUT_DISTANCE, null=NOT_ASKED, page="leave-one-out importance",
        claim="leave-one-out", tolerance=tolerance.OUTPUT,
    ),
    "leave-one-out",
    "Without {unit} the output moves most: by {value}.",
    "leaving out any unit has the same effect",
    PROBABILITY_NOISE, passes=lambda n_units: n_units + 1, hue=Hue.LEAVE_ONE_OUT,
    source="Jain & Wallace (2019), section 4.1; its scores are of the margin", is_signed=True,
)  # fmt: skip

MEASURES: list[Measure] = [GRADIENT, LEAVE_ONE_OUT]
"""All there are, those that are registered from outside last."""


_PACKAGED = tuple(MEASURES)


def correlated(asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """Names of the measures that attention is correlated with.

    Args:
        asked: What the settings name; None: the paper's two, and those from outside.
    """
    if asked is not None:
        return asked
    beside = (found for found in MEASURES if found not in _PACKAGED)
    return tuple(found.name for found in (GRADIENT, LEAVE_ONE_OUT, *beside))


def measure(name: str) -> Measure:
    """The measure of a name."""
    return next(found for found in MEASURES if found.name == name)
