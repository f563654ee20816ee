"""How results are stored: JSON text that is safe to show and carries the hash of its content.

What follows the registry in it, numbers by metric and shown records by field, is checked by that.
The hash is no signature: it tells a report that was edited, by hand or by a tool, from one that is
as it was written, and does not keep a forger out.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from json import JSONDecodeError
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

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

from attn_audit.errors import ReportError, or_nearest
from attn_audit.files import problem_of
from attn_audit.findings import adversarial
from attn_audit.findings.example import IF_FAILED, PREDICTION, PROBABILITY, UNITS, Label
from attn_audit.findings.field import Field, Kind, Shape
from attn_audit.findings.measure import OF_SHOWN
from attn_audit.findings.metric import MeanMetric, Metric, ShareMetric
from attn_audit.findings.registry import metrics, record_fields
from attn_audit.quoting import in_our_words
from attn_audit.statistics.summary import GroupedDistribution, Number, Share, Summary


def json_text(content: object) -> str:
    r"""Indented JSON in which letters of any language stay readable, and nothing acts or hides.

    Returns:
        The same values as UTF-8 text that is safe in any terminal.

    Example:
        >>> print(json_text({"text": "na\u00efve\u202e"}), end="")
        {
          "text": "naïve\u202e"
        }
    """
    text = json.dumps(content, indent=2, ensure_ascii=False)
    return _NOT_ASCII.sub(_escaped_if_unseen, text) + "\n"


_NOT_ASCII = re.compile(r"[^\x00-\x7e]")
"""What is not: in JSON it stands within strings alone."""


def _escaped_if_unseen(found: re.Match[str]) -> str:
    """Letters stay readable; what would act on a terminal, or hide, is spelled out."""
    character = found[0]
    return character if character.isprintable() else json.dumps(character)[1:-1]


HASH: Final = "content_sha256"

MADE_OF_REPORTS: Final = {
    **dict.fromkeys((".html", ".md", ".tex", ".txt"), "what people read of a report"),
    **dict.fromkeys((".xml", ".sarif"), "what programs read of a verdict"),
    **dict.fromkeys((".parquet", ".jsonl"), "an audit's records, or data"),
    ".csv": "a table of an audit's numbers, or data",
}
"""What else an audit writes, by suffix."""

NAME_IT = "Name the .json report that an audit wrote."
MAKE_AGAIN = "Use the file that the audit wrote, or audit again."

MAX_BYTES: Final = 2**26
"""Of a report: 64 MiB. It holds sums and a bounded sample, whatever was audited."""

_ENDS_EARLY = "the file ends early: it was not written or copied whole"


def content_sha256(content: dict[str, Any]) -> str:
    """SHA-256 of a report's content, however its text is laid out.

    Returns:
        Of the content as JSON with sorted keys, no blanks, and ASCII alone; in hexadecimal.
    """
    hashed = {key: value for key, value in content.items() if key != HASH}
    canonical = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def to_stored(content: dict[str, Any]) -> str:
    """The text of a report file: the content with its hash behind the schema's version."""
    stored = {"schema_version": content["schema_version"], HASH: content_sha256(content)}
    return json_text(stored | content)


def read_stored(path: Path, schema_version: int) -> tuple[dict[str, Any], object]:
    """Read a report file, as far as it is one of a version that is known.

    Returns:
        The content as JSON values, not validated yet, and the hash that stands beside it.

    Raises:
        ReportError: Missing, not text, not JSON, cut short, no report, or of another version.
    """
    if path.suffix.lower() in MADE_OF_REPORTS and path.exists():
        beside = path.with_suffix(".json")
        raise ReportError(
            path,
            f"it is {MADE_OF_REPORTS[path.suffix.lower()]}, and the .json report is wanted",
            hint=f"Give {beside}." if beside.exists() else "`--output report.json` writes one.",
        )
    if path.is_dir():
        again = f"attn-audit report {path} --output report.json"
        hint = f"If it is the --run-dir of an audit: {again} writes its report."
        raise ReportError(path, "it is a folder", hint=hint)
    content = _parse(path)
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, bool) or not isinstance(version, int):
        raise ReportError(path, "it is no report: no schema version", hint=NAME_IT)
    if version > schema_version:
        raise ReportError(
            path,
            f"it was made by a newer attn-audit (schema version {version}, here {schema_version})",
            hint="Update this attn-audit: pip install --upgrade attn-audit.",
        )
    if version < schema_version:
        problem = f"its schema version {version} is no longer read (here {schema_version})"
        raise ReportError(path, problem, hint="Numbers mean other things since. Audit again.")
    return content, content.pop(HASH, None)


def require_unedited(path: Path, content: dict[str, Any], sha256: object) -> None:
    """Hold the content of a report against its hash.

    Args:
        content: As it was read, not as it was validated: a field that was added to the schema since
            has its default there. Another order of keys or layout makes no difference.

    Raises:
        ReportError: There is no hash, or it is that of other content.
    """
    if sha256 is None:
        raise ReportError(path, f"it has no {HASH}, which every audit writes", hint=MAKE_AGAIN)
    if sha256 != content_sha256(content):
        problem = f"it was edited after it was written: its {HASH} is not its content's"
        raise ReportError(path, problem, hint=MAKE_AGAIN)


def malformed(path: Path, error: ValidationError) -> ReportError:
    """What to say of a report that does not follow the schema: its first fault."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "the whole"
    return ReportError(path, f"{place}: {in_our_words(first['msg'])}", hint=MAKE_AGAIN)


def publish_hash(schema: dict[str, Any]) -> None:
    """Add the hash to the published schema: it is in every stored report, but in no report."""
    described = {
        "description": "SHA-256 of the content but this: as JSON with sorted keys, no blanks, and "
        "all but ASCII escaped.",
        "pattern": "^[0-9a-f]{64}$",
        "type": "string",
    }
    schema["properties"] = {**schema["properties"], HASH: described}
    schema["required"] = [*schema.get("required", ()), HASH]


def _parse(path: Path) -> Any:
    try:
        with path.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ReportError(path, f"it is longer than {MAX_BYTES >> 20} MiB", hint=NAME_IT)
        text = content.decode("utf-8")
    except OSError as error:
        raise ReportError(
            path, problem_of(error).lower() + or_nearest(path), hint=NAME_IT
        ) from None
    except UnicodeDecodeError as error:
        problem = "not UTF-8 text" if error.end < len(error.object) else _ENDS_EARLY
        raise ReportError(path, problem, hint=MAKE_AGAIN) from None
    try:
        return json.loads(text)
    except JSONDecodeError as error:
        raise ReportError(path, _broken(text, error), hint=MAKE_AGAIN) from None
    except (ValueError, RecursionError) as error:
        raise ReportError(path, f"it is no report: {error}", hint=MAKE_AGAIN) from None


def _broken(text: str, error: JSONDecodeError) -> str:
    """Cut short, or broken within: a whole report ends in the brace that it began with."""
    whole = text.strip()
    if not whole.startswith("{"):
        return "the file is empty" if not whole else "it is not JSON"
    if not whole.endswith("}") or error.pos >= len(text.rstrip()):
        return _ENDS_EARLY
    return f"it is not JSON: line {error.lineno}, column {error.colno}: {error.msg.lower()}"


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
    return {name: _read_metric(name, kinds[name], value) for name, value in given.items()}


def _read_metric(name: str, kind: type[Summary], value: object) -> Summary:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join((name, *map(str, first["loc"])))
        message = {"message": f"{place}: {first['msg']}"}
        raise PydanticCustomError("metric", "{message}", message) from None


class _MetricsSchema:
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


Summaries = Annotated[dict[str, Summary], BeforeValidator(_by_kind), _MetricsSchema]
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


class _FieldsSchema:
    """The JSON schema of a shown record, from the fields."""

    @staticmethod
    def __get_pydantic_json_schema__(_: CoreSchema, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        of_shown = {"description": "Of scores that came with the data."}
        schema = _model(_shown_fields()).model_json_schema()
        return schema | {"patternProperties": {OF_SHOWN: of_shown}}


ShownRecord = Annotated[dict[str, Any], _FieldsSchema]
"""What is shown of an example, by the fields' names, as JSON knows it."""


def require_shown(records: Iterable[Mapping[str, Any]]) -> None:
    """Refuse what no audit shows of examples.

    Raises:
        ValidationError: A field is unknown, missing, of another type, not finite, or contradicts
            another.
    """
    model = _model(_shown_fields())
    for record in records:
        model.model_validate(record)


def _shown_fields() -> tuple[Field[object], ...]:
    return tuple(field for field in record_fields() if field.is_shown)


@cache
def _model(fields: tuple[Field[object], ...]) -> type[BaseModel]:
    attributes: dict[str, Any] = {_attribute_name(field): _attribute(field) for field in fields}
    model = create_model("ShownRecord", __base__=_RecordBase, **attributes)
    model._fields = fields
    return model


def _attribute_name(field: Field[object]) -> str:
    return field.name.replace(".", "__")


def _attribute(field: Field[object]) -> tuple[Any, Any]:
    """Its type, and what pydantic has to know of it; an example that failed is not shown."""
    kind: Any = _TYPES[field.kind]
    if field.shape is Shape.UNITS:
        kind = _LISTS[field.kind]
    if field.null in ("", IF_FAILED):
        return kind, Constraint(alias=field.name, description=f"{field.definition}.")
    return kind | None, Constraint(None, alias=field.name, description=f"{field.definition}.")


class _RecordBase(BaseModel):
    """What has to hold of several fields at once."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    _fields: ClassVar[tuple[Field[object], ...]] = ()
    """The fields that it is made of."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "_RecordBase":
        fields, n_units = self._fields, len(self._value(UNITS))
        for field in (field for field in fields if field.shape is Shape.UNITS):
            values = self._value(field)
            if values is not None and len(values) != n_units:
                raise ValueError(f"{len(values)} values of {field.name} for {n_units} units")
        named = (self._value(field) for field in fields if field.kind is Kind.LABEL)
        if len({isinstance(name, str) for name in named if name is not None}) > 1:
            raise ValueError("one label beside several")
        if isinstance(self._value(PREDICTION), str) and self._value(PROBABILITY) == ():
            raise ValueError("no probability")
        witness, distance = adversarial.ATTENTION, adversarial.DISTANCE_FIELD
        if self._value(witness) and self._value(distance) is None:
            raise ValueError("adversarial attention without its distance")
        return self

    def _value(self, field: Field[Any]) -> Any:
        return getattr(self, _attribute_name(field))
