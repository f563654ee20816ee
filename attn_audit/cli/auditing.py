"""`correlate`, `permute`, `adversarial` and `audit`: one audit with more or fewer checks."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from attn_audit.arithmetic import no_collection
from attn_audit.cli.options import OPTIONS
from attn_audit.cli.running import settings_of
from attn_audit.cli.watching import watching
from attn_audit.settings import KEYS, SETTINGS


def options_of(check: str | None) -> list[str]:
    """The options of a command: of all checks, or of one.

    Args:
        check: Id of the one check; None for `audit`.
    """
    if check is None:
        return list(OPTIONS)
    others = {name for name in KEYS if SETTINGS[name].checks and check not in SETTINGS[name].checks}
    return [name for name in OPTIONS if name not in others and name != "checks"]


def audit_command(check: str | None) -> Callable[..., None]:
    """What a command does: put the settings together, audit, write the report, perhaps judge it.

    Args:
        check: Id of the one check; None for those that the settings name.
    """

    def run(**values: Any) -> None:
        from attn_audit.cli.output import write_report
        from attn_audit.cli.verdicts import policy_of, show_and_exit
        from attn_audit.config import require_inputs
        from attn_audit.formats.outputs import require_outputs
        from attn_audit.gate import judge

        settings = settings_of(values if check is None else {**values, "checks": check})
        require_inputs(settings)
        require_outputs(settings, values["config"])
        policy = policy_of(settings)
        with no_collection():
            from attn_audit.auditing import run_audit
            from attn_audit.store.directory import saying_what_is_kept

        with watching(quiet=values["quiet"]) as watcher:
            report = run_audit(settings, watcher=watcher)
        verdict = None if policy is None else judge(report, policy)
        format_was_said, quiet = values["format"] is not None, values["quiet"]
        kept = nullcontext() if settings.run_dir is None else saying_what_is_kept(settings.run_dir)
        with kept:
            write_report(report, settings, format_was_said, verdict=verdict, quiet=quiet)
        if verdict is not None:
            show_and_exit(verdict, settings.inconclusive, beside=settings)

    return run
