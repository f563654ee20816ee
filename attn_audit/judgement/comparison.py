"""Comparing two reports: can they be compared, and did the new release get worse?"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from attn_audit.errors import ComparisonRefusedError
from attn_audit.findings.target import TARGET, naming_target
from attn_audit.judgement.bounds import bounds_to_judge, judge_bound, verdict_of
from attn_audit.judgement.changes import all_changes, change_of, measured
from attn_audit.judgement.comparability import (
    SUMMARIES_ALONE,
    Pairs,
    harmless,
    of_data,
    pair,
    require_comparable,
)
from attn_audit.judgement.policy import Policy
from attn_audit.judgement.recommendation import still_recommended
from attn_audit.judgement.what_changed import what_changed
from attn_audit.results.report import Report
from attn_audit.results.stored_records import open_records
from attn_audit.results.verdict import Change, Comparison, Side, Verdict
from attn_audit.statistics.intervals import Resamples


def compare(
    base: Path,
    new: Path,
    policy: Policy | None = None,
    *,
    allow_different_data: bool = False,
    today: date | None = None,
) -> Comparison:
    """Compare two reports: paired example by example where both have records.

    Args:
        new: Another, of the same data.
        policy: Bounds changes; None: nothing is judged.
        allow_different_data: Compare the summaries alone, whatever data they are of.
        today: Waivers hold through their last day; None: the day it is.

    Raises:
        ReportError: A report is missing, malformed or changed.
        RecordsError: The records of one are.
        ComparisonRefusedError: Task, definitions, settings or data differ.
        ConfigurationError: The policy bounds no change.
    """
    return compare_reports(
        (Report.load(base), Report.load(new)),
        (base, new),
        policy,
        allow_different_data=allow_different_data,
        today=today,
    )


def compare_reports(
    reports: tuple[Report, Report],
    paths: tuple[Path, Path],
    policy: Policy | None,
    *,
    allow_different_data: bool,
    today: date | None,
) -> Comparison:
    """The same of reports that were read.

    Args:
        reports: The base and the new one.
        paths: Their files, in whose folders their paths start.
        policy: Bounds changes; None: nothing is judged.
        allow_different_data: Compare the summaries alone, whatever data they are of.
        today: Waivers hold through their last day; None: the day it is.

    Raises:
        UsageError: As `compare`.
    """
    bounds = () if policy is None else bounds_to_judge(policy, of_change=True)
    require_comparable(*reports, allow_different_data=allow_different_data)
    resamples = Resamples(reports[0].settings.seed)
    why_unpaired = _why_unpaired(*reports, allow_different_data=allow_different_data)
    with ExitStack() as stack:
        pairs = None if why_unpaired else _paired(stack, reports, paths)
        changes = {
            bound.metric: change_of(bound.measured, *reports, pairs, resamples) for bound in bounds
        }
        found = all_changes(*reports, pairs, resamples)
        return Comparison(
            base=_side(reports[0], paths[0]),
            new=_side(reports[1], paths[1]),
            n_pairs=None if pairs is None else len(pairs.ids),
            why_unpaired=why_unpaired,
            notes=tuple(_notes(*reports, allow_different_data=allow_different_data)),
            happened=what_changed(found, pairs),
            recommended=still_recommended(*(report.recommendation for report in reports)),
            changes=found,
            verdict=None if policy is None else judge_changes(*reports, changes, policy, today),
        )


def judge_changes(
    base: Report,
    new: Report,
    changes: Mapping[str, Change | None],
    policy: Policy,
    today: date | None,
) -> Verdict:
    """Hold every change that a policy bounds against its limit, by the rule of the gate.

    Args:
        changes: By metric; None where a report does not hold it.
        today: Waivers hold through their last day; None: the day it is.

    Raises:
        ConfigurationError: The policy bounds no change, so that everything would pass.
    """
    judgements = (
        judge_bound(bound, measured(bound.measured, changes[bound.metric], base, new), policy)
        for bound in bounds_to_judge(policy, of_change=True)
    )
    subject = f"{new.model.source} against {base.model.source} on {new.data.name}"
    return verdict_of(policy, subject, judgements, today)


def _paired(stack: ExitStack, reports: tuple[Report, Report], paths: tuple[Path, Path]) -> Pairs:
    otherwise = f"Or {SUMMARIES_ALONE}."
    opened = (
        open_records(r, path, otherwise=otherwise) for r, path in zip(reports, paths, strict=True)
    )
    base, new = (stack.enter_context(records.columns()) for records in opened)
    return pair((paths[0], base), (paths[1], new))


def _why_unpaired(base: Report, new: Report, *, allow_different_data: bool) -> str | None:
    """Why summaries alone are compared; None where examples can be matched.

    Raises:
        ComparisonRefusedError: Without records and hashes nothing says that the data is the same.
    """
    if allow_different_data:
        return "Different data was allowed, so the summaries alone are compared."
    without = [name for name, r in (("base", base), ("new", new)) if r.records_file is None]
    if not without:
        return None
    if base.data.sha256 is None or new.data.sha256 is None:
        raise ComparisonRefusedError(
            "nothing says that the reports are of the same data: they have neither records nor a "
            "hash of it",
            hint=f"Audit with `--records`, or {SUMMARIES_ALONE}.",
        )
    named = " and the ".join(without)
    return (
        f"Unpaired: the {named} report has no records (`--records`), so the intervals are wider "
        "than they need to be and no example can be named."
    )


def _notes(base: Report, new: Report, *, allow_different_data: bool) -> Iterator[str]:
    """What differs and was no reason to refuse, and which label both explain."""
    if (label := base.settings.explain_label) is not None:
        yield naming_target(f"both explain {TARGET}, whatever is predicted", label)
    for difference in (
        *(of_data(base, new) if allow_different_data else ()),
        *harmless(base, new),
    ):
        yield str(difference)


def _side(report: Report, path: Path) -> Side:
    return Side(
        report=str(path),
        model=report.model.source,
        model_sha256=report.model.sha256,
        data=report.data.name,
        n_examples=report.data.n_examples,
    )
