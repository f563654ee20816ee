"""The report of an audit: everything that was found and how, in one validated value."""

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any, Final, Literal, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from attn_audit.errors import ReportError
from attn_audit.findings.measure import correlated
from attn_audit.findings.metric import (
    BESIDE_MEAN,
    ExampleMetric,
    MeanMetric,
    Metric,
    ShareMetric,
    Statistic,
    TotalMetric,
)
from attn_audit.findings.registry import add_shown, metrics
from attn_audit.plugins import require_plugins
from attn_audit.results.model_description import HeadMix, Leverage, ModelDescription
from attn_audit.results.storage import (
    MAKE_AGAIN,
    ShownRecord,
    Summaries,
    malformed,
    publish_hash,
    read_stored,
    require_shown,
    require_unedited,
    to_stored,
)
from attn_audit.results.verdict import Answer, CountedUnit, LabelAnswer, Recommendation
from attn_audit.settings import TEMPLATE
from attn_audit.statistics.summary import (
    NOT_MEASURED,
    Degenerate,
    Distribution,
    Estimate,
    GroupedDistribution,
    Histogram,
    JointHistogram,
    Number,
    Share,
    SiteSummary,
    Summary,
    Value,
)

SCHEMA_VERSION: Final = 4

DEFINITIONS_VERSION: Final = 2
"""Raised whenever a number of the report is defined anew: reports of two do not compare."""


class Tool(Value):
    """What made the report."""

    name: str
    version: str
    libraries: dict[str, str]
    """Versions of what the numbers depend on."""
    definitions: int = 1
    """Version of what the numbers mean; the first reports did not say it."""
    plugins: dict[str, str] = Field({})
    """Versions, or hashes of the files, of the code that was added by `--plugin`, by name."""


class RowsLeftOut(Value):
    """Rows of the data that were not audited, for one reason."""

    fault: str
    meaning: str
    """The reason, behind their number."""
    n: int
    first: tuple[str, ...]
    """Where the first of them stand."""


class DataDescription(Value):
    """What was audited."""

    source: str
    """As the user wrote it."""
    name: str
    """The file, or the data set and split, that was read."""
    split: str | None
    sha256: str | None
    """Of the file; None for a stream."""
    n_rows: int | None = None
    """Rows of the data; reports of earlier versions do not say it."""
    left_out: tuple[RowsLeftOut, ...] = ()
    """Those that are no examples: `--on-bad-row skip`, and labels mapped to nothing."""
    n_choosing: int = 0
    """Examples that chose the layer (`--layer best`), and are not among those audited."""
    n_examples: int
    """Examples audited."""
    limit: int | None
    """Size of the random sample that was asked for."""
    is_complete: bool = True
    """False where this sums up the finished shards of an audit that is not finished."""
    n_failed: int = 0
    """Examples beside these that could not be audited: `--on-error record`."""
    n_labelled: int
    n_truncated: int
    n_windowed: int = 0
    """Examples that were longer than what the model takes, and read in windows."""
    n_readout_deleted: int = 0
    """Examples whose readout token is itself audited: leave-one-out deletes it, it cannot be
    masked away."""

    @property
    def n_read(self) -> int:
        """All examples, those that failed included."""
        return self.n_examples + self.n_failed

    @property
    def n_not_drawn(self) -> int:
        """Rows that could be audited, and are not in the random sample."""
        if self.limit is None or self.n_rows is None or not self.is_complete:
            return 0
        return max(0, self.n_rows - self.n_left_out - self.n_choosing - self.n_read)

    @property
    def n_left_out(self) -> int:
        """Rows that are no examples, whyever."""
        return sum(rows.n for rows in self.left_out)


class Settings(Value):
    """Everything that changes a number."""

    # What each is, `attn_audit.settings` says: here stands what is stored otherwise.

    fields: dict[str, str]
    """What the data's fields are called, by what they are."""
    label_map: dict[str, str]
    """New names of the data's labels; rows with one that has none are left out."""
    rationale_field: str = "rationale"
    shown: tuple[str, ...] = ()
    ignore_field: tuple[str, ...] = ()
    on_bad_row: str = "stop"
    quoting: Literal["auto", "none", "csv"] = "auto"
    checks: tuple[str, ...]
    measures: tuple[str, ...] | None
    """As asked for; None: correlation and erasure each read what they do by themselves."""
    explain_label: str | None = None
    epsilon: float
    permutations: int
    method: str
    iterations: int
    restarts: int
    replace_layers: str = "all"
    """`all`, or the first and the last of those that are replaced together: `0-5`."""
    erasure_sample: int = 200
    layer: int | None
    """Index of the audited attention into the model's layers; None where there is none."""
    head: int | None
    """None: all heads, averaged."""
    rows: str
    without_attention: bool = False
    unit: str
    prompt: str | None = None
    audited: str | None = None
    """Of a prompt the field that was audited, None: `text`; of pairs `second` or `both`, None: the
    first text."""
    zero_shot: tuple[str, ...] = ()
    template: str = TEMPLATE
    zero_shot_each: bool = False
    chat: bool = False
    options: tuple[str, ...] = ()
    target: str | None = None
    no_texts: bool = False
    answer_score: Literal["sum", "mean", "first"] = "sum"
    attention_implementation: Literal["sdpa", "eager"] | None = None
    max_length: int | None
    """None: no text is cut."""
    window_overlap: int | None = None
    revision: str | None
    trust_remote_code: bool
    adapter: str | None
    plugin: tuple[str, ...] = ()
    seed: int
    batch_size: str
    threads: int
    device: str

    @property
    def correlated(self) -> tuple[str, ...]:
        """The measures that attention is correlated with."""
        return correlated(self.measures)


class SelfCheck(Value):
    """One thing that must hold before anything is measured."""

    name: str
    """What must hold, in a few words."""
    error: float
    """The largest deviation found on a few examples."""
    tolerance: float
    passed: bool


class TellingExample(Value):
    """An example chosen because it shows something."""

    reason: str
    """`adversarial`, `insensitive`, `disagreeing` or `agreeing`."""
    record: ShownRecord


class RecordsFile(Value):
    """Where the records of all examples are."""

    path: str
    """Relative to the report."""
    sha256: str
    sites: "RecordsFile | None" = None
    """The second table, one line an example and site, where several were asked for."""


class Cost(Value):
    """What a measure took of a text, the mean over those that it was computed of."""

    n: int
    """Texts."""
    passes: float
    """Forwards and backwards, more than its row says where it was not done with these."""
    milliseconds: float


class Run(Value):
    """When and how long: the one part that differs between identical audits."""

    started: str
    seconds: float
    seconds_by_stage: dict[str, float]
    costs: dict[str, Cost] = Field(default_factory=dict)
    """By measure, and under `attention` of reading it; empty where workers measured."""


class Report(Value):
    """An audit of one model on one split."""

    model_config = ConfigDict(json_schema_extra=publish_hash, serialize_by_alias=True)

    schema_version: Literal[4] = SCHEMA_VERSION
    title: str | None = None
    """Of its pages, as the user chose it; None: the model's name."""
    author: str | None = None
    """Who made it."""
    answer: Answer | None = None
    """What the packaged rules make of it; None while it is made."""
    labels: tuple[LabelAnswer, ...] = ()
    """What they make of each label, whatever is predicted: `--explain-label each`."""
    tool: Tool
    model: ModelDescription
    data: DataDescription
    settings: Settings
    self_checks: tuple[SelfCheck, ...]
    layers: Leverage | None = None
    """What attention at each layer can do at all; None where the model has one layer."""
    head_mix: HeadMix | None = None
    """As it was fitted before the first text; None where it was not asked for, or could not be."""
    recommendation: Recommendation | None = None
    """What may be shown instead of attention; None where erasure was not asked for."""
    n_units: Distribution
    metrics: Summaries = Field(repr=False)
    """By name, check by check; what was not measured is not there."""
    sites: tuple[SiteSummary, ...] = ()
    """Every layer and head that was asked for beside the audited site; empty unless several."""
    degenerate: tuple[Degenerate, ...]
    unattended_units: tuple[CountedUnit, ...] = ()
    """Units that decide texts without having attention, the most frequent first."""
    telling_examples: tuple[TellingExample, ...]
    sampled_examples: tuple[ShownRecord, ...] = ()
    """Records drawn at random, of at most 500 units each; few enough to look through."""
    records_file: RecordsFile | None = Field(alias="records")
    run: Run | None

    @overload
    def __getitem__(self, metric: MeanMetric) -> GroupedDistribution: ...
    @overload
    def __getitem__(self, metric: ShareMetric) -> Share: ...
    @overload
    def __getitem__(self, metric: TotalMetric) -> Number: ...
    def __getitem__(self, metric: Metric) -> Summary:
        return self.metrics[metric.name]

    @overload
    def get(self, metric: MeanMetric) -> GroupedDistribution | None: ...
    @overload
    def get(self, metric: ShareMetric) -> Share | None: ...
    @overload
    def get(self, metric: TotalMetric) -> Number | None: ...
    def get(self, metric: Metric) -> Summary | None:
        """What it holds of a metric; None where that was not measured."""
        return self.metrics.get(metric.name)

    def estimate_of(self, statistic: Statistic) -> Estimate:
        """A number with its interval; all of it None where it is not held."""
        summary = self.metrics.get(statistic.metric.name)
        if summary is None:
            return NOT_MEASURED
        estimate: float | None = getattr(summary, statistic.suffix or "estimate")
        if estimate is None or not isfinite(estimate):
            return NOT_MEASURED._replace(n=summary.n)
        interval = summary.interval if statistic.has_interval else None
        return Estimate(float(estimate), summary.n, interval)

    def has(self, check: str) -> bool:
        """Whether it holds anything of a check, or of `performance`."""
        return any(name.startswith(f"{check}.") for name in self.metrics)

    def coverage(self, check: str) -> int | None:
        """Examples for which a check has all of its numbers.

        Of the correlation check these are the examples with every tau that was asked for: those
        with fewer than 5 units count, since only their significance is untestable.

        Returns:
            The number of examples; None where the check has no result at all, which its bounds
            say, and for `performance`, which is no check.
        """
        covering = {m.name for m in metrics() if isinstance(m, ExampleMetric) and m.is_coverage}
        counts = [
            summary.n
            for name, summary in self.metrics.items()
            if name in covering and name.startswith(f"{check}.") and summary.n is not None
        ]
        return min(counts, default=None)

    def coverage_of(self, metric: Metric) -> int | None:
        """Examples that have a number, where its check covers examples by it; else the check's."""
        own = self.metrics.get(metric.name)
        if isinstance(metric, ExampleMetric) and metric.is_coverage and own is not None:
            return own.n
        return self.coverage(metric.check)

    @property
    def shown_records(self) -> tuple[dict[str, Any], ...]:
        """The records that it holds itself, for people to look at."""
        return (*(telling.record for telling in self.telling_examples), *self.sampled_examples)

    def to_json(self) -> str:
        """The report as JSON text, its hash in it: the same bytes for the same report."""
        return to_stored(self.model_dump(mode="json"))

    @staticmethod
    def load(path: Path) -> "Report":
        """Read a report.

        Raises:
            ConfigurationError: It was made with a plugin that was not named, or judges shown scores
                whose names clash.
            ReportError: Missing, cut short, no JSON, of another schema version, malformed, or
                edited since it was written.
        """
        content, sha256 = read_stored(path, SCHEMA_VERSION)
        match content:
            case {"tool": {"plugins": dict(plugins)}}:
                require_plugins(list(plugins), str(path))
            case _:
                pass
        match content:
            case {"settings": {"shown": [*fields]}}:
                add_shown(name for name in fields if isinstance(name, str) and name.isprintable())
            case _:
                pass
        try:
            report = Report.model_validate(content)
            require_shown(report.shown_records)
        except ValidationError as error:
            raise malformed(path, error) from None
        unseen = {"telling_examples": (), "sampled_examples": ()}  # their fields hold them, above
        for problem in contradictions(report.model_copy(update=unseen)):
            raise ReportError(path, problem, hint=MAKE_AGAIN)
        require_unedited(path, content, sha256)
        return report


def contradictions(value: object, place: str = "") -> Iterator[str]:
    """What no audit writes, with the dotted name of where it stands."""
    match value:
        case float():
            if not isfinite(value):
                yield f"{place}: {value} is no finite number"
        case str() | int() | None:  # most of a report; whether it is a model takes long to ask
            pass
        case BaseModel():
            yield from (f"{place}: {problem}" for problem in _of_model(value))
            for name in type(value).model_fields:
                yield from contradictions(getattr(value, name), f"{place}.{name}".lstrip("."))
        case dict():
            for key, inner in value.items():
                yield from contradictions(inner, f"{place}.{key}")
        case tuple() | list():
            for i, inner in enumerate(value):
                yield from contradictions(inner, f"{place}.{i}")
        case _:
            pass


def _of_model(value: BaseModel) -> Iterator[str]:
    if isinstance(value, Distribution):
        parts = [name for name in BESIDE_MEAN if name != "sd"]
        if value.n > 0 and any(getattr(value, name) is None for name in ("mean", *parts)):
            yield f"no mean, extremes or quantiles of {value.n} examples"
    elif isinstance(value, Histogram):
        yield from _of_bins(value.edges, value.counts)
    elif isinstance(value, JointHistogram):
        for row in value.counts:
            yield from _of_bins(value.y_edges, row)
        yield from _of_bins(value.x_edges, [sum(row) for row in value.counts])


def _of_bins(edges: Sequence[float], counts: Sequence[int]) -> Iterator[str]:
    if len(edges) != len(counts) + 1:
        yield f"{len(counts)} counts between {len(edges)} edges"
    elif not counts or any(low >= high for low, high in pairwise(edges)):
        yield "edges that do not rise"
    elif min(counts) < 0:
        yield "a count below 0"


class Subject(Value):
    """Everything that is known of an audit before its first example."""

    tool: Tool
    model: ModelDescription
    data: DataDescription
    """What was counted in it is not known yet."""
    settings: Settings
    self_checks: tuple[SelfCheck, ...]
    layers: Leverage | None = None
    head_mix: HeadMix | None = None

    @staticmethod
    def of(report: Report) -> "Subject":
        """That of a report."""
        return Subject(**{name: getattr(report, name) for name in Subject.model_fields})

    @property
    def n_logits(self) -> int:
        """Outputs of the model."""
        return 1 if self.model.task == "binary" else len(self.model.labels)

    @property
    def is_multilabel(self) -> bool:
        """Whether labels and predictions are lists."""
        return self.model.task == "multilabel"


def records_files(report: Report, origin: Path) -> tuple[Path, ...]:
    """The files that a report names as its records, whether they are there or not."""
    files = (report.records_file, report.records_file and report.records_file.sites)
    return tuple(origin / file.path for file in files if file is not None)


def relocated(report: Report, origin: Path, target: Path) -> Report:
    """The same report for another folder, with the paths that lead from there to its records."""
    if report.records_file is None or origin.resolve() == target.resolve():
        return report
    moved = _relocated(report.records_file, origin.resolve(), target.resolve())
    return report.model_copy(update={"records_file": moved})


def _relocated(records: RecordsFile, origin: Path, target: Path) -> RecordsFile:
    path = Path(os.path.relpath(origin / records.path, target)).as_posix()
    sites = None if records.sites is None else _relocated(records.sites, origin, target)
    return records.model_copy(update={"path": path, "sites": sites})
