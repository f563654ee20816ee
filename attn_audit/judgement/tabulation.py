"""Many reports as one table: which are seeds of one model, and their means and deviations."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean, stdev

from attn_audit.errors import ConfigurationError, ReportError, ReportsError, nearest
from attn_audit.findings.paper import NAMES, TAUS, Column, columns
from attn_audit.numbers import counted, number, short
from attn_audit.quoting import listed
from attn_audit.results.answers import (
    Numbers,
    NumbersOverSeeds,
    OverSeeds,
    ReportTable,
    TabledModel,
    TabledReport,
)
from attn_audit.results.report import Report
from attn_audit.settings import names_where

SEED = "seed"

NO_SETTING = (
    SEED, "n_train", "n_dev", "n_pretrained", "epochs_run", "best_epoch", "dev_score", "device",
    "threads", "attn_audit_version", "torch_version", "python_version",
)  # fmt: skip
"""Of what a checkpoint tells of its training: what may differ between seeds of one model."""

Identity = Mapping[str, object]
"""What is the same of all reports of one model, by name."""


def tabulate(
    paths: Sequence[Path],
    only: Collection[str] = (),
    held: Mapping[Path, Report] | None = None,
) -> ReportTable:
    """Read reports and put them beside each other.

    Two are of seeds of one model where everything that their provenance tells of model, training,
    data and settings is the same but the training's seed and the weights.

    Args:
        only: Names of tables; empty: all of them.
        held: Reports that need not be read, by what is in the place of their path.

    Raises:
        ConfigurationError: There is no table of that name, or nothing to stand in it.
        ReportsError: Names every file that cannot be read, or that says what another one says.
    """
    for name in only:
        if name not in NAMES:
            raise ConfigurationError(f"--only {name}: no such table", hint=nearest(name, NAMES))
    table = table_of(_loaded(paths, held or {}), only)
    has_classes = any(len(model.numbers) > 1 for model in table.models)
    if only and not (table.columns and (has_classes or "classes" not in only)):
        raise ConfigurationError(
            f"--only {listed(only)}: the reports hold nothing that would stand there",
            hint="Leave it out: the other tables say why.",
        )
    return table


def _loaded(paths: Sequence[Path], held: Mapping[Path, Report]) -> dict[Path, Report]:
    found: dict[Path, Report] = {}
    problems: list[str] = []
    for path in dict.fromkeys(paths):
        try:
            found[path] = held[path] if path in held else Report.load(path)
        except ReportError as error:
            problems.append(error.message)
    problems += _doubled(paths, found)
    if problems:
        raise ReportsError(
            f"{len(problems)} of {counted(len(paths), 'report')} cannot be tabled",
            problems,
            hint="Name each .json report once, as `attn-audit audit` wrote it.",
        )
    return found


def _doubled(paths: Sequence[Path], found: Mapping[Path, Report]) -> Iterator[str]:
    """Files that would count twice as a seed."""
    files: dict[Path, Path] = {}
    audits: dict[object, Path] = {}
    for path in paths:
        if path not in found:
            continue
        if (same := files.get(path.resolve())) is not None:
            yield f"{path}: " + ("named twice" if same == path else f"the same file as {same}")
            continue
        files[path.resolve()] = path
        report = found[path]
        audit = report.model.digest or report.to_json(), _key(report)
        if (same := audits.setdefault(audit, path)) is not path:
            yield f"{path}: an audit of the same weights on the same data as {same}"


def table_of(reports: Mapping[Path, Report], only: Collection[str] = ()) -> ReportTable:
    """Reports beside each other, those of one data set and model together."""
    groups: dict[object, list[tuple[Path, Report]]] = defaultdict(list)
    for path, report in reports.items():
        groups[_key(report)].append((path, report))
    by_data: dict[str, list[list[tuple[Path, Report]]]] = defaultdict(list)
    for group in groups.values():
        by_data[_data(group[0][1])].append(group)
    models = [
        _model(name, data, group)
        for data, of_data in by_data.items()
        for name, group in zip(_names(of_data), of_data, strict=True)
    ]
    held = {name for m in models for r in m.reports for n in r.numbers for name in n.values}
    shown = {c.name: c.statistic.definition for c in columns(only) if c.name in held}
    missing = tuple(_missing(reports, [c for c in columns() if c.name in shown]))
    return ReportTable(columns=shown, models=tuple(models), missing=missing, only=tuple(only))


def identity(report: Report) -> Identity:
    """What reports of seeds of one model have in common, by name."""
    model, data = report.model, report.data
    told = {name: value for name, value in model.training.items() if name not in NO_SETTING}
    sizes = {"parameters": model.n_parameters, **model.details}
    known = {**sizes, **told} if model.format == "adapter" else told or sizes
    compared = (*names_where(compared="refused"), "checks", "measures")
    settings = {name: getattr(report.settings, name) for name in compared if name != SEED}
    return {
        "architecture": model.architecture, "format": model.format, "task": model.task,
        "labels": model.labels, **known, "dtype": model.dtype,
        "data": data.sha256 or _known_of_data(report), "limit": data.limit, **settings,
        "layer": report.settings.layer, "head": report.settings.head,
        "definitions": report.tool.definitions,
    }  # fmt: skip


def _key(report: Report) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in identity(report).items())


def _data(report: Report) -> str:
    """What the examples are called: a split's file alone says little without its folder."""
    folder, name = Path(report.data.source).name, report.data.name
    return name if name.startswith(folder) else f"{folder}/{name}"


def _known_of_data(report: Report) -> str:
    """What tells data apart that have no file."""
    n_units = number(report.n_units.mean or 0.0)
    n_examples = counted(report.data.n_examples, "example")
    return f"{_data(report)} ({n_examples}, {n_units} units on average)"


def _names(groups: Sequence[Sequence[tuple[Path, Report]]]) -> Iterator[str]:
    """What each is called among those of its data: the kind, and what else differs."""
    identities = [identity(group[0][1]) for group in groups]
    for (_, report), own in zip((group[0] for group in groups), identities, strict=True):
        others = [
            i for i in identities if i is not own and i["architecture"] == own["architecture"]
        ]
        differing = [
            f"{name.replace('_', ' ')} {_written(own[name])}" if name in own else f"no {name}"
            for name in dict.fromkeys(chain(own, *others))
            if any(other.get(name) != own.get(name) for other in others)
        ]
        yield ", ".join((_kind(report), *differing))


def _kind(report: Report) -> str:
    """The architecture, shorter where all of it is known."""
    said = report.model.architecture
    return said.removesuffix(", single texts").replace(" encoder", "").removesuffix(" attention")


def _written(value: object) -> str:
    if value is None:
        return "not set"
    return listed(map(str, value)) if isinstance(value, tuple) else short(str(value))


def _model(name: str, data: str, group: Sequence[tuple[Path, Report]]) -> TabledModel:
    reports = sorted((_tabled(*each) for each in group), key=lambda r: (r.seed or 0, r.report))
    classes = dict.fromkeys(n.predicted for report in reports for n in report.numbers)
    return TabledModel(
        name=name,
        data=data,
        is_told=bool(group[0][1].model.training),
        reports=tuple(reports),
        numbers=tuple(_over_seeds(predicted, reports) for predicted in classes),
    )


def _tabled(path: Path, report: Report) -> TabledReport:
    seed = report.model.training.get(SEED)
    return TabledReport(
        report=str(path),
        model_sha256=report.model.digest,
        seed=seed if isinstance(seed, int) else None,
        n_examples=report.data.n_examples,
        numbers=tuple(_numbers(report)),
    )


def _numbers(report: Report) -> Iterator[Numbers]:
    """Of all examples, and of each class that is predicted."""
    tau = next((tau for metric in TAUS if (tau := report.get(metric)) is not None), None)
    yield Numbers(predicted=None, n_tau=tau and tau.n, values=_values(report, None))
    for group in () if tau is None else tau.by_prediction:
        values = _values(report, group.name)
        yield Numbers(predicted=group.name, n_tau=group.distribution.n, values=values)


def _values(report: Report, predicted: str | None) -> dict[str, float]:
    found = {column.name: column.of(report, predicted) for column in columns()}
    return {name: value for name, value in found.items() if value is not None}


def _over_seeds(predicted: str | None, reports: Sequence[TabledReport]) -> NumbersOverSeeds:
    held = [n.values for report in reports for n in report.numbers if n.predicted == predicted]
    values = {}
    for column in columns():
        found = [each[column.name] for each in held if column.name in each]
        if found:
            spread = stdev(found) if len(found) > 1 else None
            values[column.name] = OverSeeds(mean=fmean(found), sd=spread, n=len(found))
    return NumbersOverSeeds(predicted=predicted, values=values)


def _missing(reports: Mapping[Path, Report], shown: Sequence[Column]) -> Iterator[str]:
    """Why reports do not hold what others hold: one sentence for each reason."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for path, report in reports.items():
        for reason in dict.fromkeys(_why(report, c) for c in shown if c.of(report) is None):
            reasons[reason].append(str(path))
    for reason, files in reasons.items():
        yield f"{reason} in {listed(files)}."


def _why(report: Report, column: Column) -> str:
    metric = column.statistic.metric
    if metric.check == "performance":
        no_labels = "There are no labels, and no performance,"
        return f"{column.heading} is not defined" if report.data.n_labelled else no_labels
    if metric.check not in report.settings.checks:
        return f"The {metric.check} check was not run"
    lacking = [name for name in metric.measures if name not in report.settings.correlated]
    if lacking:
        return f"The measure {listed(lacking)} was not asked for"
    if metric.name not in report.metrics:
        return f"{metric.name} was not known yet to the attn-audit that made the report"
    return f"No example has {column.name}"
