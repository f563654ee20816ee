"""The libraries' own progress bars, warnings and messages, kept off the terminal."""

import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from logging import CRITICAL


@contextmanager
def quiet() -> Iterator[None]:
    """Silence `transformers` and `huggingface_hub`; all as it was afterwards."""
    with warnings.catch_warnings(), ExitStack() as restored:
        warnings.simplefilter("ignore")
        _silence_hub(restored)
        _silence_transformers(restored)
        yield


@contextmanager
def silenced() -> Iterator[None]:
    """Let nothing reach the terminal that libraries in other languages write past Python.

    Their panics come with a stack, and their warnings with text from the model's files as it is.
    """
    with open(os.devnull, "wb") as nowhere, ExitStack() as restored:  # noqa: PTH123 - a device
        for stream in (1, 2):
            kept = os.dup(stream)
            restored.callback(os.close, kept)
            restored.callback(os.dup2, kept, stream)
            os.dup2(nowhere.fileno(), stream)
        yield


def _silence_hub(restored: ExitStack) -> None:
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
        logging,
    )

    restored.callback(logging.set_verbosity, logging.get_verbosity())
    logging.set_verbosity(CRITICAL)
    # `transformers` switches the hub's bars on with its own: what they were is put back last.
    was_off = are_progress_bars_disabled()
    restored.callback(disable_progress_bars if was_off else enable_progress_bars)
    disable_progress_bars()


def _silence_transformers(restored: ExitStack) -> None:
    from transformers.utils import logging

    restored.callback(logging.set_verbosity, logging.get_verbosity())
    logging.set_verbosity(CRITICAL)
    if logging.is_progress_bar_enabled():
        restored.callback(logging.enable_progress_bar)
        logging.disable_progress_bar()
