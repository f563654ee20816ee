"""From what is found, shard by shard, to a report: records, sums, and examples to show."""

import os
import tempfile
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from attn_audit.engine import summaries
from attn_audit.engine.in_process import RecordTables
from attn_audit.engine.run_directory import LABELS, Manifest, Shards, place_of, shards_of
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


class FirstRecords:
    """The records of the lowest keys, equal ones by id: the same in whatever order they come."""

    def __init__(self, n: int) -> None:
        self._n, self._kept = n, list[pa.Table]()

    def offer(self, records: pa.Table, keys: np.ndarray) -> None:
        """Consider more records; those whose key is NaN are left out."""
        n_known = int(np.count_nonzero(~np.isnan(keys)))
        if n_known == 0:
            return
        first = self._first(pa.table({_KEY: keys, ID.name: records[ID.name]}))[:n_known]
        chosen = records.take(first).append_column(_KEY, pa.array(keys[first.to_numpy()]))
        if self._kept:
            chosen = pa.concat_tables([*self._kept, chosen])
            chosen = chosen.take(self._first(chosen))
        self._kept = [chosen]

    def _first(self, keyed: pa.Table) -> pa.Array:
        """Where those of the lowest keys stand; NaN comes last."""
        order = pc.sort_indices(keyed, sort_keys=[(_KEY, "ascending"), (ID.name, "ascending")])
        return order[: self._n]

    def rows(self) -> list[Row]:
        """Those that are kept; without the weights of single rows, which are many."""
        shown = [field.name for field in record_fields() if field.is_shown]
        return [row for kept in self._kept for row in kept.select(shown).to_pylist()]


class TellingExamples:
    """The most telling examples seen so far."""

    def __init__(self) -> None:
        self._best = {reason: FirstRecords(PER_REASON) for reason in telling()}

    def offer(self, records: pa.Table) -> None:
        """Consider more records."""
        n_units = numbers(records, N_UNITS)
        readable = records.filter((n_units >= MIN_UNITS) & (n_units <= MAX_UNITS))
        for reason, of in telling().items():
            self._best[reason].offer(readable, -of.score(partial(numbers, readable)))

    def chosen(self) -> tuple[TellingExample, ...]:
        """The most telling of each reason first."""
        return tuple(
            TellingExample(reason=reason, record=row)
            for reason, best in self._best.items()
            for row in best.rows()
        )


class SampledExamples:
    """Examples drawn at random: a function of their ids and the seed."""

    def __init__(self, seed: int) -> None:
        """Args: seed: Of the draw."""
        self._seed, self._drawn = seed, FirstRecords(N_SAMPLED)

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


class Recording:
    """Writes every shard as it comes: all columns for the user, the scalar ones to sum up."""

    def __init__(
        self, stack: ExitStack, spool: Path, records: Path | None, subject: Subject
    ) -> None:
        """Open the files; `stack` closes them, and gives the user's their names if nothing failed.

        Those of sites, beside the records, are opened when there are some.
        """
        self.counts = dict.fromkeys(_COUNTED, 0)
        """By what a report's data calls them."""
        self.telling = TellingExamples()
        self.sampled = SampledExamples(subject.settings.seed)
        self.sites = summaries.SiteMeans()
        self._scalars = [field.name for field in record_fields() if field.shape is Shape.ONE]
        self._stack, self._path = stack, records
        schema, self._site_schema = schemas(subject.n_logits, subject.is_multilabel)
        scalars = pa.schema([schema.field(name) for name in self._scalars])
        self._table = stack.enter_context(RecordsWriter(spool, scalars, hint=_ROOM))
        self._sites: RecordsWriter | None = None
        self._records = None
        if records is not None:
            self._records = stack.enter_context(RecordsWriter(records, schema))

    def add(self, found: RecordTables) -> None:
        """Keep what was found in a shard."""
        if self._records is not None:
            self._records.write(found.records)
        if found.sites is not None:
            self.sites.add(found.sites)
            if self._sites is None and self._path is not None:
                writer = RecordsWriter(site_records_path(self._path), self._site_schema)
                self._sites = self._stack.enter_context(writer)
            if self._sites is not None:
                self._sites.write(found.sites)
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

    def files(self, report: Path | None) -> RecordsFile | None:
        """The finished files, relative to where the report goes; None: to here."""
        if self._path is None:
            return None
        has_sites = self._sites is not None
        sites = _described(site_records_path(self._path), report) if has_sites else None
        return _described(self._path, report).model_copy(update={"sites": sites})


_COUNTED = (
    *("n_examples", "n_failed", "n_labelled"),
    *("n_truncated", "n_windowed", "n_readout_deleted"),
)


def _described(file: Path, report: Path | None) -> RecordsFile:
    """By path relative to the report, and SHA-256."""
    base = (report.parent if report is not None else Path()).resolve()
    path = Path(os.path.relpath(file.resolve(), base)).as_posix()
    return RecordsFile(path=path, sha256=sha256_of(file))


MAX_DECIDERS = 20
"""Units that decide without attention, kept in a report."""


def _deciders(examples: Examples) -> tuple[CountedUnit, ...]:
    return tuple(CountedUnit(unit=unit, n=n) for unit, n in deciders(examples)[:MAX_DECIDERS])


def sum_up(
    subject: Subject,
    found: Iterable[RecordTables],
    records: str | None = None,
    report: Path | None = None,
    records_file: RecordsFile | None = None,
    timing: AbstractContextManager[None] | None = None,
) -> Report:
    """Keep records as they come, and sum them up.

    Args:
        records: The file that the user asked for; those of several sites go beside it.
        report: Where the report will be, which names the records files relative to it.
        records_file: Of records that were written before.
        timing: Entered for the summing up itself.
    """
    with tempfile.TemporaryDirectory(prefix="attn-audit-") as folder:
        spool, settings = Path(folder) / "records.parquet", subject.settings
        with ExitStack() as stack:
            recording = Recording(stack, spool, Path(records) if records else None, subject)
            for some in found:
                recording.add(some)
        with timing or nullcontext(), pq.ParquetFile(spool) as file:
            data, model = subject.data, subject.model
            examples = Examples(file, model.labels, model.task, data.n_rows, data.n_left_out)
            grouping = summaries.Grouping(examples, Resamples(settings.seed))
            counts, recommendation = recording.counts, None
            if "erasure" in settings.checks:
                recommendation = recommendation_of(
                    examples,
                    grouping.resamples,
                    has_attention=model.no_attention_because is None,
                )
            tells_units = "attended" in settings.checks and not settings.no_texts
            known = dict(subject) | {"data": data.model_copy(update=counts)}
            summed = Report(
                **known,
                n_units=distribution_of(
                    examples.numbers(N_UNITS), grouping.resamples, summaries.LENGTH_EDGES
                ),
                metrics=summaries.summarise(grouping, settings.checks, settings.correlated),
                recommendation=recommendation,
                sites=recording.sites.summaries(),
                degenerate=summaries.count_degenerate(
                    examples, settings.checks, counts["n_failed"]
                ),
                telling_examples=recording.telling.chosen(),
                sampled_examples=tuple(recording.sampled.chosen()),
                unattended_units=_deciders(examples) if tells_units else (),
                records=records_file or recording.files(report),
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

    Raises:
        RunDirectoryError: No audit was started there, none of its shards is finished, or one is
            damaged.
        OutputError: The records file cannot be written.
    """
    found = _summed_up(place_of(name), records, report)
    labels = place_of(f"{name}/{LABELS}")
    folders: list[AnyPath] = [*labels.iterdir()] if labels.exists() else []
    answers = list[LabelAnswer]()
    for each in sorted(folders, key=str):
        own = _summed_up(each, None, None)
        assert own.settings.explain_label is not None, "it is the run directory of a label"
        assert own.answer is not None, "every audit has one"
        answers.append(LabelAnswer(label=own.settings.explain_label, answer=own.answer))
    return found.model_copy(update={"labels": tuple(answers)})


def _summed_up(folder: AnyPath, records: str | None, report: Path | None) -> Report:
    manifest, shards = _of_folder(folder)
    if not shards.finished():
        raise RunDirectoryError(
            shards.folder, "none of its shards is finished", hint="Go on with --resume."
        )
    data = manifest.subject.data.model_copy(update={"is_complete": shards.are_complete()})
    subject = manifest.subject.model_copy(update={"data": data})
    return sum_up(subject, map(shards.read, shards.finished()), records, report)


def _of_folder(folder: AnyPath) -> tuple[Manifest, Shards]:
    manifest = Manifest.read(folder)
    if manifest is None:
        raise RunDirectoryError(folder, "no audit was started in it")
    return manifest, shards_of(manifest, folder)
