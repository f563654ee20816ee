"""The numbers of a report: each with its interval, by group and site, under the metric's name."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from attn_audit.findings.measure import OF_SHOWN
from attn_audit.findings.metric import MeanMetric, Metric, ShareMetric
from attn_audit.findings.registry import metrics
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
