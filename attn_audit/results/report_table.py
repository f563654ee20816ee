"""Many reports beside each other: models, and of each the seeds that it was trained with."""

from attn_audit.statistics.summary import Value


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


class ReportTable(Value):
    """Reports, sorted by data and model."""

    columns: dict[str, str]
    """What is tabled, defined."""
    models: tuple[TabledModel, ...]
    missing: tuple[str, ...]
    """Why some cells are empty, in sentences."""
    only: tuple[str, ...] = ()
    """The tables that were chosen, by name; empty: all are shown."""
