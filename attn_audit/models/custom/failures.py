"""What a user's own code raises, as one clear line: what, and where in their files."""

import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import jaxtyping
import torch

import attn_audit
from attn_audit.data.quoting import one_line
from attn_audit.errors import AttnAuditError, AuditFailedError
from attn_audit.models.custom import calling

_OURS = [Path(package.__file__ or "").parent for package in (attn_audit, torch, jaxtyping)]
_LIBRARIES = [Path(sysconfig.get_paths()[name]) for name in ("stdlib", "purelib", "platlib")]

MAX_SHOWN = 3
"""Ids in one message."""


@contextmanager
def failures_named(find_ids: Callable[[], Sequence[str]]) -> Iterator[None]:
    """Within: what the user's code raises becomes an error that says where, and at which texts.

    Args:
        find_ids: Gives the examples at which it fails.

    Raises:
        AuditFailedError: The user's code raised something.
    """
    try:
        yield
    except (AttnAuditError, MemoryError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:
        if not _is_of_a_call(error):
            raise
        raise AuditFailedError(
            f"the adapter's code failed at {listed_ids(find_ids())}: {described(error)}",
            hint="Try it on this text outside of attn-audit; --debug shows the traceback.",
        ) from error


def described(error: Exception) -> str:
    """What was raised and the last line of the user's own code on the way there.

    Args:
        error: As it was caught.
    """
    what = type(error).__name__ + (f": {one_line(error)}" if str(error) else "")
    place = _place(error)
    return what if place is None else f"{what} ({place})"


def _place(error: Exception) -> str | None:
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{_shown(error.filename)}, line {error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename[0] != "<"]
    for others in (_OURS + _LIBRARIES, _OURS):  # the user's code may be an installed package
        users = [f for f in frames if not any(Path(f.filename).is_relative_to(o) for o in others)]
        if users:
            return f"{_shown(users[-1].filename)}, line {users[-1].lineno}"
    return None


def _is_of_a_call(error: Exception) -> bool:
    """Whether the user's code was running; else the fault is ours."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(frame.filename == calling.__file__ for frame in frames)


def _shown(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def listed_ids(ids: Sequence[str]) -> str:
    """A few ids of examples, and how many more there are."""
    shown = ", ".join(map(repr, ids[:MAX_SHOWN]))
    more = f" and {len(ids) - MAX_SHOWN} more" if len(ids) > MAX_SHOWN else ""
    return f"example{'s' if len(ids) > 1 else ''} {shown}{more}"
