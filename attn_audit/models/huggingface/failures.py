"""What the libraries raise while they load, as one line each."""

from collections.abc import Iterator
from contextlib import contextmanager

from attn_audit.data.quoting import one_line
from attn_audit.errors import AttnAuditError, UnreadableCheckpointError, UnsupportedModelError


@contextmanager
def loading(location: str, what: str) -> Iterator[None]:
    """Turn any failure within into an error of this interface.

    Args:
        location: The model, as the user wrote it.
        what: What is loaded, for the message: `its weights`.

    Raises:
        UnreadableCheckpointError: It cannot be loaded.
        UnsupportedModelError: It takes a package that is not installed.
    """
    try:
        yield
    except (AttnAuditError, MemoryError):
        raise
    except ImportError as error:
        raise UnsupportedModelError(
            f"cannot load {what} of {location}: {one_line(error)}"
        ) from error
    except Exception as error:  # the libraries raise whatever their readers raise
        raise UnreadableCheckpointError(location, f"{what}: {one_line(error)}") from error
    except BaseException as error:
        if not is_panic(error):
            raise
        raise UnreadableCheckpointError(location, f"{what} is damaged: {error}") from error


@contextmanager
def not_panicking(location: str) -> Iterator[None]:
    """Turn the panic of a tokenizer that does not fit itself into an error of this interface.

    Args:
        location: The model.

    Raises:
        UnreadableCheckpointError: It panicked.
    """
    try:
        yield
    except BaseException as error:
        if not is_panic(error):
            raise
        raise UnreadableCheckpointError(location, f"its tokenizer is damaged: {error}") from error


def is_panic(error: BaseException) -> bool:
    """Whether an error says that a library in Rust met what it takes for impossible.

    Args:
        error: Any; a panic is no `Exception`.
    """
    return type(error).__name__ == "PanicException"
