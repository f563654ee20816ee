"""The report of an audit: everything that was found and how, in one validated value."""

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ConfigDict, ValidationError

from attn_audit.errors import ReportError
from attn_audit.results.consistent import contradictions
from attn_audit.results.description import ModelDescription
from attn_audit.results.shown import Shown
from attn_audit.results.stored import (
    MAKE_AGAIN,
    malformed,
    publish_hash,
    read_stored,
    require_unedited,
    to_stored,
)
from attn_audit.results.summary import (
    Degenerate,
    Distribution,
    Performance,
    SiteSummary,
    Summaries,
    Value,
)

SCHEMA_VERSION: Final = 2

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


class DataDescription(Value):
    """What was audited."""

    source: str
    """As the user wrote it."""
    name: str
    """The file, or the data set and split, that was read."""
    split: str | None
    sha256: str | None
    """Of the file; None for a stream."""
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
    n_readout_deleted: int = 0
    """Examples whose readout token is itself audited: leave-one-out deletes it, it cannot be
    masked away."""

    @property
    def n_read(self) -> int:
        """All examples, those that failed included."""
        return self.n_examples + self.n_failed


class Settings(Value):
    """Everything that changes a number."""

    fields: dict[str, str]
    """What the data's fields are called, by what they are."""
    label_map: dict[str, str]
    """New names of the data's labels."""
    quoting: Literal["auto", "none", "csv"] = "auto"
    """Whether cells of a table were taken for quoted."""
    checks: tuple[str, ...]
    measures: tuple[str, ...]
    epsilon: float
    permutations: int
    method: str
    iterations: int
    restarts: int
    layer: int
    """Index of the audited attention into the model's layers."""
    head: int | None
    """None: all heads, averaged."""
    rows: str
    """`readout` or `all`."""
    unit: str
    """`token` or `word`."""
    max_length: int | None
    """Tokens of a text beyond which it is truncated; None: never."""
    revision: str | None
    trust_remote_code: bool
    adapter: str | None
    seed: int
    batch_size: str
    threads: int
    device: str


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
    record: dict[str, Any]


class RecordsFile(Value):
    """Where the records of all examples are."""

    path: str
    """Relative to the report."""
    sha256: str
    sites: "RecordsFile | None" = None
    """The second table, one line an example and site, where several were asked for."""


class Run(Value):
    """When and how long: the one part that differs between identical audits."""

    started: str
    seconds: float
    seconds_by_stage: dict[str, float]


class Report(Value):
    """An audit of one model on one split."""

    model_config = ConfigDict(json_schema_extra=publish_hash)

    schema_version: Literal[2] = SCHEMA_VERSION
    tool: Tool
    model: ModelDescription
    data: DataDescription
    settings: Settings
    self_checks: tuple[SelfCheck, ...]
    performance: Performance | None
    """None where the data has no labels."""
    n_units: Distribution
    checks: Summaries
    sites: tuple[SiteSummary, ...] = ()
    """Every layer and head that was asked for beside the audited site; empty unless several."""
    degenerate: tuple[Degenerate, ...]
    telling_examples: tuple[TellingExample, ...]
    sampled_examples: tuple[dict[str, Any], ...] = ()
    """Records drawn at random, of at most 500 units each; few enough to look through."""
    records: RecordsFile | None
    run: Run | None

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

        Args:
            path: A JSON file written by an audit.

        Raises:
            ReportError: Missing, cut short, no JSON, of another schema version, malformed, or
                edited since it was written.
        """
        content, sha256 = read_stored(path, SCHEMA_VERSION)
        try:
            report = Report.model_validate(content)
            for record in report.shown_records:
                Shown.model_validate(record)
        except ValidationError as error:
            raise malformed(path, error) from None
        for problem in contradictions(report):
            raise ReportError(path, problem, hint=MAKE_AGAIN)
        require_unedited(path, content, sha256)
        return report
