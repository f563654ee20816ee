"""Whether an example fits a model's task; shared by every kind of model."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from attn_audit.data.example import Example
from attn_audit.data.quoting import listed
from attn_audit.errors import IncompatibleDataError
from attn_audit.models.task import Task, TaskKind

_INDEX = re.compile(r"(?:LABEL_)?([0-9]{1,6})", re.IGNORECASE)


def place(example: Example) -> str:
    """Where an example stands, for messages: file and line, and its id."""
    name = f"example {example.id!r}"
    return f"{example.where} ({name})" if example.where else name


def match_labels(task: Task, examples: Sequence[Example]) -> list[Example]:
    """The examples with their labels and candidates in the model's own names.

    A name stands for the label that is spelled so; else for the one that is spelled so in other
    case, where there is one such; else, if it is a number or `LABEL_` and a number, for the label
    of that index. Candidates mean something to a softmax only and stay as they are elsewhere.

    Args:
        task: The model's.
        examples: Labelled or not; messages list the labels of them all.

    Raises:
        IncompatibleDataError: An unknown label or candidate, or not exactly one label where the
            model gives one.
    """
    return [_matched(task, example, examples) for example in examples]


def allowed_labels(task: Task, example: Example) -> tuple[bool, ...] | None:
    """For each label whether the example's candidates allow it; None where all are.

    Args:
        task: The model's; candidates mean something to a softmax only.
        example: With or without candidates, from `match_labels`.
    """
    if example.candidates is None or not task.is_softmax:
        return None
    return tuple(label in example.candidates for label in task.labels)


def _matched(task: Task, example: Example, examples: Sequence[Example]) -> Example:
    labels, candidates = example.labels, example.candidates
    if labels is not None:
        seen = (label for each in examples for label in each.labels or ())
        labels = _names(task, example, "label", labels, seen)
        if task.kind is not TaskKind.MULTILABEL and len(labels) != 1:
            raise IncompatibleDataError(
                place(example), f"{len(labels)} labels, and the model gives exactly one"
            )
    if candidates is not None and task.is_softmax:
        seen = (label for each in examples for label in each.candidates or ())
        candidates = _names(task, example, "candidate", candidates, seen)
    if (labels, candidates) == (example.labels, example.candidates):
        return example
    return replace(example, labels=labels, candidates=candidates)


def _names(
    task: Task, example: Example, what: str, given: Sequence[str], seen: Iterable[str]
) -> tuple[str, ...]:
    names = {text: _own_name(task, text) for text in given}
    unknown = next((text for text, name in names.items() if name is None), None)
    if unknown is not None:
        raise IncompatibleDataError(
            place(example),
            f"the model has no label {unknown!r}, which is this example's {what} "
            f"(the data's {what}s: {listed(sorted(set(seen)))}; "
            f"the model's labels: {listed(task.labels)})",
            hint="Rename the data's labels with --label-map DATA=MODEL,...",
        )
    return tuple(dict.fromkeys(name for name in names.values() if name is not None))


@lru_cache(maxsize=4096)
def _own_name(task: Task, text: str) -> str | None:
    """What the model calls the label that a data set calls `text`; None if it has none such."""
    if text in task.labels:
        return text
    same = [label for label in task.labels if label.casefold() == text.casefold()]
    if len(same) == 1:
        return same[0]
    match = _INDEX.fullmatch(text)
    if match is None or int(match[1]) >= len(task.labels) or not _is_numbered_by_index(task):
        return None
    return task.labels[int(match[1])]


@lru_cache(maxsize=16)
def _is_numbered_by_index(task: Task) -> bool:
    """False where names hold other numbers: of `1 star`, `2 stars`, ... "1" is not the second."""
    return all(
        int(number) == index
        for index, label in enumerate(task.labels)
        for number in re.findall(r"[0-9]{1,9}", label)
    )
