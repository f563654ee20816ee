"""Commands on models and data: `audit` and its checks, `plan`, `inspect`, `explain`, `demo`, ..."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from attn_audit.cli.command import Terminated, command, said, settings_of
from attn_audit.cli.options import OPTIONS, RESULT, of_panels, option
from attn_audit.cli.progress import watching
from attn_audit.errors import ConfigurationError
from attn_audit.process import no_collection
from attn_audit.quoting import printable
from attn_audit.settings import KEYS, SETTINGS, AuditSettings, Panel

if TYPE_CHECKING:
    from attn_audit.results.answers import Explanation


def _options_of(check: str | None) -> list[str]:
    """The options of a command: of all checks, or of one."""
    if check is None:
        return list(OPTIONS)
    others = {name for name in KEYS if SETTINGS[name].checks and check not in SETTINGS[name].checks}
    return [name for name in OPTIONS if name not in others and name != "checks"]


def _audit_by(check: str | None) -> Callable[..., None]:
    """What a command does: put the settings together, audit, write the report, perhaps judge it."""

    def run(**values: Any) -> None:
        from attn_audit.cli.last_report import keeping
        from attn_audit.cli.results import finish, policy_of, show_output, write_report
        from attn_audit.engine.arguments import require_candidates, require_inputs
        from attn_audit.formats.result_files import require_outputs
        from attn_audit.judgement.gate import judge

        settings = settings_of(values if check is None else {**values, "checks": check})
        require_inputs(settings)
        if check == "erasure":
            require_candidates(settings)
        require_outputs(settings, values["config"])
        policy = policy_of(settings)
        with no_collection():
            from attn_audit.engine.audit import run_audit
            from attn_audit.engine.run_directory import saying_what_is_kept

        format_was_said, quiet = values["format"] is not None, values["quiet"]
        with keeping(settings) as kept:
            with naming_run_dir(settings), watching(quiet=quiet) as watcher:
                report = run_audit(kept.settings, watcher=watcher)
            verdict = None if policy is None else judge(report, policy)
            shown, run_dir = kept.shown(report), settings.run_dir
            with nullcontext() if run_dir is None else saying_what_is_kept(run_dir):
                write_report(shown, settings, format_was_said, verdict=verdict, quiet=quiet)
            if verdict is not None:
                is_json = settings.format == "json"  # and the verdict no part of it
                show_output(verdict, "terminal", to_standard_error=is_json)
                sys.stdout.flush()
            kept.keep(report, quiet=quiet)
        if verdict is not None:
            finish(verdict, settings.inconclusive, settings.require)

    return run


for _name, _check, _help in (
    ("audit", None, "Run all checks, or those that --checks names, and report."),
    ("correlate", "correlation", "Compare attention with gradients and with leaving words out."),
    ("permute", "permutation", "Shuffle attention and see whether the predictions change."),
    ("adversarial", "adversarial", "Look for different attention that predicts the same."),
    ("recommend", "erasure", "Say which measure of importance may be shown instead of attention."),
):
    command(_name, *_options_of(_check), help=_help)(_audit_by(_check))


@contextmanager
def naming_run_dir(settings: AuditSettings) -> Iterator[None]:
    """Within: an audit that is ended early says what would have kept its results."""
    try:
        yield
    except (KeyboardInterrupt, Terminated) as error:
        if settings.run_dir is None:
            error.add_note(
                "nothing was written; with --run-dir DIR finished examples are kept, and --resume "
                "goes on"
            )
        raise


_LATER = {
    *("output", "figures", "records", "title", "author", "reproducible", "on_error"),
    *of_panels(Panel.STORING, Panel.GATE),
}


@command("plan", *(n for n in OPTIONS if n not in _LATER), "output", output=RESULT)
def plan_audit(**values: Any) -> None:
    """Say what an audit will take, without doing it."""
    from attn_audit.engine.arguments import require_inputs

    settings = settings_of({**values, "output": None})
    require_inputs(settings)
    with no_collection():
        from attn_audit.cli.results import find_and_deliver
        from attn_audit.engine.plan import forecast_audit

    find_and_deliver("plan", lambda: forecast_audit(settings), values, settings)


@command(
    "inspect",
    *("model", "data", "more_data", "config", "split"),
    *of_panels(Panel.LOADING, Panel.PROMPT, Panel.FIELDS),
    *("device", "output", "format", "quiet", "debug"),
    output=RESULT,
)
def inspect_model(**values: Any) -> None:
    """Show what a model is and what can be audited.

    Its attention is tried out on a few texts: the first of DATA, or without it some of ours.
    """
    from attn_audit.engine.arguments import require_places, require_splits

    settings = settings_of({**values, "output": None})
    require_places(settings.model, settings.data, settings.adapter)
    require_splits(settings)
    if settings.model is None:
        raise ConfigurationError(
            "no MODEL given",
            hint="Give a HuggingFace folder or hub name, a model.pt, a folder of the original "
            "code, or `demo` for the packaged model.",
        )
    with no_collection():
        from attn_audit.cli.results import find_and_deliver
        from attn_audit.engine.sampling import inspect_model as inspected

    find_and_deliver("model", lambda: inspected(settings), values, settings)


@command(
    "check-data",
    *("model", "data", "more_data", "config", "split", "quoting", "max_unpacked_mb"),
    *of_panels(Panel.LOADING, Panel.PROMPT, Panel.FIELDS),
    *("device", "no_texts", "debug"),
)
def check_data(**values: Any) -> None:
    """Look at every row of the data, and name all that cannot be audited.

    Exit code 2 where an audit would stop, else 0.
    """
    from attn_audit.engine.arguments import require_inputs

    settings = settings_of(values)
    require_inputs(settings)
    with no_collection():
        from attn_audit.engine.inputs import checked_data
        from attn_audit.numbers import counted

    checked = checked_data(settings)
    # Those that would choose the layer can be audited too.
    kept = counted(checked.n_examples + checked.n_choosing, "row")
    n_rows = checked.left_out.n_rows
    console = Console(soft_wrap=True, highlight=False)
    console.print(Text(f"{printable(checked.dataset.name)}: {kept} of {n_rows:,} can be audited"))
    for line in checked.left_out.lines():
        console.print(Text(f"  left out: {printable(line)}"))


_OWN: dict[str, Any] = {
    "text": option(str | None, Panel.WHAT, "The text; - reads standard input.", "TEXT"),
    "text_pair": option(str | None, Panel.WHAT, "The second text of a pair.", "TEXT"),
    "report": option(
        Path | None,
        Panel.WHAT,
        "A .json report of the model that says what to show instead: that stands first.",
        "FILE|last",
    ),
}


@command("explain",
    "model", *_OWN, *of_panels(Panel.LOADING, Panel.PROMPT), "config",
    "layer", "head", "rows", "unit", "plugin", "removal", "explain_label", "measures",
    "permutations", "epsilon", "method", "iterations",
    "restarts", "seed", "device", "threads", "output", "format", "no_texts", "quiet", "debug",
    **_OWN, output=RESULT,
)  # fmt: skip
def explain(**values: Any) -> None:
    """Show one text: its words shaded, and what else could be."""
    from attn_audit.engine.arguments import require_places

    settings = settings_of({name: values[name] for name in values if name not in (*_OWN, "output")})
    text = values["text"]
    require_places(settings.model, (), settings.adapter)
    missing = [name for name, given in (("MODEL", settings.model), ("--text", text)) if not given]
    if missing:
        raise ConfigurationError(
            f"nothing to explain: no {' and no '.join(missing)} given",
            hint='attn-audit explain MODEL --text "..."; `--text -` reads standard input.',
        )
    with no_collection():
        from attn_audit.cli.last_report import located
        from attn_audit.cli.results import find_and_deliver
        from attn_audit.explanation import explain_text
        from attn_audit.results.report import Report

    def explained() -> "Explanation":
        said = sys.stdin.read().rstrip("\n") if text == "-" else text
        named = values["report"]
        report = None if named is None else Report.load(located(named))
        return explain_text(settings, said, values["text_pair"], report=report)

    find_and_deliver("explanation", explained, values, settings)


NEXT_STEPS = (
    ("attn-audit train DATA --encoder bilstm --attention additive --output model.pt",
     "train such a model on your own data"),
    ("attn-audit audit model.pt DATA --output report.json --records records.parquet",
     "audit it, and keep everything that was found"),
    ("attn-audit inspect model.pt", "see what a model is and what can be audited of it"),
    ("attn-audit audit --help", "all settings"),
)  # fmt: skip


@command("demo", "device", "threads", "output", "quiet", "debug")
def run_demo(**values: Any) -> None:
    """Audit a small packaged model on packaged texts."""
    from attn_audit import demo
    from attn_audit.cli.results import write_report
    from attn_audit.config import validate
    from attn_audit.formats.result_files import require_outputs

    quiet = values["quiet"]
    flags = said(values)
    settings = validate({**flags, "model": str(demo.MODEL), "data": str(demo.DATA)}, flags, None)
    require_outputs(settings)
    from attn_audit.engine.audit import run_audit

    with watching(quiet=quiet) as watcher:
        report = run_audit(settings, watcher=watcher)
    write_report(report, settings, format_was_said=False, quiet=quiet)
    if not (settings.output or quiet):
        console = Console()
        console.print()
        console.print(Text("What to run next", style="bold"))
        for line, purpose in NEXT_STEPS:
            console.print(Text(f"  {purpose}", style="dim"))
            console.print(Text(f"    {line}"), soft_wrap=True)


@command(
    "shown",
    *("data", "more_data", "config", "split", "quoting", "max_unpacked_mb"),
    *of_panels(Panel.FIELDS),
    *("seed", "output", "format", "quiet", "debug"),
    output=RESULT,
)
def compare_shown(**values: Any) -> None:
    """Compare scores that products show with what people marked, and with each other.

    No model is asked: words are the units. `recommend MODEL DATA --shown FIELD` asks one.
    """
    from attn_audit.engine.arguments import require_splits

    settings = settings_of({**values, "output": None, "checks": "plausibility"})
    require_splits(settings)
    missing = [name for name in ("data", "shown") if not getattr(settings, name)]
    if missing:
        named = " and no ".join({"data": "DATA", "shown": "--shown"}[name] for name in missing)
        raise ConfigurationError(
            f"nothing to compare: no {named} given",
            hint="attn-audit shown DATA --shown FIELD,FIELD",
        )
    with no_collection():
        from attn_audit.cli.results import find_and_deliver
        from attn_audit.engine.shown_scores import compare_shown as compared

    find_and_deliver("comparison", lambda: compared(settings), values, settings)
