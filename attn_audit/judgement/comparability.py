"""What makes two reports incomparable, by name; and the same examples of both, by id."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from attn_audit.errors import ComparisonRefusedError
from attn_audit.findings.example import ID
from attn_audit.findings.metric import ExampleMetric
from attn_audit.numbers import short
from attn_audit.results.report import Report
from attn_audit.results.table import Examples, Values
from attn_audit.settings import SETTINGS, names_where

SUMMARIES_ALONE = "compare the summaries alone with `--allow-different-data`"

_OF_DATA = ("seed", "fields", "label_map", "quoting")
"""Settings that say which examples are audited, and what is read of them."""


def _differing(name: str, base: object, new: object) -> Iterator[str]:
    if base != new:
        before, after = map(_written, (base, new))
        yield f"{name.replace('_', ' ')} (base: {before}; new: {after})"


def _written(value: object) -> str:
    if value is None:
        return "not set"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _setting(name: str, base: Report, new: Report) -> Iterator[str]:
    yield from _differing(name, getattr(base.settings, name), getattr(new.settings, name))


def of_task(base: Report, new: Report) -> Iterator[str]:
    """Kinds of labels: distances of one kind mean something else than those of another."""
    yield from _differing("task", base.model.task, new.model.task)
    yield from _differing("takes pairs", base.model.takes_pairs, new.model.takes_pairs)


def of_definitions(base: Report, new: Report) -> Iterator[str]:
    """What the numbers mean, and how leave-one-out leaves out."""
    yield from _differing("definitions", base.tool.definitions, new.tool.definitions)
    for name, version in base.tool.plugins.items():
        other = new.tool.plugins.get(name, version)
        yield from _differing(f"plugin {name}", short(version), short(other))
    if all(report.has("correlation") for report in (base, new)):
        yield from _differing("removal", _removal(base), _removal(new))


def _removal(report: Report) -> str:
    """The paper's models, of which all is known, leave nothing of a masked unit."""
    return "mask" if report.model.findings is None else report.model.findings.removal


def of_settings(base: Report, new: Report) -> Iterator[str]:
    """Settings that change numbers of checks that both have."""
    both = set(base.settings.checks) & set(new.settings.checks)
    for name in names_where(compared="refused"):
        checks = SETTINGS[name].checks
        if name not in _OF_DATA and (not checks or both & set(checks)):
            yield from _setting(name, base, new)
    yield from _differing("layer", _layer(base), _layer(new))


def _layer(report: Report) -> str:
    """The last is the last, however many there are."""
    index = report.settings.layer
    if index is None:
        return "none"
    return "last" if index == report.model.default_layer else str(index)


def of_data(base: Report, new: Report) -> Iterator[str]:
    """Examples, labels, and what of the data is read as what."""
    yield from _differing("labels", ", ".join(base.model.labels), ", ".join(new.model.labels))
    if base.data.sha256 is not None and new.data.sha256 is not None:
        yield from _differing("data sha256", base.data.sha256[:12], new.data.sha256[:12])
    yield from _differing("examples", base.data.n_examples, new.data.n_examples)
    yield from _differing("limit", base.data.limit, new.data.limit)
    for name in _OF_DATA:
        yield from _setting(name, base, new)


def harmless(base: Report, new: Report) -> Iterator[str]:
    """What may differ between two releases, and is worth a word."""
    yield from _differing("architecture", base.model.architecture, new.model.architecture)
    yield from _differing("dtype", base.model.dtype, new.model.dtype)
    yield from _differing("layers", len(base.model.layers), len(new.model.layers))
    yield from _differing("version", base.tool.version, new.tool.version)
    for name in names_where(compared="noted"):
        yield from _setting(name, base, new)


def require_comparable(base: Report, new: Report, *, allow_different_data: bool) -> None:
    """Refuse two reports whose numbers do not mean the same.

    Raises:
        ComparisonRefusedError: Names everything of the first kind that differs.
    """
    again = "Audit the new model again with the base's settings."
    both = "Audit both models again with this version, and with the same `--removal`."
    same = f"Audit both models on the same data, or {SUMMARIES_ALONE}."
    kinds = (
        ("the reports are of different tasks", of_task, "Compare models of one task."),
        ("the reports' numbers are defined differently", of_definitions, both),
        ("the reports were made with different settings", of_settings, again),
        ("the reports are of different data", of_data, same),
    )
    for why, found, hint in kinds[:-1] if allow_different_data else kinds:
        if differences := "; ".join(found(base, new)):
            raise ComparisonRefusedError(f"{why}: {differences}", hint=hint)


def have_same_numbers(base: Report, new: Report) -> bool:
    """Whether two reports of the same texts hold the same, as a report and itself do.

    One number alone may be the same of different models, as a share of few texts is.
    """
    return base.data.sha256 == new.data.sha256 and base.metrics == new.metrics


MAX_UNITS = 40
"""Units of a text that are quoted."""


@dataclass(frozen=True)
class Pairs:
    """Two reports' records, example beside example, in the order of the base."""

    base: Examples
    new: Examples
    ids: list[str]
    places: Int64[np.ndarray, " example"]
    """Where each example of the base stands in the new records."""

    def values(self, metric: ExampleMetric) -> tuple[Values, Values]:
        """A metric's values in both, example beside example."""
        return metric.of(self.base), metric.of(self.new)[self.places]

    def text(self, index: int) -> str | None:
        """The units of an example; None where the records hold none."""
        units = self.base.units(index)
        if units is None:
            return None
        more = " ..." if len(units) > MAX_UNITS else ""
        return " ".join(units[:MAX_UNITS]) + more


def pair(base: tuple[Path, Examples], new: tuple[Path, Examples]) -> Pairs:
    """Match the examples of two reports by id.

    Raises:
        ComparisonRefusedError: An id stands twice in one of them, or in one of them only.
    """
    base_ids, new_ids = (examples.strings(ID) for _, examples in (base, new))
    for ids, (path, _) in ((base_ids, base), (new_ids, new)):
        require_unique_ids(ids, path)
    alone = set(base_ids) ^ set(new_ids)
    if alone:
        raise ComparisonRefusedError(
            f"the reports are of different data: {len(alone):,} examples stand in one of them only "
            f"(id {min(alone)!r})",
            hint=f"Audit both models on the same data, or {SUMMARIES_ALONE}.",
        )
    place = {name: i for i, name in enumerate(new_ids)}
    places = np.array([place[name] for name in base_ids], dtype=np.int64)
    return Pairs(base[1], new[1], base_ids, places)


def require_unique_ids(ids: list[str], report: Path) -> None:
    """Refuse records in which an example cannot be told from another.

    Raises:
        ComparisonRefusedError: An id stands twice.
    """
    for name, n in Counter(ids).items():
        if n > 1:
            raise ComparisonRefusedError(
                f"the records of {report} hold two examples with the id {name!r}",
                hint=f"Give the examples ids of their own, or {SUMMARIES_ALONE}.",
            )
