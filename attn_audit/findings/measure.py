"""An importance measure: what it is called, and how its numbers are read, whatever computes them.

Record columns, the pairs that are correlated, their metrics, and all that pages and explanations
say of a measure follow from its row.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from attn_audit.document import Hue
from attn_audit.findings import tolerance
from attn_audit.findings.field import LOGITS, OUTPUT_DISTANCE, SHARE, UNLIMITED, Field, Range, Shape
from attn_audit.quoting import quoted

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
    """A value for each unit; the measure has its name."""
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
    """Passes that it takes for an example of so many units, those backwards included."""
    hue: Hue = Hue.OTHER
    source: str = ""
    """Paper and section."""
    needs: str = ""
    """What a model must have, beside outputs; empty: nothing."""
    is_signed: bool = False
    """Whether its scores say which units speak against the prediction, too."""
    undefined: str = ""
    """The same of an example that it has no scores for, all of them NaN; empty: there is none."""
    is_of_correlation: bool = False
    """Whether it is read for the paper's correlation alone, and erasure does not judge it."""
    is_fitted: bool = False
    """Whether it is fitted before it scores, on texts that it then does not score."""
    shown: str | None = None
    """The field of the data that its scores stand in; None: a model has them."""

    @property
    def name(self) -> str:
        """As settings and records have it."""
        return self.field.name

    @property
    def status(self) -> str:
        """Of an example in which it ranks nothing."""
        return f"undefined_constant_{self.name}"

    @property
    def status_undefined(self) -> str:
        """Of an example that it has no scores for."""
        return f"undefined_{self.name}"

    @property
    def meaning_of_undefined(self) -> str:
        """Why that is, as a clause."""
        return self.undefined or f"{self.words} give no number of some unit"

    def as_dict(self) -> dict[str, str | bool | int | None]:
        """What a list of measures says of it."""
        return {
            "name": self.name, "definition": f"{self.field.definition}.",
            "source": self.source or None, "passes_of_20_units": self.passes(20),
            "signed": self.is_signed, "deterministic": self.is_deterministic,
            "needs": self.needs or None, "of_correlation_alone": self.is_of_correlation,
        }  # fmt: skip

    @property
    def is_deterministic(self) -> bool | None:
        """Whether it draws nothing; None where nobody knows how scores were made."""
        return None if self.shown is not None else not self.is_fitted

    @property
    def keeps_sign(self) -> bool:
        """Whether records hold its scores with their sign; else what is correlated."""
        return self.field.range.low < 0


_EMBEDDINGS = "gradients at the embeddings of the text's tokens"

GRADIENT = Measure(
    Field(
        "gradient", "Importance of each unit by gradient, with attention held constant",
        shape=Shape.UNITS, range=Range(), null=NOT_ASKED, page="gradient importance",
        claim="gradient", tolerance=tolerance.GRADIENT,
    ),
    "gradients",
    "The slightest change of {unit} would move this most.",
    "the gradient is the same for every unit",
    GRADIENT_NOISE, is_noise_of_largest=True, passes=lambda n_units: 2, hue=Hue.GRADIENT,
    source="Jain & Wallace (2019), section 4.1", needs=_EMBEDDINGS, is_signed=True,
    is_of_correlation=True,
)  # fmt: skip
LEAVE_ONE_OUT = Measure(
    Field(
        "leave_one_out", "Change of the output when each unit is left out", shape=Shape.UNITS,
        range=OUTPUT_DISTANCE, null=NOT_ASKED, page="leave-one-out importance",
        claim="leave-one-out", tolerance=tolerance.OUTPUT,
    ),
    "leave-one-out",
    "Without {unit} the probability moves most: by {value}.",
    "leaving out any unit has the same effect",
    PROBABILITY_NOISE, passes=lambda n_units: n_units + 1, hue=Hue.LEAVE_ONE_OUT,
    source="Jain & Wallace (2019), section 4.1; its scores are of the margin", is_signed=True,
)  # fmt: skip


def _scores(
    name: str, definition: str, page: str, range: Range, null: str = NOT_ASKED
) -> Field[tuple[float, ...] | None]:
    return Field(
        name, definition, shape=Shape.UNITS, range=range, null=null, page=page,
        claim="other measures", tolerance=tolerance.GRADIENT,
    )  # fmt: skip


def _of_attention(name: str, definition: str, page: str) -> Field[tuple[float, ...] | None]:
    return _scores(name, f"{definition}; renormalised over the audited units", page, SHARE)


def _contribution(name: str, definition: str, page: str) -> Field[tuple[float, ...] | None]:
    said = f"{definition}: above 0 where the unit speaks for the prediction"
    return _scores(name, said, page, LOGITS)


_LAYERS = "several layers of attention, from the text's tokens to the same tokens"

ATTENTION_ALL_LAYERS = Measure(
    _of_attention(
        "attention_all_layers",
        "Attention of the row that is read out, the mean over all layers and heads",
        "attention of all layers",
    ),
    "attention of all layers",
    "Over all layers {unit} is attended to most: {value}.",
    "all layers together attend to every unit alike",
    1e-5, is_noise_of_largest=True, source="the mean of all, as a baseline", needs=_LAYERS,
)  # fmt: skip
ROLLOUT = Measure(
    _of_attention(
        "rollout",
        "Attention rollout: the product over layers of (A + I) / 2, A the mean over heads, in the "
        "row that is read out",
        "attention rollout",
    ),
    "rollout",
    "By rollout most leads to {unit}: {value}.",
    "rollout leads to every unit alike",
    1e-5, is_noise_of_largest=True, source="Abnar & Zuidema (2020), section 3", needs=_LAYERS,
)  # fmt: skip
ATTENTION_GRADIENT = Measure(
    _of_attention(
        "attention_gradient",
        "Attention times its gradient where that is above 0, the mean over heads, R + (A dA)+ R "
        "from the first layer to the last, in the row that is read out; where tokens are pooled, "
        "of the weights that pool them",
        "attention x gradient",
    ),
    "attention x gradient",
    "By attention x gradient {unit} speaks most for this: {value}.",
    "attention x gradient is the same for every unit",
    GRADIENT_NOISE, is_noise_of_largest=True, passes=lambda n_units: 2,
    source="Chefer et al. (2021), section 3.1", needs="gradients at the attention",
)  # fmt: skip
GRADIENT_X_INPUT = Measure(
    _contribution(
        "gradient_x_input",
        "Gradient of the log-odds of the prediction times the embedding, through attention",
        "gradient x input",
    ),
    "gradient x input",
    "Shrinking {unit} would move this most.",
    "gradient x input is the same for every unit",
    GRADIENT_NOISE, is_noise_of_largest=True, passes=lambda n_units: 2,
    source="Shrikumar et al. (2016), section 2", needs=_EMBEDDINGS, is_signed=True,
)  # fmt: skip
INTEGRATED_GRADIENTS = Measure(
    _contribution(
        "integrated_gradients",
        "Integrated gradients of the log-odds of the prediction, from the padding token's "
        "embedding (zeros where there is none) at the audited units to their own",
        "integrated gradients",
    ),
    "integrated gradients",
    "Of what sets this apart from a text of padding, {unit} adds most.",
    "integrated gradients are the same for every unit",
    1e-5, is_noise_of_largest=True, passes=lambda n_units: 2 * 50 + 2,
    source="Sundararajan et al. (2017), section 3", needs=_EMBEDDINGS, is_signed=True,
    undefined="400 steps do not bring the sum of integrated gradients within 1 % of what it is of",
)  # fmt: skip
VALUE_ZEROING = Measure(
    _of_attention(
        "value_zeroing",
        "How far the state that is read out turns (1 - cosine) when nothing is taken from a token "
        "in the last layer, summed over the unit's tokens",
        "value zeroing",
    ),
    "value zeroing",
    "Nothing turns what is read out as much as taking nothing from {unit}: {value}.",
    "taking nothing from any unit turns what is read out alike",
    1e-5, is_noise_of_largest=True, passes=lambda n_units: n_units + 1,
    source="Mohebbi et al. (2023), section 3", needs="a state for each token behind a layer",
)  # fmt: skip
HEAD_MIX = Measure(
    _contribution(
        "head_mix",
        "A linear mix of the weights of every head of all layers in the row that is read out, "
        "fitted by ridge regression on one half of the texts to what leaving out 32 random halves "
        "of the units of each does to the margin",
        "head mix",
    ),
    "the head mix",
    "In the fitted mix of all heads, {unit} speaks most for this.",
    "the head mix is the same for every unit",
    1e-5, is_noise_of_largest=True, source="Cohen-Wang et al. (2025), AT2",
    needs=f"{_LAYERS}, and texts to fit it to", is_signed=True, is_fitted=True,
    undefined="it is of the half of the texts that the head mix is fitted to, or there is none",
)  # fmt: skip


def shown_measure(field: str) -> Measure:
    """Scores that a product shows, as the data have them in one of its fields."""
    words = f"the scores {quoted(field)}"
    return Measure(
        _scores(
            f"shown.{field}", f"Scores that a product shows: the data's field {quoted(field)}",
            words, UNLIMITED, f"{NOT_ASKED}, or none came with the text",
        ),
        words,
        "Of " + words + " that of {unit} is the largest: {value}.",
        f"{words} are the same for every unit",
        1e-12, is_noise_of_largest=True, passes=lambda n_units: 0, source="the data: --shown",
        is_signed=True, undefined=f"{words} did not come with it", shown=field,
    )  # fmt: skip


OF_SHOWN = r"(^|[._])shown\."
"""What is found of such a measure has names in which this is found."""

MEASURES: list[Measure] = [
    GRADIENT, LEAVE_ONE_OUT, ATTENTION_ALL_LAYERS, ROLLOUT, ATTENTION_GRADIENT, GRADIENT_X_INPUT,
    INTEGRATED_GRADIENTS, VALUE_ZEROING, HEAD_MIX,
]  # fmt: skip
"""All there are, those that are registered from outside last."""

_PACKAGED = tuple(MEASURES)


def usual_measures() -> tuple[Measure, ...]:
    """What attention is correlated with where none is named: the paper's two, and from outside.

    The others are made of attention, or near to one of these.
    """
    beside = (m for m in MEASURES if m not in _PACKAGED and m.shown is None)
    return (GRADIENT, LEAVE_ONE_OUT, *beside)


def correlated(asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """Names of the measures that attention is correlated with."""
    return tuple(found.name for found in usual_measures()) if asked is None else asked


def measure(name: str) -> Measure:
    """The measure of a name."""
    return next(found for found in MEASURES if found.name == name)
