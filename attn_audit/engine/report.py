"""From the records of an audit, in memory or in its run directory, to its report."""

import tempfile
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from attn_audit.engine.batch import Found
from attn_audit.engine.recorder import Recording, RecordsPaths
from attn_audit.engine.run_directory import LABELS, place_of, shards_of
from attn_audit.engine.shards import Manifest, Shards
from attn_audit.engine.summaries import (
    LENGTH_EDGES,
    Grouping,
    count_degenerate,
    summarise,
)
from attn_audit.errors import RunDirectoryError
from attn_audit.files import AnyPath
from attn_audit.findings.attended import deciders
from attn_audit.findings.example import N_UNITS
from attn_audit.judgement.answer import answer_of
from attn_audit.judgement.recommendation import recommendation_of
from attn_audit.results.report import (
    RecordsFile,
    Report,
    Subject,
    TellingExample,
)
from attn_audit.results.table import Examples
from attn_audit.results.verdict import CountedUnit, LabelAnswer
from attn_audit.statistics.intervals import Resamples

MAX_DECIDERS = 20
"""Units that decide without attention, kept in a report."""


def _deciders(examples: Examples) -> tuple[CountedUnit, ...]:
    found = deciders(examples)[:MAX_DECIDERS]
    return tuple(CountedUnit(unit=unit, n=n) for unit, n in found)


def sum_up(
    subject: Subject,
    found: Iterable[Found],
    files: RecordsPaths,
    report: Path | None = None,
    records_file: RecordsFile | None = None,
    timing: AbstractContextManager[None] | None = None,
) -> Report:
    """Keep records as they come, and sum them up.

    Args:
        subject: What was audited, and how.
        files: The records files that the user asked for.
        report: Where the report will be, which names the records files relative to it.
        records_file: Of records that were written before.
        timing: Entered for the summing up itself.

    Returns:
        The report without its times.

    Raises:
        OutputError: A records file cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="attn-audit-") as folder:
        spool, settings = Path(folder) / "records.parquet", subject.settings
        with ExitStack() as stack:
            recording = Recording(stack, spool, files, subject)
            for some in found:
                recording.add(some)
        with timing or nullcontext(), pq.ParquetFile(spool) as file:
            data, model = subject.data, subject.model
            examples = Examples(file, model.labels, model.task, data.n_rows, data.n_left_out)
            grouping = Grouping(examples, Resamples(settings.seed))
            counts = recording.counts
            summed = Report(
                tool=subject.tool,
                model=subject.model,
                data=subject.data.model_copy(update=counts),
                settings=settings,
                self_checks=subject.self_checks,
                layers=subject.layers,
                head_mix=subject.head_mix,
                n_units=grouping.distribution(examples.numbers(N_UNITS), LENGTH_EDGES),
                metrics=summarise(grouping, settings.checks, settings.correlated),
                recommendation=(
                    recommendation_of(
                        examples,
                        grouping.resamples,
                        has_attention=model.no_attention_because is None,
                    )
                    if "erasure" in settings.checks
                    else None
                ),
                sites=recording.sites.summaries(),
                degenerate=count_degenerate(examples, settings.checks, counts["n_failed"]),
                telling_examples=tuple(
                    TellingExample(reason=reason, record=record)
                    for reason, record in recording.telling.chosen()
                ),
                sampled_examples=tuple(recording.sampled.chosen()),
                unattended_units=_deciders(examples) if "attended" in settings.checks else (),
                records=records_file or files.describe(report),
                run=None,
            )
            return summed.model_copy(update={"answer": answer_of(summed)})


def records_of_run(name: str) -> pa.Table:
    """The records of all examples that are in a run directory.

    Raises:
        RunDirectoryError: No audit was started there, or a shard is damaged.
    """
    return _of_folder(place_of(name))[1].table()


def report_of_run(name: str, records: str | None, report: Path | None) -> Report:
    """Sum up the finished shards of a run directory, whether all are or not.

    Args:
        records: Where to write the records of all examples as one file; None: nowhere.
        report: Where the report will be, which names that file relative to it.

    Returns:
        The report without times.

    Raises:
        RunDirectoryError: No audit was started there, none of its shards is finished, or one is
            damaged.
        OutputError: The records file cannot be written.
    """
    found = _summed_up(place_of(name), records, report)
    labels = place_of(f"{name}/{LABELS}")
    folders: list[AnyPath] = [*labels.iterdir()] if labels.exists() else []
    answers = [_of_label(_summed_up(each, None, None)) for each in sorted(folders, key=str)]
    return found.model_copy(update={"labels": tuple(answers)})


def _of_label(report: Report) -> LabelAnswer:
    label, answer = report.settings.explain_label, report.answer
    assert label is not None, "it is the run directory of a label"
    assert answer is not None, "every audit has one"
    return LabelAnswer(label=label, answer=answer)


def _summed_up(folder: AnyPath, records: str | None, report: Path | None) -> Report:
    manifest, shards = _of_folder(folder)
    if not shards.finished():
        raise RunDirectoryError(
            shards.folder, "none of its shards is finished", hint="Go on with --resume."
        )
    files = RecordsPaths.of(records, has_several_sites=len(manifest.sites) > 1)
    data = manifest.subject.data.model_copy(update={"is_complete": shards.are_complete()})
    subject = manifest.subject.model_copy(update={"data": data})
    return sum_up(subject, map(shards.read, shards.finished()), files, report)


def _of_folder(folder: AnyPath) -> tuple[Manifest, Shards]:
    manifest = Manifest.read(folder)
    if manifest is None:
        raise RunDirectoryError(folder, "no audit was started in it")
    return manifest, shards_of(manifest, folder)
