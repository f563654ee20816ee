"""The report on a terminal, for people who have not read the paper."""

from attn_audit.formats.terminal.report import render

__all__ = ["render"]
