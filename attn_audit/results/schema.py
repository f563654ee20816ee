"""The parts of a report that follow the registry: numbers by metric, shown records by field."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic import Field as Constraint
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from attn_audit.findings import adversarial
from attn_audit.findings.example import IF_FAILED, PREDICTION, PROBABILITY, UNITS, Label
from attn_audit.findings.field import Field, Kind, Shape
from attn_audit.findings.measure import OF_SHOWN
from attn_audit.findings.metric import MeanMetric, Metric, ShareMetric
from attn_audit.findings.registry import metrics, record_fields
from attn_audit.statistics.summary import GroupedDistribution, Number, Share, Summary


def kind_of(metric: Metric) -> type[Summary]:
    """What a report holds of a metric."""
    match metric:
        case MeanMetric():
            return GroupedDistribution
        case ShareMetric():
            return Share
        case _:
            return Number


def _by_kind(given: object) -> object:
    """Read every metric as what it is."""
    if not isinstance(given, Mapping):
        return given
    kinds = {metric.name: kind_of(metric) for metric in metrics()}
    unknown = [name for name in given if name not in kinds]
    if unknown:
        raise ValueError(f"there is no metric {unknown[0]!r}")
    return {name: _read(name, kinds[name], value) for name, value in given.items()}


def _read(name: str, kind: type[Summary], value: object) -> Summary:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join((name, *map(str, first["loc"])))
        message = {"message": f"{place}: {first['msg']}"}
        raise PydanticCustomError("metric", "{message}", message) from None


class _OfMetrics:
    """The JSON schema: a property for each metric."""

    @staticmethod
    def __get_pydantic_json_schema__(
        schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        of_union = handler(schema)["additionalProperties"]["anyOf"]
        references = dict(zip((GroupedDistribution, Share, Number), of_union, strict=True))
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                metric.name: references[kind_of(metric)] | {"description": f"{metric.definition}."}
                for metric in metrics()
            },
            "patternProperties": {OF_SHOWN: {"anyOf": of_union}},
        }


Summaries = Annotated[dict[str, Summary], BeforeValidator(_by_kind), _OfMetrics]
"""By the metrics' names."""


def _as_written(value: object) -> object:
    """One probability is a number with a point, as every audit writes it; `true` and 1 are none."""
    if isinstance(value, int):
        raise ValueError("not written as a probability")
    return value


_TYPES: Mapping[Kind, Any] = {
    Kind.TEXT: str,
    Kind.LABEL: Label,
    Kind.NUMBER: float,
    Kind.COUNT: int,
    Kind.SWITCH: bool,
    Kind.NAMES: tuple[str, ...],
    Kind.PROBABILITY: Annotated[float | tuple[float, ...], BeforeValidator(_as_written)],
}

_LISTS: Mapping[Kind, Any] = {Kind.TEXT: tuple[str, ...], Kind.NUMBER: tuple[float, ...]}


class _OfFields:
    """The JSON schema of a shown record, from the fields."""

    @staticmethod
    def __get_pydantic_json_schema__(_: CoreSchema, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        of_shown = {"description": "Of scores that came with the data."}
        schema = _model(_shown_fields()).model_json_schema()
        return schema | {"patternProperties": {OF_SHOWN: of_shown}}


ShownRecord = Annotated[dict[str, Any], _OfFields]
"""What is shown of an example, by the fields' names, as JSON knows it."""


def require_shown(record: Mapping[str, Any]) -> None:
    """Refuse what no audit shows of an example.

    Raises:
        ValidationError: A field is unknown, missing, of another type, or contradicts another.
    """
    _model(_shown_fields()).model_validate(record)


def _shown_fields() -> tuple[Field[object], ...]:
    return tuple(field for field in record_fields() if field.is_shown)


@cache
def _model(fields: tuple[Field[object], ...]) -> type[BaseModel]:
    """What such a record must look like, from the fields."""
    attributes: dict[str, Any] = {
        field.name.replace(".", "__"): _attribute(field) for field in fields
    }
    return create_model("ShownRecord", __base__=_Checked, **attributes)


def _attribute(field: Field[object]) -> tuple[Any, Any]:
    """Its type, and what pydantic has to know of it; an example that failed is not shown."""
    kind: Any = _TYPES[field.kind]
    if field.shape is Shape.UNITS:
        kind = _LISTS[field.kind]
    if field.null in ("", IF_FAILED):
        return kind, Constraint(alias=field.name, description=f"{field.definition}.")
    return kind | None, Constraint(None, alias=field.name, description=f"{field.definition}.")


class _Checked(BaseModel):
    """What has to hold of several fields at once."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "_Checked":
        values = self.model_dump(by_alias=True)
        fields, n_units = _shown_fields(), len(values[UNITS.name])
        for name in (field.name for field in fields if field.shape is Shape.UNITS):
            if values[name] is not None and len(values[name]) != n_units:
                raise ValueError(f"{len(values[name])} values of {name} for {n_units} units")
        named = (values[f.name] for f in fields if f.kind is Kind.LABEL)
        if len({isinstance(name, str) for name in named if name is not None}) > 1:
            raise ValueError("one label beside several")
        if isinstance(values[PREDICTION.name], str) and values[PROBABILITY.name] == ():
            raise ValueError("no probability")
        witness, distance = adversarial.ATTENTION.name, adversarial.DISTANCE_FIELD.name
        if values[witness] and values[distance] is None:
            raise ValueError("adversarial attention without its distance")
        return self
