"""From what is found, shard by shard, to a report: records, sums, and examples to show."""

import os
import tempfile
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from attn_audit.engine.in_process import Found
from attn_audit.engine.run_directory import LABELS, Manifest, Shards, place_of, shards_of
from attn_audit.engine.summaries import (
    LENGTH_EDGES,
    Grouping,
    SiteMeans,
    count_degenerate,
    summarise,
)
from attn_audit.errors import RunDirectoryError
from attn_audit.files import AnyPath, sha256_of
from attn_audit.findings.attended import deciders
from attn_audit.findings.example import ID, LABEL, N_UNITS, READOUT_UNIT, TRUNCATED, WINDOWS
from attn_audit.findings.field import Kind, Shape
from attn_audit.findings.measure import LEAVE_ONE_OUT
from attn_audit.findings.registry import record_fields, telling
from attn_audit.formats.records import RecordsWriter
from attn_audit.formats.registry import site_records_path
from attn_audit.judgement.answer import answer_of
from attn_audit.judgement.recommendation import recommendation_of
from attn_audit.randomness import example_keys
from attn_audit.results.report import RecordsFile, Report, Subject, TellingExample
from attn_audit.results.table import Examples, Row, has_failed, numbers, schemas
from attn_audit.results.verdict import CountedUnit, LabelAnswer
from attn_audit.statistics.intervals import Resamples, distribution_of

PER_REASON = 8
MIN_UNITS, MAX_UNITS = 5, 40
"""Examples worth looking at: long enough to show a pattern, short enough to read."""

N_SAMPLED = 150
MAX_SAMPLED_UNITS = 500
"""Longer texts are left out: a few of them would be all that there is room for."""

MAX_UNITS_TOGETHER = 6000
"""Of all examples of the sample: what bounds the report's size whatever the lengths are."""

SIGNIFICANT_DIGITS = 6
"""Of weights: what a picture of them needs. Records files hold all digits."""

_KEY = "key"


class First:
    """The records of the lowest keys, equal ones by id: the same in whatever order they come."""

    def __init__(self, n: int) -> None:
        self._n, self._kept = n, list[pa.Table]()

    def offer(self, records: pa.Table, keys: np.ndarray) -> None:
        """Consider more records."""
        every = pa.concat_tables([*self._kept, records.append_column(_KEY, pa.array(keys))])
        order = pc.sort_indices(every, sort_keys=[(_KEY, "ascending"), (ID.name, "ascending")])
        self._kept = [every.take(order[: self._n])]

    def rows(self) -> list[Row]:
        """Those that are kept; without the weights of single rows, which are many."""
        shown = [field.name for field in record_fields() if field.is_shown]
        return [row for kept in self._kept for row in kept.select(shown).to_pylist()]


class TellingExamples:
    """The most telling examples seen so far."""

    def __init__(self) -> None:
        self._best = {reason: First(PER_REASON) for reason in telling()}

    def offer(self, records: pa.Table) -> None:
        """Consider more records."""
        n_units = numbers(records, N_UNITS)
        readable = records.filter((n_units >= MIN_UNITS) & (n_units <= MAX_UNITS))
        for reason, of in telling().items():
            scores = of.score(partial(numbers, readable))
            known = ~np.isnan(scores)
            self._best[reason].offer(readable.filter(known), -scores[known])

    def chosen(self) -> list[tuple[str, Row]]:
        """Reason and record, the most telling of each reason first."""
        return [(reason, row) for reason, best in self._best.items() for row in best.rows()]


class SampledExamples:
    """Examples drawn at random: a function of their ids and the seed."""

    def __init__(self, seed: int) -> None:
        """Args: seed: Of the draw."""
        self._seed, self._drawn = seed, First(N_SAMPLED)

    def offer(self, records: pa.Table) -> None:
        """Consider more records."""
        short = records.filter(numbers(records, N_UNITS) <= MAX_SAMPLED_UNITS)
        self._drawn.offer(short, example_keys(self._seed, short[ID.name].to_pylist(), "sample"))

    def chosen(self) -> list[Row]:
        """The first of the draw, as many as there is room for, with rounded weights."""
        rows = self._drawn.rows()
        together = accumulate(row[N_UNITS.name] for row in rows)
        return [
            _rounded(row)
            for row, n_units in zip(rows, together, strict=True)
            if n_units <= MAX_UNITS_TOGETHER
        ]


def _rounded(row: Row) -> Row:
    weights = {
        field.name: [float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in row[field.name]]
        for field in record_fields()
        if field.shape is Shape.UNITS and field.kind is Kind.NUMBER
        if row[field.name] is not None
    }
    return {**row, **weights}


_ROOM = "It is a temporary file: name a folder with more room in the environment variable TMPDIR."


@dataclass(frozen=True)
class RecordsPaths:
    """The records files that the user asked for."""

    records: Path | None
    sites: Path | None
    """Beside the records, where there are several sites."""

    @staticmethod
    def of(records: str | None, *, has_several_sites: bool) -> "RecordsPaths":
        """The paths of the files."""
        if records is None:
            return RecordsPaths(None, None)
        path = Path(records)
        return RecordsPaths(path, site_records_path(path) if has_several_sites else None)

    def describe(self, report: Path | None) -> RecordsFile | None:
        """The finished files, relative to where the report goes; None: to here."""
        if self.records is None:
            return None
        sites = None if self.sites is None else _describe(self.sites, report)
        return _describe(self.records, report).model_copy(update={"sites": sites})


class Recording:
    """Writes every shard as it comes: all columns for the user, the scalar ones to sum up."""

    def __init__(
        self, stack: ExitStack, spool: Path, files: RecordsPaths, subject: Subject
    ) -> None:
        """Open the files; `stack` closes them, and gives the user's their names if nothing failed.

        Raises:
            OutputError: A file cannot be written.
        """
        self.counts = dict.fromkeys(_COUNTED, 0)
        """By what a report's data calls them."""
        self.telling = TellingExamples()
        self.sampled = SampledExamples(subject.settings.seed)
        self.sites = SiteMeans()
        self._scalars = [field.name for field in record_fields() if field.shape is Shape.ONE]
        records, sites = schemas(subject.n_logits, subject.is_multilabel)
        scalars = pa.schema([records.field(name) for name in self._scalars])

        def writer(path: Path | None, schema: pa.Schema) -> RecordsWriter | None:
            return None if path is None else stack.enter_context(RecordsWriter(path, schema))

        self._table = stack.enter_context(RecordsWriter(spool, scalars, hint=_ROOM))
        self._records, self._sites = writer(files.records, records), writer(files.sites, sites)

    def add(self, found: Found) -> None:
        """Keep what was found in a shard."""
        if self._records is not None:
            self._records.write(found.records)
        if found.sites is not None:
            if self._sites is not None:
                self._sites.write(found.sites)
            self.sites.add(found.sites)
        failed = has_failed(found.records)
        self._count(found.records.filter(~failed), int(failed.sum()))

    def _count(self, records: pa.Table, n_failed: int) -> None:
        """Of the examples that were audited, which alone are summed up."""
        self._table.write(records.select(self._scalars))
        self.telling.offer(records)
        self.sampled.offer(records)
        is_deleted = pc.and_(
            records[READOUT_UNIT.name].is_valid(), records[LEAVE_ONE_OUT.name].is_valid()
        )
        counted = (
            *(records[LABEL.name].is_valid(), records[TRUNCATED.name]),
            *(records[WINDOWS.name].is_valid(), is_deleted),
        )
        n_true = (pc.sum(values).as_py() or 0 for values in counted)
        for name, n in zip(_COUNTED, (len(records), n_failed, *n_true), strict=True):
            self.counts[name] += n


_COUNTED = (
    *("n_examples", "n_failed", "n_labelled"),
    *("n_truncated", "n_windowed", "n_readout_deleted"),
)


def _describe(file: Path, report: Path | None) -> RecordsFile:
    """By path relative to the report, and SHA-256."""
    base = (report.parent if report is not None else Path()).resolve()
    path = Path(os.path.relpath(file.resolve(), base)).as_posix()
    return RecordsFile(path=path, sha256=sha256_of(file))


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
            recommendation = None
            if "erasure" in settings.checks:
                has_attention = model.no_attention_because is None
                recommendation = recommendation_of(
                    examples, grouping.resamples, has_attention=has_attention
                )
            counts = recording.counts
            tells_units = "attended" in settings.checks and not settings.no_texts
            known = dict(subject) | {"data": data.model_copy(update=counts)}
            summed = Report(
                **known,
                n_units=distribution_of(
                    examples.numbers(N_UNITS), grouping.resamples, LENGTH_EDGES
                ),
                metrics=summarise(grouping, settings.checks, settings.correlated),
                recommendation=recommendation,
                sites=recording.sites.summaries(),
                degenerate=count_degenerate(examples, settings.checks, counts["n_failed"]),
                telling_examples=tuple(
                    TellingExample(reason=reason, record=record)
                    for reason, record in recording.telling.chosen()
                ),
                sampled_examples=tuple(recording.sampled.chosen()),
                unattended_units=_deciders(examples) if tells_units else (),
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
