"""From the records of an audit to its report."""

from collections.abc import Mapping, Sequence

from attn_audit.reporting.sampled import SampledExamples
from attn_audit.results.description import ModelDescription
from attn_audit.results.record import Record
from attn_audit.results.report import (
    DataDescription,
    RecordsFile,
    Report,
    SelfCheck,
    Settings,
    TellingExample,
    Tool,
)
from attn_audit.results.summary import Summaries
from attn_audit.results.table import RecordTable, plain
from attn_audit.statistics.resamples import Resamples
from attn_audit.statistics.summary.correlation import summarise_correlation
from attn_audit.statistics.summary.degenerate import count_degenerate
from attn_audit.statistics.summary.grouping import LENGTH_EDGES, Grouping
from attn_audit.statistics.summary.interventions import (
    summarise_adversarial,
    summarise_permutation,
)
from attn_audit.statistics.summary.predictions import Predictions
from attn_audit.statistics.summary.sites import SiteMeans
from attn_audit.statistics.telling import TellingExamples


def build_report(
    table: RecordTable,
    *,
    tool: Tool,
    model: ModelDescription,
    data: DataDescription,
    settings: Settings,
    self_checks: Sequence[SelfCheck],
    telling: TellingExamples,
    sampled: SampledExamples,
    sites: SiteMeans,
    n_failed: int,
    records_file: RecordsFile | None,
) -> Report:
    """Sum up the records of an audit.

    Args:
        table: All records.
        tool: What made them.
        model: What was audited.
        data: On which examples.
        settings: How.
        self_checks: What was found to hold before.
        telling: Examples chosen on the way.
        sampled: Examples drawn at random on the way.
        sites: What was found at the layers and heads beside the audited site.
        n_failed: Examples that could not be audited.
        records_file: Where the user's copy of the records is.

    Returns:
        The report without its times.
    """
    resamples = Resamples(settings.seed)
    grouping = Grouping(table, model.labels, model.task == "multilabel", resamples)
    predictions = Predictions(table, model.labels, model.task)
    checks = settings.checks
    return Report(
        tool=tool,
        model=model,
        data=data,
        settings=settings,
        self_checks=tuple(self_checks),
        performance=predictions.performance(resamples),
        n_units=grouping.distribution(table.numbers("n_units"), LENGTH_EDGES),
        checks=Summaries(
            correlation=summarise_correlation(grouping, settings.measures)
            if "correlation" in checks
            else None,
            permutation=summarise_permutation(grouping, predictions)
            if "permutation" in checks
            else None,
            adversarial=summarise_adversarial(grouping) if "adversarial" in checks else None,
        ),
        sites=sites.summaries(),
        degenerate=count_degenerate(table, checks, n_failed),
        telling_examples=tuple(
            TellingExample(reason=reason, record=_as_json(record))
            for reason, record in telling.chosen()
        ),
        sampled_examples=tuple(map(_as_json, sampled.chosen())),
        records=records_file,
        run=None,
    )


def _as_json(record: Record) -> dict[str, object]:
    """For people to look at: without the weights of single rows, which are many."""
    values = record.as_dict().items()
    return {name: plain(value) for name, value in values if name != "adversarial_rows"}


def round_seconds(seconds: Mapping[str, float]) -> dict[str, float]:
    """Durations to the millisecond."""
    return {stage: round(spent, 3) for stage, spent in seconds.items()}
