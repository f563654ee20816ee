"""A command that forgets nothing of what it is told."""

from collections import Counter
from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
    """Refuses an option that is given again, unless its values add up or it is a switch.

    Parsers take the last value and forget the others, so that part of an audit would be left out
    without a word.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what the command is called with, once it is known to say nothing twice."""
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for parameter, n in Counter(given).items():
            adds_up = getattr(parameter, "multiple", False) or getattr(parameter, "is_flag", False)
            if n > 1 and not adds_up:
                ctx.fail(f"{parameter.opts[0]} is given {n} times, and takes one value.")
        return super().parse_args(ctx, args)
