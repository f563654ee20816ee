"""An audit's settings: defaults, then a TOML file, then flags.

A key in the file, a flag and an argument of `attn_audit.audit` have the same name; flags spell it
with dashes.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from attn_audit.errors import ConfigurationError, nearest

DISCOVERED = "attn-audit.toml"
"""Read from the working directory where no `--config` is given."""

DEMO = "demo"
"""Stands for the packaged model or texts."""

CODE_KEYS = ("adapter", "trust_remote_code")
"""Settings that name code to run: never taken from a file that was merely found."""

_PATHS = ("model", "data", "vocabulary", "output", "records")


def _split_commas(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def parse_label_map(text: str) -> dict[str, str]:
    """Read `--label-map`: pairs of old and new name.

    Args:
        text: `old=new,old=new`.

    Raises:
        ConfigurationError: A pair has no `=`, an empty side, or names a label again.

    Example:
        >>> parse_label_map("neg=negative,pos=positive")
        {'neg': 'negative', 'pos': 'positive'}
    """
    names: dict[str, str] = {}
    for pair in text.split(","):
        old, equals, new = (part.strip() for part in pair.partition("="))
        if not (old and equals and new) or "=" in new:
            hint = "Write it as --label-map neg=negative,pos=positive."
            raise ConfigurationError(f"the label map has {pair!r}, not old=new", hint=hint)
        if old in names:
            raise ConfigurationError(f"the label map names {old!r} twice")
        names[old] = new
    return names


def _pairs(value: object) -> object:
    """The flag's form works in a file as well, beside a table."""
    return parse_label_map(value) if isinstance(value, str) else value


class AuditSettings(BaseModel):
    """Everything that an audit can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = None
    data: str | None = None
    vocabulary: str | None = None

    split: str = "test"
    limit: Annotated[int, Field(ge=1, strict=True)] | None = None
    id_field: str = "id"
    text_field: str = "text"
    text_pair_field: str = "text_pair"
    label_field: str = "label"
    labels_field: str = "labels"
    candidates_field: str = "candidates"
    label_map: Annotated[dict[str, str], BeforeValidator(_pairs)] = Field(default_factory=dict)

    checks: Annotated[
        tuple[Literal["correlation", "permutation", "adversarial"], ...],
        Field(min_length=1),
        BeforeValidator(_split_commas),
    ] = ("correlation", "permutation", "adversarial")
    measures: Annotated[
        tuple[Literal["gradient", "leave_one_out"], ...],
        Field(min_length=1),
        BeforeValidator(_split_commas),
    ] = ("gradient", "leave_one_out")
    permutations: Annotated[int, Field(ge=1, strict=True)] = 100
    epsilon: Annotated[float, Field(ge=1e-4, lt=1, strict=True)] | None = None
    """None: 0.01 for single texts, 0.05 for pairs, as in the paper."""
    method: Literal["auto", "exact", "gradient"] = "auto"
    iterations: Annotated[int, Field(ge=1, strict=True)] = 500
    restarts: Annotated[int, Field(ge=1, strict=True)] = 5

    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_size: Annotated[int, Field(ge=1, strict=True)] | Literal["auto"] = "auto"
    threads: Annotated[int, Field(ge=1, strict=True)] | None = None

    output: str | None = None
    format: Literal["terminal", "json"] = "terminal"
    records: str | None = None
    reproducible: Annotated[bool, Field(strict=True)] = False
    """Leave time stamps and durations out of the report."""

    def require_inputs(self) -> None:
        """Refuse to guess: nothing is ever audited by accident.

        Raises:
            ConfigurationError: No model or no data was named.
        """
        missing = [name for name in ("model", "data") if getattr(self, name) is None]
        if missing:
            raise ConfigurationError(
                f"nothing to audit: no {' and no '.join(name.upper() for name in missing)} given",
                hint="Give both as arguments, or as `model` and `data` in attn-audit.toml. "
                "`attn-audit demo` audits a packaged example.",
            )

    @property
    def fields(self) -> dict[str, str]:
        """What the data's fields are called, by what they are."""
        roles = ("id", "text", "text_pair", "label", "labels", "candidates")
        return {role: getattr(self, f"{role}_field") for role in roles}


KEYS = tuple(AuditSettings.model_fields)


def load_settings(flags: Mapping[str, Any], config: Path | None, folder: Path) -> AuditSettings:
    """Put an audit's settings together: default, then file, then flag.

    Args:
        flags: What the command line says; only what was said.
        config: The file named by `--config`, or None.
        folder: Where `attn-audit.toml` is looked for; the working directory.

    Raises:
        ConfigurationError: The file is missing or malformed, a key is unknown, or a value is wrong;
            or a discovered file names code to run.
    """
    found = folder / DISCOVERED
    file = config or (found if found.is_file() else None)
    from_file = _read(file, is_discovered=config is None) if file is not None else {}
    return validate({**from_file, **flags}, flags, file)


def validate(
    values: Mapping[str, Any], flags: Mapping[str, Any], file: Path | None
) -> AuditSettings:
    """Check settings, and say of the first that is wrong where it comes from.

    Args:
        values: All settings.
        flags: Those of them that were said on the command line.
        file: Where the others come from.

    Raises:
        ConfigurationError: A value is of the wrong type or out of range.
    """
    try:
        return AuditSettings.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        place = (
            f"--{name.replace('_', '-')}" if name in flags or file is None else f"{file}: {name}"
        )
        raise ConfigurationError(f"{place}: {_problem(first, values.get(name))}") from None


def _problem(error: Any, value: object) -> str:
    message = str(error["msg"])
    if error["type"] == "literal_error":
        shown = error["input"] if len(error["loc"]) > 1 else value
        return f"{message[0].lower()}{message[1:]}, not {shown!r}"
    return f"{message[0].lower()}{message[1:]} (got {value!r})"


def _read(file: Path, *, is_discovered: bool) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"--config {file}: there is no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"cannot read the configuration {file}: {error}") from None
    _require_known(content, file, is_discovered)
    return {key: _relative_to(file.parent, key, value) for key, value in content.items()}


def _require_known(content: Mapping[str, Any], file: Path, is_discovered: bool) -> None:
    code = next((key for key in content if key in CODE_KEYS), None)
    if code is not None and is_discovered:
        raise ConfigurationError(
            f"{file}: {code!r} names code to run, and this file was found, not named",
            hint="Name the file with --config if you trust it.",
        )
    unknown = [key for key in content if key not in KEYS]
    if unknown:
        keys = ", ".join(repr(key) for key in unknown)
        raise ConfigurationError(
            f"{file}: unknown setting{'s' if len(unknown) > 1 else ''} {keys}",
            hint=nearest(unknown[0], KEYS),
        )


def _relative_to(folder: Path, key: str, value: object) -> object:
    """Paths in a file are relative to it; names of models and data sets that are no paths stay."""
    if key not in _PATHS or not isinstance(value, str) or value == "-":
        return value
    if "\0" in value:
        raise ConfigurationError(f"{key}: {value!r} is no path")
    resolved = folder / value
    if key == "model" and value == DEMO and not resolved.exists():
        return value
    if key == "data" and not resolved.exists() and _may_be_a_name(value):
        return value
    return str(resolved)


def _may_be_a_name(data: str) -> bool:
    """Whether DATA may be the name of a data set, and nothing of that name lies here."""
    is_name = data.count("/") <= 1 and not data.startswith((".", "/")) and not Path(data).suffix
    return is_name and not Path(data).exists()
