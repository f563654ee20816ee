"""From the records of an audit to its report."""

from collections.abc import Mapping, Sequence

from attn_audit.findings.example import N_UNITS
from attn_audit.findings.registry import record_fields
from attn_audit.reporting.degenerate import count_degenerate
from attn_audit.reporting.grouping import LENGTH_EDGES, Grouping
from attn_audit.reporting.sampled import SampledExamples
from attn_audit.reporting.sites import SiteMeans
from attn_audit.reporting.summarising import summarise
from attn_audit.reporting.telling import TellingExamples
from attn_audit.results.description import ModelDescription
from attn_audit.results.examples import Examples
from attn_audit.results.record import Record, plain
from attn_audit.results.report import (
    DataDescription,
    RecordsFile,
    Report,
    SelfCheck,
    Settings,
    TellingExample,
    Tool,
)
from attn_audit.statistics.resamples import Resamples


def build_report(
    examples: Examples,
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

    Returns:
        The report without its times.
    """
    grouping = Grouping(examples, Resamples(settings.seed))
    return Report(
        tool=tool,
        model=model,
        data=data,
        settings=settings,
        self_checks=tuple(self_checks),
        n_units=grouping.distribution(examples.numbers(N_UNITS), LENGTH_EDGES),
        metrics=summarise(grouping, settings.checks, settings.measures),
        sites=sites.summaries(),
        degenerate=count_degenerate(examples, settings.checks, n_failed),
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
    return {
        field.name: plain(record.values.get(field.name))
        for field in record_fields()
        if field.is_shown
    }


def round_seconds(seconds: Mapping[str, float]) -> dict[str, float]:
    """Durations to the millisecond."""
    return {stage: round(spent, 3) for stage, spent in seconds.items()}
