"""`verify`: a report checked again, against its records, its model and its data."""

from pathlib import Path
from typing import Annotated, Any

import typer

from attn_audit.arithmetic import no_collection
from attn_audit.cli.options import OPTIONS, RESULT, option
from attn_audit.cli.watching import watching
from attn_audit.errors import ConfigurationError
from attn_audit.settings import Panel

_AGAIN = ("adapter", "trust_remote_code", "plugin", "vocabulary", "device", "batch_size", "threads")
"""What a report cannot say: code to run, and what concerns this machine."""

OPTIONS_OF_VERIFY: dict[str, Any] = {
    "report": Annotated[
        Path,
        typer.Argument(
            metavar="REPORT", help="A .json report with its records.", show_default=False
        ),
    ],
    **{name: OPTIONS[name] for name in ("model", "data", *_AGAIN)},
    "seed": Annotated[
        int | None,
        option("--seed", panel=Panel.HOW, metavar="N", help="Another tenth of the examples."),
    ],
    "output": RESULT,
    **{name: OPTIONS[name] for name in ("format", "quiet", "debug")},
}


def verify(**values: Any) -> None:
    """Check a report again, show what holds, and exit with 1 if anything does not."""
    missing = [name for name in ("report", "model", "data") if values[name] is None]
    if missing:
        raise ConfigurationError(
            f"nothing to verify: no {' and no '.join(name.upper() for name in missing)} given",
            hint="Give the report, and the model and the data that it is of.",
        )
    with no_collection():
        from attn_audit.cli.output import deliver
        from attn_audit.formats.outputs import require_reports
        from attn_audit.formats.registry import OF_RESULTS
        from attn_audit.plugins import load_plugins
        from attn_audit.verification.stored import StoredAudit
        from attn_audit.verifying import verify_report

    read = [Path(values[name]) for name in ("report", "model", "data")]
    require_reports(values["output"] or [], read, formats=OF_RESULTS)
    said = {
        name: values[name] for name in ("model", "data", *_AGAIN) if values[name] not in (None, [])
    }
    load_plugins(values["plugin"] or [])
    with watching(quiet=values["quiet"], doing="verifying") as watcher:
        stored = StoredAudit.load(values["report"])
        found = verify_report(stored, said, seed=values["seed"] or 0, watcher=watcher)
    told = {name: values[name] for name in ("output", "format", "quiet")}
    deliver(found, "verification", **told)
    if not found.holds:
        raise typer.Exit(1)
