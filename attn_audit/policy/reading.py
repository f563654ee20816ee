"""Reading a policy: every mistake in it is named, with its place."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from attn_audit.config import DEFAULT_POLICY
from attn_audit.errors import ConfigurationError, nearest
from attn_audit.files import sha256_of
from attn_audit.policy.policy import REFUSED, Bound, Guard, Policy
from attn_audit.results.verdict import Waiver
from attn_audit.toml import read_toml, require_known

PACKAGED: Final = Path(__file__).with_name("default_policy.toml")

KEYS: Final = ("min_examples", "min_coverage", "min_accuracy", "bound", "waiver")

GUARD: Final = "only_if"
UNKNOWN_KEY: Final = "extra_forbidden"

Error = Mapping[str, Any]


def load_policy(name: str = DEFAULT_POLICY) -> Policy:
    """Read a policy.

    Args:
        name: Of a TOML file, or `default`, which no file in the working directory takes over.

    Raises:
        ConfigurationError: It is missing or no TOML; a key or metric is unknown; a limit is
            missing, doubled, or out of reach; a waiver waives nothing.
    """
    file = PACKAGED if name == DEFAULT_POLICY else Path(name)
    content = read_toml(file, "--policy", "policy")
    shown = name if file == PACKAGED else file.name
    return _policy_of(content, str(file), shown, sha256_of(file))


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
        raise _explained(errors[0], content, file) from None


def _explained(error: Error, content: Mapping[str, Any], file: str) -> ConfigurationError:
    """One error: file, place, problem."""
    table, field = _place(error["loc"], content)
    problem, hint = _problem(error, field)
    return ConfigurationError(": ".join(filter(None, (file, table, problem))), hint=hint)


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
    """What is wrong, and what to do."""
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
            message = f"{error['msg'][0].lower()}{error['msg'][1:]}"
            return f"{field}: {message}, not {error['input']!r}", None


def _fields_beside(location: Sequence[str | int]) -> tuple[str, ...]:
    """The keys that the table of an unknown one may have."""
    of: type[BaseModel] = Waiver if location[0] == "waiver" else Bound
    return tuple((Guard if GUARD in location else of).model_fields)
