"""Interception as it is tested here."""

import inspect

from attn_audit.models.interception.mode import Interception

# Called for every operation of torch: checking its annotations each time takes longer than the
# models themselves. What it calls is checked as everywhere.
Interception.__torch_function__ = inspect.unwrap(Interception.__torch_function__)  # type: ignore[method-assign]
