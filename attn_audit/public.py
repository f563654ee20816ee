"""Results as Python users hold them: saved by suffix, seen in a notebook, with records as a table.

What is found stands in `attn_audit.results`; here is what can be done with it. Nothing here needs
torch: stored reports are read, judged and compared at once.
"""

import re
import shutil
import tempfile
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar, overload

from pydantic import BaseModel, PrivateAttr

from attn_audit.config import DEFAULT_POLICY
from attn_audit.errors import AttnAuditError, ConfigurationError, MetricError, ReportError, nearest
from attn_audit.findings.metric import MeanMetric, Metric, ShareMetric, TotalMetric
from attn_audit.findings.paper import TableName
from attn_audit.findings.registry import renamed, statistics
from attn_audit.formats.registry import FORMATS, OF_RESULTS
from attn_audit.formats.result_files import (
    Result,
    document_of,
    require_reports,
    write_reports,
    write_result,
)
from attn_audit.formats.terminal import brief
from attn_audit.judgement import comparison, gate
from attn_audit.judgement.answer import without_texts
from attn_audit.judgement.gate import why_missing
from attn_audit.judgement.policy import Policy, load_policy, policy_of
from attn_audit.judgement.tabulation import tabulate
from attn_audit.results import answers, report, verdict
from attn_audit.results.report import RecordsFile, records_files
from attn_audit.settings import KEYS
from attn_audit.statistics.summary import GroupedDistribution, Number, Share, Summary

if TYPE_CHECKING:
    import altair
    import pandas
    import pyarrow as pa

UNSAVED = "report in memory"

Policies = str | Path | Mapping[str, object] | Policy
"""`default`, a TOML file, a mapping with its keys, or a policy that was read before."""

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class Estimate:
    """A number of a report."""

    value: float
    low: float | None = None
    """Of the 95 % interval over examples; None where the number has none."""
    high: float | None = None
    n: int | None = None
    """Examples behind it; None where it is not a number over examples."""

    def __str__(self) -> str:
        """The number, its interval and its examples, in short."""
        interval = "" if self.low is None else f" [{self.low:.4g}, {self.high:.4g}]"
        return f"{self.value:.4g}{interval}" + ("" if self.n is None else f" (n={self.n})")


class PublicResult(BaseModel):
    """What can be done with every result."""

    formats: ClassVar[Sequence[str]] = OF_RESULTS

    def save(self, path: str | Path) -> None:
        """Write it there; the suffix says the format, one of `formats`.

        Raises:
            ConfigurationError: A suffix that is no format of such a result, or one that takes a
                policy, where there is none.
            OutputError: The file cannot be written.
        """
        with named_as_arguments(output="path"):
            # What takes a policy, and has none, is refused when it is written.
            require_reports([Path(path)], (), is_judged=True, formats=self.formats)
            write_result(self._result, [Path(path)])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseModel) and dict(self) == dict(other)

    def __repr__(self) -> str:
        return brief(document_of(self._result))

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the page, in a frame that nothing leaves."""
        from attn_audit.formats.html import framed  # Altair and Jinja2: only for who asks for HTML

        return framed(document_of(self._result))

    @property
    def _result(self) -> Result:
        result: object = self
        assert isinstance(result, Result), "there is no other kind"
        return result


class Explanation(PublicResult, answers.Explanation):
    """One text: its attention, what it is compared with, and what the model says under each."""


class Forecast(PublicResult, answers.Forecast):
    """What an audit will take, and what the forecast rests on."""


class Verification(PublicResult, answers.Verification):
    """A report checked again, with its records, against its model and data."""


class Verdict(PublicResult, verdict.Verdict):
    """A whole policy, held against a report; `Report.save` writes it beside what it judges."""


class Comparison(PublicResult, verdict.Comparison):
    """Two reports, the new one held beside the base; `save` writes all formats of reports."""

    formats: ClassVar = FORMATS

    verdict: Verdict | None = None
    """What a policy says of the changes; None without one."""


class ReportTable(PublicResult, answers.ReportTable):
    """Many reports beside each other: models, and of each the seeds that it was trained with."""

    formats: ClassVar = [*OF_RESULTS, ".csv"]


@dataclass(frozen=True, repr=False)
class Paper:
    """The paper's models trained on one data set and audited; it shows as their table."""

    table: ReportTable
    reports: Mapping[str, "Report"]
    """By model: `bilstm_additive`, `bilstm_additive_seed2` where other seeds than 0 are named."""
    folder: Path
    """Has a folder for each of them, with `model.pt`; `index.html` leads to everything."""

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


class Spool:
    """A folder for records that were asked for no file: it is there as long as this is held."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="attn-audit-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.path = folder / "records.parquet"


class Report(PublicResult, report.Report):
    """An audit of one model on one split.

    Example:
        >>> import attn_audit
        >>> report = attn_audit.audit("demo", "demo", limit=20, checks="permutation")
        >>> report["permutation.distance"].n
        20
        >>> report.records.num_rows
        20
    """

    formats: ClassVar = FORMATS

    _path: Path = PrivateAttr(default_factory=lambda: Path(UNSAVED).absolute())
    """Its file, or what would be it: in its folder its paths start."""
    _records: RecordsFile | None = PrivateAttr(default=None)
    """Where the records are that the report itself names, or that are spooled."""
    _spool: Spool | None = PrivateAttr(default=None)
    _run_dir: str | None = PrivateAttr(default=None)

    @staticmethod
    def of(
        found: report.Report,
        *,
        path: Path | None = None,
        spool: Spool | None = None,
        run_dir: str | None = None,
    ) -> "Report":
        """A report with all that can be done with it.

        Args:
            found: The report; the records file that it names may be spooled.
            path: Its file; None where it was made just now.
            spool: Holds its records, where no file of the user's does.
        """
        kept = found.records_file
        if spool is not None:
            found = found.model_copy(update={"records_file": None})
        made = as_held(Report, found)
        made._records, made._spool, made._run_dir = kept, spool, run_dir
        if path is not None:
            made._path = path.absolute()
        return made

    @cached_property
    def records(self) -> "pa.Table":
        """What was found for each example, a row each; read when it is first asked for.

        The columns are those that `attn-audit metrics` lists; a file in CSV holds no lists. After
        an audit that was told no `records` file, they are in a temporary file that goes with the
        report.

        Raises:
            RecordsError: The file that the report names is not there, or is another one.
            ReportError: The report names none.
        """
        from attn_audit.engine.report import records_of_run
        from attn_audit.results.stored_records import open_records, read_table

        if self._records is not None:
            found = open_records(*self.with_its_records())
            return read_table(found.path, found.schema)
        if self._run_dir is not None:
            return records_of_run(self._run_dir)
        raise ReportError(
            self._path, "it names no records", hint="Audit with records=..., and save that report."
        )

    @overload
    def __getitem__(self, metric: str) -> Estimate: ...
    @overload
    def __getitem__(self, metric: MeanMetric) -> GroupedDistribution: ...
    @overload
    def __getitem__(self, metric: ShareMetric) -> Share: ...
    @overload
    def __getitem__(self, metric: TotalMetric) -> Number: ...
    def __getitem__(self, metric: str | Metric) -> Estimate | Summary:
        """A number by its name: `permutation.distance`, `permutation.distance.median`.

        Raises:
            MetricError: There is no such number, or it was not measured.
        """
        if isinstance(metric, Metric):
            return self.metrics[metric.name]
        return self._estimate(metric)

    def to_frame(self) -> "pandas.DataFrame":
        """All that was measured and can be asked for by name, a row a number, as a table of pandas.

        Returns:
            By `metric`, with `value`, `low` and `high` of its 95 % interval, `n` and `definition`.

        Raises:
            ConfigurationError: pandas is not installed.

        Example:
            >>> import attn_audit
            >>> report = attn_audit.audit("demo", "demo", limit=20, checks="permutation")
            >>> int(report.to_frame().loc["permutation.distance", "n"])
            20
        """
        try:
            import pandas as pd
        except ImportError:
            raise ConfigurationError(
                "to_frame: pandas is not installed", hint="pip install pandas"
            ) from None
        measured = {
            name: statistic
            for name, statistic in statistics().items()
            if self.estimate_of(statistic).value is not None
        }
        rows = [
            (*astuple(self._estimate(name)), statistic.definition)
            for name, statistic in measured.items()
        ]
        columns = [*(field.name for field in fields(Estimate)), "definition"]
        frame = pd.DataFrame(rows, index=pd.Index(measured, name="metric"), columns=columns)
        return frame.astype({"value": float, "low": float, "high": float, "n": "Int64"})

    def figures(self) -> dict[str, "altair.TopLevelMixin"]:
        """The figures that `--figures` writes, by their names, as charts of Altair.

        A notebook shows them; what they show can be changed as that of any chart.

        Example:
            >>> import attn_audit
            >>> report = attn_audit.audit("demo", "demo", limit=20, checks="permutation")
            >>> list(report.figures())
            ['output_moves', 'output_change']
        """
        from attn_audit.formats.charts import chart  # Altair: only for who asks for charts
        from attn_audit.formats.documents.report import figures

        return {figure.name: chart(figure) for figure in figures(self)}

    def _estimate(self, name: str) -> Estimate:
        if name in renamed():
            hint = f"It is called {renamed()[name]!r} now."
            raise MetricError(f"there is no {name!r}.", hint=hint)
        if name not in statistics():
            close = nearest(name, statistics())
            is_close = close.startswith("Did")
            every = "`attn-audit metrics` lists them all."
            raise MetricError(f"there is no {name!r}.", hint=close if is_close else every)
        found = self.estimate_of(statistics()[name])
        if found.value is None:
            reason, hint = why_missing(statistics()[name], self)
            raise MetricError(f"{name} was not measured. {reason}", hint=_as_arguments(hint, {}))
        low, high = (found.interval.low, found.interval.high) if found.interval else (None, None)
        return Estimate(found.value, low, high, found.n)

    def save(self, path: str | Path, *, policy: Policies | None = None) -> None:
        """Write it there; the suffix says the format, one of `formats`.

        Args:
            path: Of the file; what is there is replaced.
            policy: Said beside what was found; .xml and .sarif hold nothing else.

        Raises:
            ConfigurationError: A suffix that is no format, or a format that takes a policy.
            OutputError: The file cannot be written, or the records are there.
        """
        with named_as_arguments(output="path"):
            taken = records_files(self, self._path.parent)
            require_reports([Path(path)], taken, is_judged=policy is not None)
            judged = None if policy is None else gate.judge(self, _read(policy))
            write_reports(self, judged, [Path(path)], self._path.parent)

    def with_its_records(self) -> tuple[report.Report, Path]:
        """The same naming the records that there are, spooled ones too; and where its paths start.

        Returns:
            The report, and its file.
        """
        return self.model_copy(update={"records_file": self._records}), self._path

    @property
    def name(self) -> str:
        """Its file, or what it is called instead."""
        return UNSAVED if self._path.name == UNSAVED else str(self._path)


def as_held(kind: type[T], found: BaseModel) -> T:
    """A result that was found, with all that can be done with it."""
    return kind.model_construct(**dict(found))


def load_report(path: str | Path) -> Report:
    """Read a report that an audit wrote as JSON.

    Raises:
        ReportError: Missing, cut short, no report, of another version, or edited.
    """
    with named_as_arguments():
        return Report.of(report.Report.load(Path(path)), path=Path(path))


def judge(
    report: Report | str | Path,
    policy: Policies = DEFAULT_POLICY,
    today: date | None = None,
    *,
    no_texts: bool = False,
) -> Verdict:
    """Hold a report against a policy, as `attn-audit gate` does.

    Args:
        report: A report, or the file of one.
        policy: `default`, a TOML file, a mapping with its keys, or a `Policy`.
        today: Waivers hold through their last day; None: the day it is.
        no_texts: Quote no word of the texts.

    Raises:
        ReportError: The report cannot be used.
        ConfigurationError: The policy has a mistake, or asks nothing of a report.

    Example:
        >>> import attn_audit
        >>> report = attn_audit.audit("demo", "demo", checks="permutation")
        >>> bound = {"metric": "permutation.moved", "max": 0.9}
        >>> judge(report, {"bound": [bound]}).outcome.value
        'pass'
    """
    with named_as_arguments():
        judged = without_texts(_loaded(report)) if no_texts else _loaded(report)
        return as_held(Verdict, gate.judge(judged, _read(policy), today))


def compare(
    old: Report | str | Path,
    new: Report | str | Path,
    policy: Policies | None = None,
    *,
    allow_different_data: bool = False,
    today: date | None = None,
    no_texts: bool = False,
) -> Comparison:
    """Compare two reports, as `attn-audit compare` does: paired where both have records.

    Args:
        old: A report, or the file of one, that the other is held against.
        new: Another, of the same data.
        policy: Bounds changes, by `max_drop` and `max_rise`; `no-worse`: the packaged ones; None:
            nothing is judged.
        allow_different_data: Compare the summaries alone, whatever data they are of.
        today: Waivers hold through their last day; None: the day it is.
        no_texts: Quote no word of the texts.

    Raises:
        ReportError: A report or its records are missing, malformed or changed.
        ComparisonRefusedError: Task, definitions, settings or data differ.
        ConfigurationError: The policy has a mistake, or bounds no change.

    Example:
        >>> import attn_audit
        >>> report = attn_audit.audit("demo", "demo", limit=20, checks="permutation")
        >>> compare(report, report).n_pairs
        20
    """
    with named_as_arguments():
        base, other = _loaded(old), _loaded(new)
        (first, path), (second, other_path) = base.with_its_records(), other.with_its_records()
        found = comparison.compare_reports(
            (first, second),
            (path, other_path),
            None if policy is None else _read(policy, of_change=True),
            allow_different_data=allow_different_data,
            today=today,
        )
    held = as_held(Comparison, comparison.without_texts(found) if no_texts else found)
    of_base, of_new = (each.name if isinstance(each, Report) else str(each) for each in (old, new))
    return held.model_copy(
        update={
            "base": held.base.model_copy(update={"report": of_base}),
            "new": held.new.model_copy(update={"report": of_new}),
            "verdict": None if found.verdict is None else as_held(Verdict, found.verdict),
        }
    )


def table(*reports: Report | str | Path, only: Collection[TableName] = ()) -> ReportTable:
    """Put reports into one table, as `attn-audit table` does: models, and means over their seeds.

    Reports that differ in the training's seed and the weights alone are seeds of one model. Of what
    is found, `save` writes .csv too.

    Args:
        *reports: Reports, or the files of some.
        only: The tables to write, by what they are about or by their lines; empty: all of them.

    Raises:
        ReportsError: Names every report that cannot be used, or that says what another one says.
        ConfigurationError: There is no such table, or nothing to stand in it.

    Example:
        >>> import attn_audit
        >>> report = attn_audit.audit("demo", "demo", limit=20, checks="permutation")
        >>> found = attn_audit.table(report, only=["permutation"])
        >>> found.models[0].numbers[0].values["permutation.distance"].n
        1
    """
    if not reports:
        raise ConfigurationError("reports: nothing to put into a table")
    paths, held = list[Path](), dict[Path, report.Report]()
    for number, given in enumerate(reports, start=1):
        name = given.name if isinstance(given, Report) else str(given)
        paths.append(Path(f"{name}, number {number}" if name == UNSAVED else name))
        if isinstance(given, Report):
            held[paths[-1]] = given
    with named_as_arguments():
        return as_held(ReportTable, tabulate(paths, only, held))


def _loaded(given: Report | str | Path) -> Report:
    return given if isinstance(given, Report) else load_report(given)


def _read(policy: Policies, *, of_change: bool = False) -> Policy:
    match policy:
        case Policy():
            return policy
        case Mapping():
            return policy_of(policy)
        case _:
            return load_policy(str(policy), of_change=of_change)


@contextmanager
def named_as_arguments(**others: str) -> Iterator[None]:
    """Messages name flags; who calls from Python has arguments instead.

    Args:
        **others: Arguments that are called otherwise than flags are.
    """
    try:
        yield
    except AttnAuditError as error:
        error.message = _as_arguments(error.message, others)
        error.hint = None if error.hint is None else _as_arguments(error.hint, others)
        error.details = tuple(_as_arguments(line, others) for line in error.details)
        error.args = ("\n".join((error.message, *error.details)),)
        raise


_FLAGS = (*KEYS, "allow_different_data", "only", "text", "text_pair")
_FLAG = re.compile(r"--([a-z]+(?:-[a-z]+)*)( (?=[A-Z]{2}|default\b|[^ `]+`))?")
"""With the blank before what is given to it: FILE, `default`, or all else between backticks."""


def _as_arguments(message: str, others: Mapping[str, str]) -> str:
    def argument(flag: re.Match[str]) -> str:
        name = flag[1].replace("-", "_")
        equals = "" if flag[2] is None else "="
        is_one = name in _FLAGS or name in others
        return f"{others.get(name, name)}{equals}" if is_one else flag[0]

    return _FLAG.sub(argument, message)
