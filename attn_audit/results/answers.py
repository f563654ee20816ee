"""What other commands than `audit` and `gate` find: plain validated data."""

from typing import Any

from attn_audit.results.model_description import Leverage, ModelDescription
from attn_audit.results.verdict import MayShow
from attn_audit.settings import AuditedTexts
from attn_audit.statistics.summary import Distribution, Value


class StageForecast(Value):
    """One part of an audit."""

    name: str
    """`start-up`, `leverage by layer`, `reading attention`, a check's id, or `summing up`."""
    passes: int | None
    """Outputs that are computed, most of them from the attention on; None where there are none."""
    seconds: float
    peak_bytes: int | None
    """Of the device's memory, model included; None where it could not be measured."""


class Forecast(Value):
    """All parts of an audit, and what the forecast rests on."""

    model: str
    data: str
    device: str
    n_examples: int
    n_tokens: int
    """Of all examples together; where not all were encoded, as their sample lets expect."""
    longest: int
    """Tokens of the longest example of those that were encoded."""
    batch_examples: int
    batch_tokens: int
    """The largest batch."""
    stages: tuple[StageForecast, ...]
    seconds: float
    n_timed: int
    """Examples that were tried."""
    seconds_of_trial: float


class Inspection(ModelDescription):
    """What is known of a model, and which of its attention can do something on some texts."""

    leverage: Leverage | None = None
    """None where no data was named, or the model has one layer."""


class ModelOutput(Value):
    """What the model says under some attention, or of some part of the text."""

    prediction: str | tuple[str, ...]
    probabilities: tuple[float, ...]
    """One for each label, in the model's order; of two labels both. Of a vocabulary those of the
    likeliest tokens."""
    likeliest: tuple[str, ...] | None = None
    """Their names; None where it is labels that are asked for."""
    distance: float
    """How far the output is from the model's own, 0 to 1."""


class Explanation(Value):
    """One text: its attention, what it is compared with, and what the model says under each."""

    model: ModelDescription
    text: str
    """Empty where no texts are told, as the second one."""
    text_pair: str | None
    audited: AuditedTexts = "first"
    """Of a pair."""
    layer: int
    head: int | None
    """None: all heads, averaged."""
    rows: str
    unit: str
    explain_label: str | None = None
    """The label that gradient and margins are of; None: what is predicted."""
    show_instead: str | None = None
    """The measure that a report shows instead of attention, and that stands first here."""
    instead: str = ""
    """What the report says of that; empty where none was given."""
    seed: int
    epsilon: float
    """Largest output distance of the adversary."""
    permutations: int
    """That shuffled attention is the median of."""
    record: dict[str, Any]
    """As an audit's records have it."""
    own: ModelOutput
    adversarial: ModelOutput | None
    """None where attention cannot be moved, or has too many rows for a record to keep."""
    uniform: ModelOutput | None
    """The same weight on every unit; None where attention cannot be moved."""
    left_out: int
    """The unit whose leaving out moves the output most."""
    without: ModelOutput
    """Of the text without it."""


class Failure(Value):
    """One value that does not hold."""

    example: str | None
    """Its id; None for a number of the report itself."""
    what: str
    """Which value: a record's field, a number's path in the report."""
    stored: str
    """What the report or its records say."""
    found: str
    """What was found now."""


class Claim(Value):
    """Values of one kind, checked again."""

    subject: str
    """What they belong to: `witnesses`, `records`, `sample`, `sites`, `layers` or `summary`."""
    name: str
    n: int
    """Values that were compared."""
    n_failed: int
    largest: float | None
    """The largest deviation; None where values are equal or not, or none was compared."""
    tolerance: float | None
    """The largest deviation that counts as rounding; None where values must be equal."""
    reason: str
    """Why that much."""
    failures: tuple[Failure, ...]
    """The first of those that do not hold, at most 10."""

    @property
    def holds(self) -> bool:
        """Whether every value does."""
        return self.n_failed == 0


class Verification(Value):
    """A report checked again, with its records, against its model and data."""

    report: str
    model: str
    data: str
    n_examples: int
    n_witnesses: int
    """Adversarial witnesses that were replayed."""
    n_not_kept: int
    """Examples whose witness has too many rows to be kept, and so could not be replayed."""
    n_sampled: int
    """Examples of which every number was computed again."""
    seed: int
    """Of that sample."""
    notes: tuple[str, ...]
    """What could not be checked, and in which batches the sample was computed, in sentences."""
    claims: tuple[Claim, ...]
    holds: bool
    """Whether everything that was checked does."""
    seconds: float


class TriedCase(Value):
    """A model whose truth is known, and what the packaged rules answer of it."""

    name: str
    truth: str
    right: tuple[MayShow, ...]
    """Answers that are."""
    must_name: tuple[str, ...]
    """Words that the answer has to name."""
    scales: tuple[float, ...]
    """Of the logits."""
    found: tuple[MayShow, ...]
    """The answer at each."""
    sentence: str
    """Of the first."""
    is_right: bool
    """Whether the answer is, at every scale."""


class SelfTest(Value):
    """All of them."""

    rules: str
    """Version of the packaged rules and the first digits of their hash."""
    cases: tuple[TriedCase, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether every answer is right."""
        return all(case.is_right for case in self.cases)


class Plausible(Value):
    """Agreement with what people marked, over the texts in which they marked something."""

    auprc: Distribution
    """Average precision."""
    token_f1: Distribution
    """Of as many words as are marked, those with the largest scores."""
    iou: Distribution
    gap: Distribution | None
    """Average precision less that of random orders, text by text; None of these themselves."""


class ShownField(Value):
    """One field of scores."""

    field: str
    n: int
    """Texts that it ranks the words of."""
    n_absent: int
    """Texts that came without it."""
    n_constant: int
    """Texts of which all words have the same score, so that nothing is ranked."""
    plausible: Plausible | None
    """None where people marked nothing in any text that it ranks."""


class ShownPair(Value):
    """Two fields, over the texts of which both rank the words."""

    first: str
    second: str
    tau: Distribution
    """Kendall's tau-b between them: 1 the same order, 0 unrelated, -1 reversed."""
    same_top: Distribution
    """Of the words that have the largest score of either, the part that has it of both."""


class ShownScores(Value):
    """Fields of scores, without any model: no word of whether a model uses what they show."""

    data: str
    sha256: str | None
    """Of the data; None in memory and for standard input."""
    n_texts: int
    n_single: int
    """Of them, those of one word, in which there is nothing to rank."""
    n_marked: int
    """Texts of several words in which people marked some."""
    left_out: tuple[str, ...]
    """Rows that could not be read, kind by kind."""
    seed: int
    """Of the intervals' resamples."""
    fields: tuple[ShownField, ...]
    by_chance: Plausible | None
    """What is to be expected of random orders; None where people marked nothing."""
    pairs: tuple[ShownPair, ...]


class Numbers(Value):
    """What one report holds of the numbers that are tabled."""

    predicted: str | None
    """The class whose examples these are of; None: of all."""
    n_tau: int | None
    """Those that have a tau; None where none was asked for."""
    values: dict[str, float]
    """By the name that policies have them by; what the report does not hold is not there."""


class TabledReport(Value):
    """One report."""

    report: str
    """As the user wrote it."""
    model_sha256: str | None
    seed: int | None
    """Of the training; None where the model does not tell it."""
    n_examples: int
    numbers: tuple[Numbers, ...]
    """Of all examples first."""


class OverSeeds(Value):
    """A number of several reports of one model."""

    mean: float
    sd: float | None
    """Between the reports, not between examples; None of a single one."""
    n: int
    """Reports that hold it."""


class NumbersOverSeeds(Value):
    """The numbers of a model."""

    predicted: str | None
    """The class whose examples these are of; None: of all."""
    values: dict[str, OverSeeds]


class TabledModel(Value):
    """A model, trained once or with several seeds."""

    name: str
    """Its architecture, and what else tells it from the others of its data."""
    data: str
    is_told: bool
    """Whether the reports say how it was trained: else they are taken for seeds of one model
    because kind, sizes and labels are the same."""
    reports: tuple[TabledReport, ...]
    numbers: tuple[NumbersOverSeeds, ...]
    """Of all examples first."""

    @property
    def has_seeds(self) -> bool:
        """Whether each report is known to be of a training seed of its own."""
        seeds = {report.seed for report in self.reports}
        return None not in seeds and len(seeds) == len(self.reports)


class ReportTable(Value):
    """Reports, sorted by data and model."""

    columns: dict[str, str]
    """What is tabled, defined."""
    models: tuple[TabledModel, ...]
    missing: tuple[str, ...]
    """Why some cells are empty, in sentences."""
    only: tuple[str, ...] = ()
    """The tables that were chosen, by name; empty: all are shown."""
