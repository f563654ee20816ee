"""What a policy holds, and reading one: every mistake in it is named, with its place."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from attn_audit.config import DEFAULT_POLICY, NO_WORSE
from attn_audit.errors import ConfigurationError, meant, nearest
from attn_audit.files import read_toml, require_known, sha256_of
from attn_audit.findings import performance
from attn_audit.findings.measure import OF_SHOWN
from attn_audit.findings.metric import Statistic
from attn_audit.findings.registry import renamed, statistics
from attn_audit.findings.rule import Direction
from attn_audit.quoting import in_our_words
from attn_audit.results.verdict import Change, Level, Waiver
from attn_audit.statistics.summary import Value

REFUSED = "refused"
"""Type of the validation errors whose message is ours; their context may hold a hint."""


def refuse(message: str, hint: str | None = None) -> PydanticCustomError:
    """A validation error in our own words."""
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
        if re.search(OF_SHOWN, name):
            hint = "Scores that come with the data are known of an audit with `--shown` alone."
        raise refuse(f"there is no metric {name!r}", hint)
    return name


MetricName = Annotated[str, Field(strict=True), AfterValidator(_known)]
Limit = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Sentence = Annotated[
    str, Field(strict=True), StringConstraints(strip_whitespace=True, min_length=1)
]


class _MetricLimit(Value):
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
        given = [(kind, value) for kind in self.KINDS if (value := getattr(self, kind)) is not None]
        if len(given) != 1:
            found = " and ".join(kind for kind, _ in given) or "none"
            raise refuse(
                f"needs one of {', '.join(self.KINDS)}, and has {found}",
                "Two limits are two bounds." if given else None,
            )
        return given[0]

    @model_validator(mode="after")
    def _has_one_limit(self) -> "_MetricLimit":
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


class Guard(_MetricLimit):
    """A condition under which a bound says something."""


class Bound(_MetricLimit):
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
    passes: Sentence | None = None
    """What it means that it passes, a clause with `{number}` or `{target}`: of packaged rules."""
    fails: Sentence | None = None


REQUIREMENTS: Final = ("min_examples", "min_coverage", "min_accuracy")
"""What must hold before any bound can be judged; None: not asked for."""


class Policy(Value):
    """Everything that a report is held against."""

    min_examples: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Examples of the report, and examples behind each bounded number."""
    min_coverage: Share | None = None
    """Share of the examples that a bounded check says something about."""
    min_accuracy: Share | None = None
    """Explanations of a model that does not work explain nothing."""
    name: str
    """The file's, `default` or `no-worse`."""
    sha256: str
    """Of the file."""
    version: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Of the packaged rules."""
    bounds: tuple[Bound, ...] = Field(default=(), alias="bound")
    waivers: tuple[Waiver, ...] = Field(default=(), alias="waiver")

    @model_validator(mode="after")
    def _says_nothing_twice(self) -> "Policy":
        bounded = Counter((b.metric, b.direction, b.is_of_change, b.level) for b in self.bounds)
        for (metric, *_), n in bounded.items():
            if n > 1:
                raise refuse(f"{metric} is bounded twice on the same side and level")
        for metric, n in Counter(waiver.metric for waiver in self.waivers).items():
            if n > 1:
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
        asked = (name for name in REQUIREMENTS if getattr(self, name) is not None)
        return tuple(dict.fromkeys((*asked, *(bound.metric for bound in self.bounds))))


PACKAGED: Final = {
    DEFAULT_POLICY: Path(__file__).with_name("rules.toml"),
    NO_WORSE: Path(__file__).with_name("no_worse.toml"),
}

KEYS: Final = ("version", *REQUIREMENTS, "bound", "waiver")

GUARD: Final = "only_if"
UNKNOWN_KEY: Final = "extra_forbidden"

Error = Mapping[str, Any]


def load_policy(name: str = DEFAULT_POLICY, *, of_change: bool = False) -> Policy:
    """Read a policy.

    Args:
        name: Of a TOML file, or `default` or `no-worse`, which no file in the working directory
            takes over.
        of_change: Whether two releases are compared, so that `default` is `no-worse`.

    Raises:
        ConfigurationError: It is missing or no TOML; a key or metric is unknown; a limit is
            missing, doubled, or out of reach; a waiver waives nothing.
    """
    name = NO_WORSE if of_change and name == DEFAULT_POLICY else name
    file = PACKAGED.get(name, Path(name))
    shown = name if name in PACKAGED else file.name
    if not (file.suffix or file.exists()) and (close := meant(name, PACKAGED)):
        raise ConfigurationError(f"--policy {name}: there is no such file", hint=close)
    return _policy_of(read_toml(file, "--policy", "policy"), str(file), shown, sha256_of(file))


@cache
def _wanted() -> dict[str, bool]:
    """By metric, whether more of it is better."""
    scores = (performance.ACCURACY, performance.MACRO_F1, performance.MICRO_F1, performance.ROC_AUC)
    return {score.name: True for score in scores} | {
        bound.metric: bound.direction == "min" for bound in load_policy().bounds
    }


def is_better(change: Change) -> bool | None:
    """Whether it is for the better, as the packaged rules read the number; None where none does."""
    wanted = _wanted().get(change.metric)
    return None if wanted is None else wanted == (change.difference > 0)


def policy_of(content: Mapping[str, object]) -> Policy:
    """The policy that a mapping is, with the keys of a file.

    Raises:
        ConfigurationError: As `load_policy`.
    """
    canonical = json.dumps(content, sort_keys=True, default=str)
    sha256 = hashlib.sha256(canonical.encode()).hexdigest()
    return _policy_of(content, "policy", "in memory", sha256)


def _policy_of(content: Mapping[str, Any], file: str, name: str, sha256: str) -> Policy:
    require_known(content, KEYS, file, "key")
    try:
        return Policy.model_validate({**content, "name": name, "sha256": sha256})
    except ValidationError as error:
        # A mistyped key is also one that is missing: say the first.
        errors = sorted(error.errors(), key=lambda found: found["type"] != UNKNOWN_KEY)
        table, field = _place(errors[0]["loc"], content)
        problem, hint = _problem(errors[0], field)
        said = ": ".join(filter(None, (file, table, problem)))
        raise ConfigurationError(said, hint=hint) from None


def _place(location: Sequence[str | int], content: Mapping[str, Any]) -> tuple[str, str]:
    """Which table, by number and metric, and which field of it."""
    if len(location) < 2:
        return "", ".".join(map(str, location))
    kind, number, *field = location
    table = content[str(kind)][number]
    metric = table.get("metric") if isinstance(table, dict) else None
    named = f" ({metric})" if isinstance(metric, str) else ""
    return f"{kind} {int(number) + 1}{named}", ".".join(map(str, field))


def _problem(error: Error, field: str) -> tuple[str, str | None]:
    name = str(error["loc"][-1]) if error["loc"] else ""
    inside = f"{GUARD}: " if field.startswith(GUARD) else ""
    match error["type"]:
        case kind if kind == REFUSED:
            return f"{inside}{error['ctx']['message']}", error["ctx"]["hint"]
        case kind if kind == UNKNOWN_KEY:
            return f"{inside}unknown key {name!r}", nearest(name, _fields_beside(error["loc"]))
        case "missing":
            return f"{inside}needs {name!r}", None
        case "tuple_type":
            return f"{name!r} is a list of tables", f"Write [[{name}]] above each."
        case "model_type":
            return f"{field} is a table, not {error['input']!r}".lstrip(), None
        case "date_type":
            return f"{field} is a date, not {error['input']!r}", "Write it as 2027-06-30."
        case "string_pattern_mismatch":
            return f"{field} has to say something", None
        case _:
            return f"{field}: {in_our_words(error['msg'])}, not {error['input']!r}", None


def _fields_beside(location: Sequence[str | int]) -> tuple[str, ...]:
    """The keys that the table of an unknown one may have."""
    of: type[BaseModel] = Waiver if location[0] == "waiver" else Bound
    return tuple((Guard if GUARD in location else of).model_fields)
