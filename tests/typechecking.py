"""Checks calls against their annotations: shapes by jaxtyping, the rest by beartype.

As `--jaxtyping-packages` does, but of the first calls of each function alone, since what is passed
hundreds of times has been seen by then; a function without shapes is checked by beartype alone, and
not at all within another, where it would be compiled anew at every call of that. All calls, by
both, made the tests take six times as long. Types that only a type checker imports are left to
jaxtyping, which lets them be.
"""

import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

import jaxtyping
from beartype import beartype

N_CHECKED = 32
"""Calls of each function, in every process."""

_with_shapes = jaxtyping.jaxtyped
n_calls: dict[CodeType, list[int]] = {}
"""One number for each function; to look it up takes long, as a code's hash is that of all of it."""


def _checked(given: Any = None, *, typechecker: Any = None) -> Any:
    """What the import hook decorates every function and class with."""
    if given is None:
        return _checked
    if isinstance(given, type):
        if dataclasses.is_dataclass(given) and not _has_shapes(given.__annotations__):
            type.__setattr__(given, "__init__", _without_shapes(given.__init__))
            return given
        init = vars(given).get("__init__")
        checked: Any = _with_shapes(given, typechecker=beartype)
        if dataclasses.is_dataclass(given) and init is not None:
            checked_init = checked.__init__
            type.__setattr__(checked, "__init__", _at_first(init, lambda: checked_init))
        return checked
    code = getattr(given, "__code__", None)
    if code in n_calls and n_calls[code][0] >= N_CHECKED:  # a function within another, made again
        return given
    annotations = getattr(given, "__annotations__", {})
    is_named = any(isinstance(kind, str) for kind in annotations.values())
    if not is_named and not _has_shapes(annotations):
        return _without_shapes(given)
    return _at_first(given, lambda: _with_shapes(given, typechecker=beartype))


def _has_shapes(annotations: dict[str, object]) -> bool:
    return "jaxtyping." in repr(annotations)


def _without_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & inspect.CO_NESTED:
        return function
    return _at_first(function, lambda: beartype(function))


def _at_first(
    function: Callable[..., Any], check: Callable[[], Callable[..., Any]]
) -> Callable[..., Any]:
    """The function, checked as long as it has not been called often."""
    code = getattr(function, "__code__", None)
    if code is None:
        return check()
    calls = n_calls.setdefault(code, [0])
    if calls[0] >= N_CHECKED:
        return function
    checked = functools.cache(check)

    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        if calls[0] >= N_CHECKED:
            return function(*args, **keywords)
        calls[0] += 1
        if calls[0] == N_CHECKED:
            _restore(function, in_place_of=call)
        return checked()(*args, **keywords)

    return call


def _restore(function: Callable[..., Any], *, in_place_of: Callable[..., Any]) -> None:
    """Let a function stand under its own name again: calls through another took a tenth of the
    tests' time. Constructors stay as they are: whether they are checked is tried at any time."""
    *outer, name = function.__qualname__.split(".")
    owner: Any = sys.modules.get(function.__module__)
    for part in outer:
        owner = vars(owner).get(part) if isinstance(owner, type | ModuleType) else None
    if name == "__init__" or owner is None or vars(owner).get(name) is not in_place_of:
        return
    change = type.__setattr__ if isinstance(owner, type) else setattr
    change(owner, name, function)


def check_types() -> None:
    """Check all of the package that is imported from now on."""
    vars(jaxtyping)["jaxtyped"] = _checked
    jaxtyping.install_import_hook(["attn_audit"], "beartype.beartype")
