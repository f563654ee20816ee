"""`selftest`: whether this installation answers rightly of models whose truth is known."""

from typing import Annotated, Literal

import typer

from attn_audit.cli.command import guard
from attn_audit.cli.judge import Debug
from attn_audit.cli.options import RESULT, shared


def selftest(
    *,
    output: RESULT = None,
    format: Annotated[Literal["terminal", "json"] | None, shared("format")] = None,
    quiet: Annotated[bool, shared("quiet")] = False,
    debug: Debug = False,
) -> None:
    """Try the packaged rules on small models whose truth is built in.

    Exit code 1 if one of them gets a wrong answer.
    """
    with guard(debug=debug):
        from attn_audit.formats.registry import OF_RESULTS
        from attn_audit.formats.result_files import require_reports
        from attn_audit.process import no_collection

        require_reports(output or [], (), formats=OF_RESULTS)
        with no_collection():
            from attn_audit.cli.result_files import deliver
            from attn_audit.selftest.cases import run

            found = run()
        deliver(found, "self-test", output=output, format=format, quiet=quiet)
        if not found.holds:
            raise typer.Exit(1)
