"""An audit's settings: defaults, then a TOML file, then flags.

A key in the file, a flag and an argument of `attn_audit.audit` have the same name; flags spell it
with dashes.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from attn_audit.errors import ConfigurationError
from attn_audit.locations import is_url
from attn_audit.toml import read_toml, require_known

DISCOVERED = "attn-audit.toml"
"""Read from the working directory where no `--config` is given."""

DEMO = "demo"
"""Stands for the packaged model or texts."""

CODE_KEYS = ("adapter", "trust_remote_code")
"""Settings that name code to run: never taken from a file that was merely found."""

DEFAULT_POLICY = "default"
"""Stands for the packaged policy."""

_PATHS = ("model", "data", "vocabulary", "output", "figures", "records", "policy", "run_dir")

_WRITTEN = ("output", "figures", "records", "run_dir")
"""Of these, what is written."""

_REFUSED = "not_as_it_should_be"
"""Type of the validation errors whose message is ours, and says all but what was given."""


def _split_commas(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _alone_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


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


def _number_or(*words: str) -> Callable[[object], object]:
    """Whole numbers as a flag gives them, beside some words."""

    def parse(value: object) -> object:
        if value in words or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
            return int(value)
        named = ", ".join(f"`{word}`" for word in words)
        raise PydanticCustomError(_REFUSED, f"{named} or a whole number")

    return parse


def _with_function(adapter: str) -> str:
    place, _, function = adapter.rpartition(":")
    if not (place and function.isidentifier()):
        raise PydanticCustomError(_REFUSED, "package.module:function or file.py:function")
    return adapter


class AuditSettings(BaseModel):
    """Everything that an audit can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = None
    data: str | None = None
    vocabulary: str | None = None
    adapter: Annotated[str, AfterValidator(_with_function)] | None = None
    """Of a user's own module: the function that makes it, and where that is."""
    trust_remote_code: Annotated[bool, Field(strict=True)] = False
    revision: str | None = None
    dtype: Literal["float32", "float64", "bfloat16", "float16"] = "float32"
    max_length: Annotated[int, Field(ge=1, strict=True)] | None = None
    task: Literal["binary"] | None = None
    """None: as the model's configuration says."""

    split: str = "test"
    limit: Annotated[int, Field(ge=1, strict=True)] | None = None
    id_field: str = "id"
    text_field: str = "text"
    text_pair_field: str = "text_pair"
    label_field: str = "label"
    labels_field: str = "labels"
    candidates_field: str = "candidates"
    quoting: Literal["auto", "none", "csv"] = "auto"
    """Whether cells of CSV and TSV are quoted; `auto`: CSV is, TSV if the whole file says so."""
    max_unpacked_mb: Annotated[int, Field(ge=1, strict=True)] | None = None
    """How much a packed data file may hold; None: what is likely for its size."""
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
    layer: Annotated[
        Annotated[int, Field(ge=0)] | Literal["last", "all"],
        BeforeValidator(_number_or("last", "all")),
    ] = "last"
    head: Annotated[
        Annotated[int, Field(ge=0)] | Literal["mean", "all"],
        BeforeValidator(_number_or("mean", "all")),
    ] = "mean"
    rows: Literal["readout", "all"] = "readout"
    unit: Literal["token", "word"] = "token"
    removal: Literal["mask", "delete"] | None = None
    """None: by mask where that is exact, else by deletion."""
    permutations: Annotated[int, Field(ge=1, le=10**5, strict=True)] = 100
    epsilon: Annotated[float, Field(ge=1e-4, lt=1, strict=True)] | None = None
    """None: 0.01 for single texts, 0.05 for pairs, as in the paper."""
    method: Literal["auto", "exact", "gradient"] = "auto"
    iterations: Annotated[int, Field(ge=1, le=10**5, strict=True)] = 500
    restarts: Annotated[int, Field(ge=1, le=1000, strict=True)] = 5

    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_size: Annotated[
        Annotated[int, Field(ge=1)] | Literal["auto"], BeforeValidator(_number_or("auto"))
    ] = "auto"
    threads: Annotated[int, Field(ge=1, le=1024, strict=True)] | None = None

    output: Annotated[tuple[str, ...], BeforeValidator(_alone_or_several)] = ()
    """Where the report goes, in as many formats as there are files; empty: standard output."""
    format: Literal["terminal", "json"] = "terminal"
    engine: Literal["local", "ray"] = "local"
    """Where shards are audited: in this process, or on a Ray cluster."""
    workers: Annotated[int, Field(ge=1, strict=True)] | None = None
    gpus_per_worker: Annotated[float, Field(ge=0)] | None = None
    ray_address: str | None = None
    """None: a cluster is started on this machine."""
    run_dir: str | None = None
    """Where records are kept shard by shard; None: nowhere until all is done."""
    resume: Annotated[bool, Field(strict=True)] = False
    shard_size: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Examples of a shard; None: 2,000, or as the audit had that is gone on with."""
    on_error: Literal["stop", "record"] = "stop"
    """What an example that fails does: end the audit, or become a record that says so."""

    figures: str | None = None
    records: str | None = None
    reproducible: Annotated[bool, Field(strict=True)] = False
    """Leave time stamps and durations out of the report."""
    policy: str | None = None
    """What the report is judged by; None: it is not judged."""
    inconclusive: Literal["pass", "fail"] | None = None
    """What an inconclusive verdict counts as; None: it has an exit code of its own."""

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

    def require_run_dir(self) -> None:
        """Refuse what only a run directory can do where none is named.

        Raises:
            ConfigurationError: `resume` or `shard_size` without `run_dir`.
        """
        name = "--resume" if self.resume else "--shard-size"
        if self.run_dir is None and (self.resume or self.shard_size is not None):
            raise ConfigurationError(
                f"{name}: no run directory is named",
                hint="Name the folder that keeps the shards with --run-dir.",
            )

    def require_engine(self) -> None:
        """Refuse what only a cluster can do where the engine is local.

        Raises:
            ConfigurationError: A setting of the cluster without `engine = "ray"`.
        """
        names = ("workers", "gpus_per_worker", "ray_address")
        said = next((name for name in names if getattr(self, name) is not None), None)
        if self.engine == "local" and said is not None:
            raise ConfigurationError(
                f"--{said.replace('_', '-')}: the local engine has no workers",
                hint="Audit on a cluster with --engine ray.",
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
    if error["type"] == _REFUSED:
        return f"{message}, not {value!r}"
    if error["type"] == "literal_error":
        shown = error["input"] if len(error["loc"]) > 1 else value
        return f"{message[0].lower()}{message[1:]}, not {shown!r}"
    return f"{message[0].lower()}{message[1:]} (got {value!r})"


def _read(file: Path, *, is_discovered: bool) -> dict[str, Any]:
    content = read_toml(file, "--config", "configuration")
    code = next((key for key in content if key in CODE_KEYS), None)
    if code is not None and is_discovered:
        raise ConfigurationError(
            f"{file}: {code!r} names code to run, and this file was found, not named",
            hint="Name the file with --config if you trust it.",
        )
    require_known(content, KEYS, str(file), "setting")
    if is_discovered:
        _require_outputs_inside(file, content)
    return {key: _relative_to(file.parent, key, value) for key, value in content.items()}


def _require_outputs_inside(file: Path, content: Mapping[str, Any]) -> None:
    """Nothing is written outside of a folder because of a file that lay in it."""
    folder = file.parent.resolve()
    for key in _WRITTEN:
        value = content.get(key)
        for name in value if isinstance(value, list) else [value]:
            if not isinstance(name, str) or "\0" in name:
                continue
            if not (folder / name).resolve().is_relative_to(folder):
                raise ConfigurationError(
                    f"{file}: {key} = {name!r} lies outside of its folder, and this file was "
                    "found, not named",
                    hint="Name the file with --config if you trust it.",
                )


def _relative_to(folder: Path, key: str, value: object) -> object:
    """Paths in a file are relative to it; names of models and data sets that are no paths stay."""
    if isinstance(value, list):
        return [_relative_to(folder, key, part) for part in value]
    if not isinstance(value, str) or value == "-":
        return value
    if key == "adapter" and (place := value.rpartition(":"))[0].endswith(".py"):
        return f"{folder / place[0]}:{place[2]}"
    if key not in _PATHS or is_url(value):
        return value
    if "\0" in value:
        raise ConfigurationError(f"{key}: {value!r} is no path")
    resolved = folder / value
    if key == "policy" and value == DEFAULT_POLICY:
        return value
    if key == "model" and value == DEMO and not resolved.exists():
        return value
    if key in ("model", "data") and not resolved.exists() and _may_be_a_name(value):
        return value
    return str(resolved)


def _may_be_a_name(value: str) -> bool:
    """Whether it may be a name on the HuggingFace hub, and nothing of that name lies here.

    Names have dots as well: `Llama-3.2-1B`. What stands behind a file's is a word.
    """
    is_file = Path(value).suffix[1:].isalpha()
    is_name = value.count("/") <= 1 and not value.startswith((".", "/")) and not is_file
    return is_name and not Path(value).exists()
