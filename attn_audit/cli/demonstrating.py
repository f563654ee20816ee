"""`demo`: all checks on the model and the texts that come with the package."""

from typing import Any

from rich.console import Console
from rich.text import Text

from attn_audit.cli.running import said
from attn_audit.cli.watching import watching

OPTIONS_OF_DEMO = ["device", "threads", "output", "quiet", "debug"]

NEXT_STEPS = (
    ("attn-audit train DATA --encoder bilstm --attention additive --output model.pt",
     "train such a model on your own data"),
    ("attn-audit audit model.pt DATA --output report.json --records records.parquet",
     "audit it, and keep everything that was found"),
    ("attn-audit inspect model.pt", "see what a model is and what can be audited of it"),
    ("attn-audit audit --help", "all settings"),
)  # fmt: skip


def run_demo(**values: Any) -> None:
    """Audit the packaged model, show report and telling texts, and say what to run next."""
    from attn_audit import demo
    from attn_audit.cli.output import write_report
    from attn_audit.config import validate
    from attn_audit.formats.outputs import require_outputs

    quiet = values["quiet"]
    flags = said(values)
    settings = validate({**flags, "model": str(demo.MODEL), "data": str(demo.DATA)}, flags, None)
    require_outputs(settings)
    from attn_audit.auditing import run_audit

    with watching(quiet=quiet) as watcher:
        report = run_audit(settings, watcher=watcher)
    write_report(report, settings, format_was_said=False, quiet=quiet)
    if settings.output:
        return
    if not quiet:
        _show_next_steps(Console())


def _show_next_steps(console: Console) -> None:
    console.print()
    console.print(Text("What to run next", style="bold"))
    for command, purpose in NEXT_STEPS:
        console.print(Text(f"  {purpose}", style="dim"))
        console.print(Text(f"    {command}"), soft_wrap=True)
