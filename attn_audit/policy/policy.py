"""What a policy holds, as it is written in TOML."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from attn_audit.errors import nearest
from attn_audit.findings.metric import Statistic
from attn_audit.findings.registry import renamed, statistics
from attn_audit.findings.rule import Direction
from attn_audit.results.verdict import Level, Waiver
from attn_audit.summary import Value

REFUSED = "refused"
"""Type of the validation errors whose message is ours; their context may hold a hint."""


def refuse(message: str, hint: str | None = None) -> PydanticCustomError:
    """A validation error in our own words.

    Args:
        message: Says what is wrong; the place is put in front of it.
        hint: Says what to do.
    """
    return PydanticCustomError(REFUSED, "{message}", {"message": message, "hint": hint})


def _require_new(name: str) -> None:
    """Refuse a name that numbers had before they had the same everywhere."""
    if name in renamed():
        raise refuse(f"{name!r} is called {renamed()[name]!r} now", "Write the new name.")


def _known(name: str) -> str:
    _require_new(name)
    if name not in statistics():
        close = nearest(name, statistics())
        guess = f"{close} " if close.startswith("Did") else ""
        hint = f"{guess}`attn-audit metrics` lists them all."
        raise refuse(f"there is no metric {name!r}", hint)
    return name


MetricName = Annotated[str, Field(strict=True), AfterValidator(_known)]
Limit = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Sentence = Annotated[
    str, Field(strict=True), StringConstraints(strip_whitespace=True, min_length=1)
]


class _Limited(Value):
    """A metric with one limit; which field holds it says on which side."""

    KINDS: ClassVar[tuple[str, ...]] = ("min", "max")

    metric: MetricName
    min: Limit | None = None
    max: Limit | None = None

    @property
    def measured(self) -> Statistic:
        """What is limited."""
        return statistics()[self.metric]

    @property
    def _given(self) -> tuple[str, float]:
        """The kind of limit that was given, and the limit."""
        given = [(kind, value) for kind in self.KINDS if (value := getattr(self, kind)) is not None]
        if len(given) != 1:
            found = " and ".join(kind for kind, _ in given) or "none"
            raise refuse(
                f"needs one of {', '.join(self.KINDS)}, and has {found}",
                "Two limits are two bounds." if given else None,
            )
        return given[0]

    @model_validator(mode="after")
    def _has_one_limit(self) -> "_Limited":
        """Refuse what could never pass, or never fail: a slip of the decimal point, mostly."""
        kind, limit = self._given
        low, high = self.measured.low, self.measured.high
        if self.is_of_change:
            low, high = 0.0, high - low
        if not low <= limit <= high:
            raise refuse(f"{kind} = {limit:g} lies outside what it can be, {low:.3g} to {high:.3g}")
        return self

    @property
    def is_of_change(self) -> bool:
        """Whether it bounds the change between two reports, and not a report."""
        return self.min is None and self.max is None

    @property
    def direction(self) -> Direction:
        """On which side the limit lies: of the metric, or of its change, new minus base."""
        return "min" if self._given[0] in ("min", "max_drop") else "max"

    @property
    def limit(self) -> float:
        """Where it lies: a drop by 0.02 at most is a change of -0.02 at least."""
        kind, given = self._given
        return -given if kind == "max_drop" else given


class Guard(_Limited):
    """A condition under which a bound says something."""


class Bound(_Limited):
    """What a metric, or its change between two reports, may be."""

    KINDS: ClassVar[tuple[str, ...]] = ("min", "max", "max_drop", "max_rise")

    max_drop: Limit | None = None
    """How much lower the new report may be than the base: for `compare`."""
    max_rise: Limit | None = None
    """How much higher: for `compare`."""
    level: Level = Level.FAIL
    only_if: Guard | None = None
    """Else the bound is inconclusive."""
    why: Sentence | None = None
    """Where the bound comes from."""


class Requirements(Value):
    """What must hold before any bound can be judged; None: not asked for."""

    min_examples: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Examples of the report, and examples behind each bounded number."""
    min_coverage: Share | None = None
    """Share of the examples that a bounded check says something about."""
    min_accuracy: Share | None = None
    """Explanations of a model that does not work explain nothing."""


class Policy(Requirements):
    """Everything that a report is held against."""

    name: str
    """The file's, or `default`."""
    sha256: str
    """Of the file."""
    bounds: tuple[Bound, ...] = Field(default=(), alias="bound")
    waivers: tuple[Waiver, ...] = Field(default=(), alias="waiver")

    @model_validator(mode="after")
    def _says_nothing_twice(self) -> "Policy":
        sides = [(bound.metric, bound.direction, bound.is_of_change) for bound in self.bounds]
        levels = [(*side, bound.level) for side, bound in zip(sides, self.bounds, strict=True)]
        for i, (metric, *_) in enumerate(levels):
            if levels[i] in levels[:i]:
                raise refuse(f"{metric} is bounded twice on the same side and level")
        waived = [waiver.metric for waiver in self.waivers]
        for i, metric in enumerate(waived):
            if metric in waived[:i]:
                raise refuse(f"{metric} is waived twice")
        return self

    @model_validator(mode="after")
    def _waives_what_is_bound(self) -> "Policy":
        for waiver in self.waivers:
            _require_new(waiver.metric)
            if waiver.metric not in self.names:
                hint = nearest(waiver.metric, self.names) if self.names else None
                raise refuse(f"the waiver of {waiver.metric!r} waives nothing here", hint)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that can be waived: requirements that are asked for, and bounded metrics."""
        asked = (name for name in Requirements.model_fields if getattr(self, name) is not None)
        return tuple(dict.fromkeys((*asked, *(bound.metric for bound in self.bounds))))
