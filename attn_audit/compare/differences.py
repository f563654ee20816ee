"""What makes two reports incomparable, by name."""

from collections.abc import Iterator
from dataclasses import dataclass

from attn_audit.results.report import Report

_ALWAYS = ("rows", "unit", "max_length", "head")
_OF_CHECK = {
    "permutation": ("permutations", "epsilon"),
    "adversarial": ("epsilon", "method", "iterations", "restarts"),
}
"""Settings that change the numbers of one check only."""

_LOADING = ("revision", "adapter", "trust_remote_code", "device", "threads", "batch_size")
"""Settings that belong to the model or its machine, and may differ between releases."""


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same in both reports."""

    name: str
    base: object
    new: object

    def __str__(self) -> str:
        return f"{self.name} ({self.base} and {self.new})"


def _differing(name: str, base: object, new: object) -> Iterator[Difference]:
    if base != new:
        yield Difference(name, base, new)


def of_task(base: Report, new: Report) -> Iterator[Difference]:
    """Kinds of labels: distances of one kind mean something else than those of another.

    Args:
        base: One report.
        new: The other.
    """
    yield from _differing("task", base.model.task, new.model.task)
    yield from _differing("takes pairs", base.model.takes_pairs, new.model.takes_pairs)


def of_definitions(base: Report, new: Report) -> Iterator[Difference]:
    """What the numbers mean, and how leave-one-out leaves out.

    Args:
        base: One report.
        new: The other.
    """
    yield from _differing("definitions", base.tool.definitions, new.tool.definitions)
    if all(report.checks.correlation is not None for report in (base, new)):
        yield from _differing("removal", _removal(base), _removal(new))


def _removal(report: Report) -> str:
    """The paper's models, of which all is known, leave nothing of a masked unit."""
    return "mask" if report.model.findings is None else report.model.findings.removal


def of_settings(base: Report, new: Report) -> Iterator[Difference]:
    """Settings that change numbers of checks that both have.

    Args:
        base: One report.
        new: The other.
    """
    both = set(base.settings.checks) & set(new.settings.checks)
    of_checks = (name for check, names in _OF_CHECK.items() if check in both for name in names)
    for name in dict.fromkeys((*_ALWAYS, *of_checks)):
        yield from _differing(name, getattr(base.settings, name), getattr(new.settings, name))
    yield from _differing("layer", _layer(base), _layer(new))


def _layer(report: Report) -> str:
    """The last is the last, however many there are."""
    index = report.settings.layer
    return "last" if index == report.model.default_layer else str(index)


def of_data(base: Report, new: Report) -> Iterator[Difference]:
    """Examples, labels, and what of the data is read as what.

    Args:
        base: One report.
        new: The other.
    """
    yield from _differing("labels", ", ".join(base.model.labels), ", ".join(new.model.labels))
    if base.data.sha256 is not None and new.data.sha256 is not None:
        yield from _differing("data sha256", base.data.sha256[:12], new.data.sha256[:12])
    for name in ("n_examples", "limit"):
        yield from _differing(name, getattr(base.data, name), getattr(new.data, name))
    for name in ("seed", "fields", "label_map", "quoting"):
        yield from _differing(name, getattr(base.settings, name), getattr(new.settings, name))


def harmless(base: Report, new: Report) -> Iterator[Difference]:
    """What may differ between two releases, and is worth a word.

    Args:
        base: One report.
        new: The other.
    """
    yield from _differing("architecture", base.model.architecture, new.model.architecture)
    yield from _differing("dtype", base.model.dtype, new.model.dtype)
    yield from _differing("layers", len(base.model.layers), len(new.model.layers))
    yield from _differing("version", base.tool.version, new.tool.version)
    for name in ("checks", "measures"):
        sides = (", ".join(getattr(report.settings, name)) for report in (base, new))
        yield from _differing(name, next(sides), next(sides))
    for name in _LOADING:
        yield from _differing(name, getattr(base.settings, name), getattr(new.settings, name))
