"""A comparison as a text file: what a terminal without colour shows."""

from io import StringIO

from rich.console import Console

from attn_audit.formats.terminal import comparison as terminal
from attn_audit.results.comparison import Comparison

WIDTH = 100


def render(comparison: Comparison) -> str:
    """The whole comparison in lines of 100 columns.

    Args:
        comparison: Any comparison.
    """
    text = StringIO()
    terminal.render(comparison, Console(file=text, width=WIDTH, no_color=True))
    return text.getvalue()
