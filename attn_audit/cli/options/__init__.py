"""Flags and arguments, one table: a command is a choice of rows.

All default to None, which means "not said": a configuration file may say it, or a default holds.
"""

from typing import Any

from attn_audit.cli.options.checking import ATTENTION, EXPERIMENTS
from attn_audit.cli.options.inputs import INPUTS, NAMES
from attn_audit.cli.options.judging import JUDGING
from attn_audit.cli.options.loading import MODELS
from attn_audit.cli.options.running import OUTPUTS, RUNNING, STORE

__all__ = ["JUDGING", "MODELS", "NAMES", "OPTIONS", "STORE", "SWITCHES", "shared"]

OPTIONS: dict[str, Any] = {
    **INPUTS,
    **MODELS,
    **NAMES,
    **ATTENTION,
    **EXPERIMENTS,
    **RUNNING,
    **STORE,
    **JUDGING,
    **OUTPUTS,
}

SWITCHES = ("quiet", "debug")
"""Options of the command itself, not of the audit."""


def shared(name: str) -> Any:
    """A row of the table for a command that writes its own signature.

    Args:
        name: Of the option.
    """
    return OPTIONS[name].__metadata__[0]
