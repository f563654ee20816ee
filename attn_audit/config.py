"""An audit's settings as a user says them: defaults, then a TOML file, then flags.

A key in the file, a flag and an argument of `attn_audit.audit` have the same name; flags spell it
with dashes.
"""

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticCustomError

from attn_audit.errors import ConfigurationError, meant, nearest
from attn_audit.files import is_url, read_text, read_toml, require_known
from attn_audit.findings import registry
from attn_audit.plugins import load_plugins
from attn_audit.quoting import in_our_words
from attn_audit.settings import (
    DEMO,
    FIELDS,
    KEYS,
    NEXT,
    ROLES,
    SETTINGS,
    TYPES,
    AuditSettings,
    Panel,
    kinds_of,
    names_where,
)

DISCOVERED = "attn-audit.toml"
"""Read from the working directory where no `--config` is given."""

DEFAULT_POLICY, NO_WORSE = "default", "no-worse"
"""Stand for the packaged rules, and for the packaged bounds of changes between two releases."""

_REFUSED = "not_as_it_should_be"
"""Type of the validation errors whose message is ours, and says all but what was given."""


def parse_label_map(text: str) -> dict[str, str]:
    """Read `--label-map`: pairs of old and new name, in quotation marks where they hold commas.

    Args:
        text: `old=new,old=new`; without a new name, rows with this label are left out.

    Raises:
        ConfigurationError: A pair has no `=`, no old name, or names a label again.

    Example:
        >>> parse_label_map('neg=negative,neutral=,"sad, angry=negative"')
        {'neg': 'negative', 'neutral': '', 'sad, angry': 'negative'}
    """
    names: dict[str, str] = {}
    for pair in next(csv.reader([text], skipinitialspace=True), None) or [""]:
        old, equals, new = (part.strip() for part in pair.partition("="))
        if not (old and equals) or "=" in new:
            hint = (
                "Write it as --label-map neg=negative,pos=positive; a pair that holds a comma in "
                """quotation marks: --label-map '"sad, angry=negative"'."""
            )
            raise ConfigurationError(f"the label map has {pair!r}, not old=new", hint=hint)
        if old in names:
            raise ConfigurationError(f"the label map names {old!r} twice")
        names[old] = new
    return names


def _parsed(name: str) -> Any:
    """A setting's type, with what turns a flag's words or a file's values into it."""
    kind, kinds = TYPES[name], kinds_of(name)
    words = next((get_args(part) for part in kinds if get_origin(part) is Literal), ())
    if int in kinds and words:  # layer, head, batch size
        return Annotated[kind, BeforeValidator(_number_or(*words))]
    validator = _VALIDATORS.get(name)
    kind = kind if validator is None else Annotated[kind, validator]
    return Annotated[kind, _one_of(_REGISTERED[name])] if name in _REGISTERED else kind


def _alone_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else _as_tuple(value)


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    return _as_tuple(value)


def _every_or_some(value: object) -> object:
    names = _split_commas(value)
    return tuple(_REGISTERED["checks"]()) if names == ("all",) else names


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


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


def _with_function(adapter: str | None) -> str | None:
    place, _, function = (adapter or "").rpartition(":")
    if adapter is not None and not (place and function.isidentifier()):
        raise PydanticCustomError(_REFUSED, "package.module:function or file.py:function")
    return adapter


def _span(layers: str) -> str:
    if re.fullmatch(r"all|[0-9]{1,9}-[0-9]{1,9}", layers) is None:
        raise PydanticCustomError(_REFUSED, "`all`, or the first and the last layer: 0-5")
    return layers


def _one_of(known: Callable[[], list[str]]) -> AfterValidator:
    def require(given: tuple[str, ...] | None) -> tuple[str, ...] | None:
        wrong = [name for name in given or () if name not in known()]
        if wrong:
            named = f"one or more of {', '.join(known())}"
            raise PydanticCustomError(_REFUSED, named, {"wrong": wrong})
        return given

    return AfterValidator(require)


_PART = re.compile(r"""(?:^|,)(?:(\s*)"([^"]*,[^"]*)"(\s*)(?=,|\Z)|([^,]*))""")
"""What stands between commas, without the quotation marks of what holds one itself: any others may
be meant, as those of an answer in JSON."""


def _answers(value: object) -> object:
    """Blanks count: most tokenizers keep the one before a word with it."""
    answers, names = _several(value)
    if answers != () and (len(names) < 2 or not _differ(names)):
        raise PydanticCustomError(_REFUSED, "two or more answers with names that differ")
    return answers


def _hypothesised(value: object) -> object:
    _, names = _several(value)
    if not _differ(names):
        raise PydanticCustomError(_REFUSED, "labels that differ")
    return names


def _several(value: object) -> tuple[object, tuple[str, ...]]:
    """What commas separate, as it is written, and without outer blanks."""
    several = _as_tuple(value)
    if isinstance(value, str):
        several = tuple("".join(parts) for parts in _PART.findall(value))
    names = (str(each).strip() for each in several) if isinstance(several, tuple) else ()
    return several, tuple(names)


def _differ(names: Sequence[str]) -> bool:
    return "" not in names and len({*names}) == len(names)


_VALIDATORS = {
    "options": BeforeValidator(_answers),
    "zero_shot": BeforeValidator(_hypothesised),
    "adapter": AfterValidator(_with_function),
    "replace_layers": AfterValidator(_span),
    "label_map": BeforeValidator(  # in a file it is a table
        lambda value: parse_label_map(value) if isinstance(value, str) else value
    ),
    "data": BeforeValidator(_alone_or_several),
    "output": BeforeValidator(_alone_or_several),
    "ignore_field": BeforeValidator(_split_commas),
    "checks": BeforeValidator(_every_or_some),
    "measures": BeforeValidator(_split_commas),
    "plugin": BeforeValidator(_alone_or_several),
    "shown": BeforeValidator(_split_commas),
}


_REGISTERED: Mapping[str, Callable[[], list[str]]] = {
    "checks": lambda: [found.check for found in registry.checks()],
    "measures": lambda: [measure.name for measure in registry.measures()],
}
"""What there is to choose from: plugins add to it."""


@cache
def _model() -> type[BaseModel]:
    """The table of settings as pydantic checks it."""
    rows: dict[str, Any] = {
        name: (_parsed(name), {} if name == "label_map" else FIELDS[name].default) for name in KEYS
    }
    strict = ConfigDict(strict=True, extra="forbid", protected_namespaces=())
    model: type[BaseModel] = create_model("AuditSettings", __config__=strict, **rows)
    return model


def _require_fit_for_chats(settings: AuditSettings) -> None:
    if settings.target not in (None, NEXT):
        raise ConfigurationError(
            f"--target {settings.target}: there is no prompt that ends with it, as rows are chats",
            hint=f"Ask with --options, or for any token: --target {NEXT}.",
        )
    if settings.audited not in (None, *ROLES):
        raise ConfigurationError(
            f"--audited {settings.audited}: of a chat it is a role: {', '.join(ROLES)}"
        )


def load_settings(flags: Mapping[str, Any], config: Path | None, folder: Path) -> AuditSettings:
    """Put an audit's settings together: default, then file, then flag.

    Args:
        flags: What the command line says; only what was said.
        folder: Where `attn-audit.toml` is looked for; the working directory.

    Raises:
        ConfigurationError: The file is missing or malformed, a key is unknown, or a value is wrong;
            or a discovered file names code to run.
    """
    found = folder / DISCOVERED
    file = config or (found if found.is_file() else None)
    from_file = _read(file, is_discovered=config is None) if file is not None else {}
    said = {**from_file, **flags}
    for name in ("prompt", "options"):  # shells have no short way to write a new line
        if isinstance(value := said.get(name), str):
            said[name] = value.replace("\\n", "\n")
    return validate(said, flags, file)


def validate(
    values: Mapping[str, Any], flags: Mapping[str, Any], file: Path | None
) -> AuditSettings:
    """Check settings, and say of the first that is wrong where it comes from.

    Raises:
        ConfigurationError: A value is of the wrong type or out of range.
    """
    load_plugins(_names(_alone_or_several(values.get("plugin"))))
    registry.add_shown(_names(_split_commas(values.get("shown"))))
    is_asked = bool(values.get("options") or values.get("target"))
    every = {
        "checks": registry.usual_checks(of_decoders=is_asked),
        # Of many layers the last one often decides nothing.
        "layer": "best" if is_asked else FIELDS["layer"].default,
    }
    try:
        checked = _model().model_validate(every | dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        place = (
            f"--{name.replace('_', '-')}" if name in flags or file is None else f"{file}: {name}"
        )
        if first["type"] == "extra_forbidden":
            raise ConfigurationError(
                f"{place}: no such setting", hint=nearest(name, KEYS)
            ) from None
        value = first.get("ctx", {}).get("wrong", values.get(name))
        raise ConfigurationError(
            f"{place}: {_problem(first, value)}", hint=_meant(first, value)
        ) from None
    settings = AuditSettings(**{name: getattr(checked, name) for name in KEYS})
    _require_companions(settings)
    settings = _with_prompt(settings)
    if settings.audited_texts == "both" and settings.shown:
        raise ConfigurationError(
            "--shown: these scores are of one text, and --audited both is of two",
            hint="Audit the text that they are of: --audited first, or second.",
        )
    # Left out and first are the same.
    is_text = settings.prompt is None and not settings.is_of_chats
    is_default = is_text and settings.audited_texts == "first"
    return replace(settings, audited=None) if is_default else settings


def _with_prompt(settings: AuditSettings) -> AuditSettings:
    """The settings with the prompt itself, in place of the file that holds it."""
    if settings.prompt_file is None:
        return settings
    text = read_text(Path(settings.prompt_file), "--prompt-file", "prompt")
    return replace(settings, prompt=text.removesuffix("\n"), prompt_file=None)


def _names(several: object) -> list[str]:
    """As far as they can be read; what cannot is refused with the other settings."""
    named = several if isinstance(several, tuple) else ()
    return [name for name in named if isinstance(name, str) and name]


def _require_companions(settings: AuditSettings) -> None:
    """Refuse what means nothing without another setting, or beside it."""
    if settings.plugin and settings.engine == "ray":
        raise ConfigurationError(
            "--plugin: workers of a cluster have none",
            hint="Audit in this process, with --engine local.",
        )
    if settings.prompt is not None and settings.prompt_file is not None:
        raise ConfigurationError("--prompt-file: the prompt is given by --prompt too")
    has_prompt = settings.chat or not (settings.prompt is None and settings.prompt_file is None)
    if not has_prompt:
        hint = (
            "Say what stands around each text: --prompt 'Review: {text}\\nSentiment:'; or, where "
            "rows are chats, --chat."
        )
        _require_default(settings, names_where(panel=Panel.PROMPT), "there is no prompt", hint)
    if settings.target is not None and settings.options:
        raise ConfigurationError(
            "--target: there are --options to choose from, and only one of the two is asked"
        )
    if settings.target == NEXT and settings.answer_score != FIELDS["answer_score"].default:
        raise ConfigurationError(
            f"--answer-score: what follows is one token (--target {NEXT}), by its probability"
        )
    if has_prompt and settings.zero_shot:
        raise ConfigurationError("--zero-shot: there is a prompt, and only one of both is asked")
    if has_prompt and not settings.options and settings.target is None:
        asked = "--chat" if settings.is_of_chats else "--prompt"
        raise ConfigurationError(
            f"{asked}: nothing is asked",
            hint="Name the answers to choose from: --options ' negative, positive'; or the field "
            f"of what follows: --target FIELD; or any token: --target {NEXT}.",
        )
    if settings.is_of_chats:
        _require_fit_for_chats(settings)
    if not settings.zero_shot:
        lack, hint = "there are no labels to ask for", "Name them: --zero-shot 'sports, politics'."
        _require_default(settings, ("template", "zero_shot_each"), lack, hint)
    if settings.run_dir is None:
        hint = "Name the folder that keeps the shards with --run-dir."
        _require_default(settings, ("resume", "shard_size"), "no run directory is named", hint)
    if settings.engine == "local":
        of_workers = ("workers", "gpus_per_worker", "ray_address")
        hint = "Audit on a cluster with --engine ray."
        _require_default(settings, of_workers, "the local engine has no workers", hint)


def _require_default(settings: AuditSettings, names: Iterable[str], lack: str, hint: str) -> None:
    for name in names:
        if getattr(settings, name) != FIELDS[name].default:
            raise ConfigurationError(f"--{name.replace('_', '-')}: {lack}", hint=hint)


def _meant(error: Any, value: object) -> str | None:
    """What was probably meant by a word that is none of those that there are."""
    known = re.findall(r"[\w-]+", str(error.get("ctx", {}).get("expected") or error["msg"]))
    words = error["input"] if error["type"] == "literal_error" else value
    first, *_ = words if isinstance(words, list | tuple) and words else (words,)
    return meant(first, known) if isinstance(first, str) and first not in known else None


def _problem(error: Any, value: object) -> str:
    message = in_our_words(str(error["msg"]))
    if error["type"] == _REFUSED:
        items = value if isinstance(value, list | tuple) else (value,)
        return f"{error['msg']}, not {', '.join(repr(item) for item in items)}"
    if error["type"] == "literal_error":
        shown = error["input"] if len(error["loc"]) > 1 else value
        return f"{message}, not {shown!r}"
    return f"{message} (got {value!r})"


def _read(file: Path, *, is_discovered: bool) -> dict[str, Any]:
    content = read_toml(file, "--config", "configuration")
    code = next((key for key in content if key in names_where(names_code=True)), None)
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
    for key in names_where(is_written=True):
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
    if key == "plugin" and value.endswith(".py"):
        return str(folder / value)
    if not SETTINGS[key].is_path or is_url(value):
        return value
    if "\0" in value:
        raise ConfigurationError(f"{key}: {value!r} is no path")
    resolved = folder / value
    if key == "policy" and value in (DEFAULT_POLICY, NO_WORSE):
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
