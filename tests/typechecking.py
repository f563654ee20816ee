"""Checks every call against its annotations: shapes by jaxtyping, the rest by beartype.

As `--jaxtyping-packages` does, but that a function without shapes is checked by beartype alone, and
not at all within another, where it would be compiled anew at every call of that: both together made
the tests take four times as long. Types that only a type checker imports are left to jaxtyping,
which lets them be.
"""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import jaxtyping
from beartype import beartype

_with_shapes = jaxtyping.jaxtyped


def _checked(given: Any = None, *, typechecker: Any = None) -> Any:
    """What the import hook decorates every function and class with."""
    if given is None:
        return _checked
    if isinstance(given, type):
        if dataclasses.is_dataclass(given) and not _has_shapes(given.__annotations__):
            type.__setattr__(given, "__init__", _without_shapes(given.__init__))
            return given
    else:
        annotations = getattr(given, "__annotations__", {})
        is_named = any(isinstance(kind, str) for kind in annotations.values())
        if not is_named and not _has_shapes(annotations):
            return _without_shapes(given)
    return _with_shapes(given, typechecker=beartype)


def _has_shapes(annotations: dict[str, object]) -> bool:
    return "jaxtyping." in repr(annotations)


def _without_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & inspect.CO_NESTED:
        return function
    checked: Callable[..., Any] = beartype(function)
    return checked


def check_types() -> None:
    """Check all of the package that is imported from now on."""
    vars(jaxtyping)["jaxtyped"] = _checked
    jaxtyping.install_import_hook(["attn_audit"], "beartype.beartype")
