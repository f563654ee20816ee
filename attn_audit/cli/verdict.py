"""From a verdict to what is shown, and to the exit code."""

import sys
from typing import TYPE_CHECKING, Final, Literal, NoReturn

import typer

from attn_audit.config import DEFAULT_POLICY
from attn_audit.exit_codes import FAILED, INCONCLUSIVE, PASSED
from attn_audit.findings.rule import Outcome
from attn_audit.judgement.gate import bounds_to_judge
from attn_audit.judgement.policy import Policy, load_policy
from attn_audit.results.verdict import MayShow, Verdict

if TYPE_CHECKING:
    from attn_audit.settings import AuditSettings

EXIT_CODES: Final = {
    Outcome.PASS: PASSED,
    Outcome.FAIL: FAILED,
    Outcome.INCONCLUSIVE: INCONCLUSIVE,
}

Inconclusive = Literal["pass", "fail"] | None


def policy_of(settings: "AuditSettings") -> Policy | None:
    """The policy that an audit's report will be judged by; read before the audit starts.

    Where an answer is required and no policy is named: the packaged rules.

    Raises:
        ConfigurationError: The policy cannot be read, or asks nothing of a report.
    """
    name = settings.policy or (settings.require and DEFAULT_POLICY)
    if name is None:
        return None
    policy = load_policy(name)
    bounds_to_judge(policy, of_change=False)
    return policy


def exit_code(outcome: Outcome, inconclusive: Inconclusive) -> int:
    """0 passed, 1 failed, 4 inconclusive, or what that counts as."""
    if outcome is Outcome.INCONCLUSIVE and inconclusive is not None:
        return EXIT_CODES[Outcome(inconclusive)]
    return EXIT_CODES[outcome]


def show_and_exit(verdict: Verdict, *, beside: "AuditSettings") -> NoReturn:
    """Show a verdict below its report, or where the report is JSON, beside it on standard error."""
    from attn_audit.cli.result_files import show_output
    from attn_audit.formats.result_files import Output

    show_output(Output.of(verdict), "terminal", to_standard_error=beside.format == "json")
    finish(verdict, beside.inconclusive, beside.require)


def finish(
    verdict: Verdict, inconclusive: Inconclusive, require: Literal["yes"] | None = None
) -> NoReturn:
    """Leave with the exit code of a verdict, when all that was said is out.

    Args:
        require: What the answer has to be, whatever the policy says.
    """
    sys.stdout.flush()
    code = exit_code(verdict.outcome, inconclusive)
    may_show = MayShow.YES if verdict.answer is None else verdict.answer.verdict
    if code == PASSED and require == "yes" and may_show is not MayShow.YES:
        is_open = may_show is MayShow.UNKNOWN
        code = exit_code(Outcome.INCONCLUSIVE if is_open else Outcome.FAIL, inconclusive)
    raise typer.Exit(code)
