"""Whether an example fits a model's task; shared by every kind of model."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from attn_audit.data.example import Example
from attn_audit.data.labels import NO_LABEL
from attn_audit.errors import Fault, IncompatibleDataError
from attn_audit.models.task import Task
from attn_audit.quoting import listed

_IS = re.compile(r"^(?:[Ii][Ss][\s_-]+|is(?=[A-Z]))")
_TRUTH = (("True", "False"), ("true", "false"), ("TRUE", "FALSE"))
_INDEX = re.compile(r"(?:LABEL_)?([0-9]{1,6})", re.IGNORECASE)


def place(example: Example) -> str:
    """Where an example stands, for messages: file and line, and its id."""
    name = f"example {example.id!r}"
    return f"{example.where} ({name})" if example.where else name


def match_labels(task: Task, examples: Sequence[Example]) -> list[Example]:
    """The examples with their labels and candidates in the model's own names.

    A name stands for the label that is spelled so; else for the one that is spelled so in other
    case, where there is one such; else, if it is a number or `LABEL_` and a number, for the label
    of that index. The name of a class stands for the label of its number only where the model's
    labels have no names (`LABEL_0`, `LABEL_1`) and are as many. -1 in a data set is no label,
    unless the model has one of that name. Candidates mean something to a softmax only and stay as
    they are elsewhere.

    Raises:
        IncompatibleDataError: An unknown label or candidate, not exactly one label where the model
            gives one, or labels that stand where they are not read.
    """
    matched = []
    for example in examples:
        labels, candidates = _labels(task, example), example.candidates
        if candidates is not None and task.is_softmax:
            candidates = _names(task, example, "candidate", candidates)
        is_as_it_was = (labels, candidates) == (example.labels, example.candidates)
        matched.append(
            example if is_as_it_was else replace(example, labels=labels, candidates=candidates)
        )
    return matched


def allowed_labels(task: Task, example: Example) -> tuple[bool, ...] | None:
    """For each label whether a softmax may give it to an example of `match_labels`; None: all."""
    if example.candidates is None or not task.is_softmax:
        return None
    return tuple(label in example.candidates for label in task.labels)


def _labels(task: Task, example: Example) -> tuple[str, ...] | None:
    if example.labels is None:
        _require_no_label_columns(task, example)
        return None
    if says_no_label(example) and _own_name(task, NO_LABEL) is None:
        _require_no_scale(task, example)
        return None
    labels = multi_hot_labels(example, len(task.labels))
    if labels is None:
        labels = _names(task, example, "label", example.labels)
    else:
        labels = tuple(
            dict.fromkeys(
                task.labels[index] if name is None else _names(task, example, "label", (name,))[0]
                for index, name in zip(example.on or (), labels, strict=True)
            )
        )
    if not task.is_multilabel and len(labels) != 1:
        raise IncompatibleDataError(
            place(example),
            f"{len(labels)} labels, and the model gives exactly one",
            fault=Fault.WRONG_LABEL,
        )
    return labels


def says_no_label(example: Example) -> bool:
    """Whether the label is -1 in a data set, which is how data sets say that there is none."""
    return example.labels == (NO_LABEL,) and example.labelling.signs is not None


def multi_hot_labels(example: Example, n_labels: int) -> tuple[str | None, ...] | None:
    """What the data calls the labels that are on, None for one that it gives no name.

    Returns:
        None where the labels are no multi-hot list.

    Raises:
        IncompatibleDataError: They can be nothing else, and are a list for more or fewer labels.
    """
    places = example.labelling.places
    if example.on is None or len(places) != n_labels:
        if example.on is not None and example.labelling.is_multi_hot:
            raise IncompatibleDataError(
                place(example),
                f"its labels are a list of {len(places)} zeros and ones, one for each label, and "
                f"there are {n_labels} labels",
                hint="Give each list an item for every label in order, or the names of labels.",
                fault=Fault.WRONG_LABEL,
            )
        return None
    return tuple(places[index] for index in example.on)


def _require_no_label_columns(task: Task, example: Example) -> None:
    """Refuse labels in fields of their own, which would silently not be there."""
    columns, flags = example.labelling.columns, example.labelling.flags
    found, why = _called_as_labels(task, columns), "called as labels of the model are"
    if not found and len(flags) > 1:
        found, why = flags, "that hold nothing but 0 and 1, or true and false"
    if found:
        raise IncompatibleDataError(
            place(example),
            f"the data has no field of labels, but fields {why}: {listed(found)}",
            hint="Put the labels of a text into one field and name it with --label-field, or a "
            "list of them with --labels-field. If the data has no labels, leave these fields out.",
            fault=Fault.WRONG_LABEL,
        )


@lru_cache(maxsize=16)
def _called_as_labels(task: Task, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Fields that have the name of a label, however it is written, or `is_` and the name."""
    names = {_squeezed(label) for label in task.labels} - {""}
    return tuple(
        column for column in columns if {_squeezed(column), _squeezed(_IS.sub("", column))} & names
    )


def _squeezed(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold())


def _require_no_scale(task: Task, example: Example) -> None:
    """Refuse to take -1 for no label where it may be the name of a class as well."""
    signs = example.labelling.signs or ()
    are_all_labels = "0" in signs and len(task.labels) == 2  # 0 and 1; none is left for -1
    if signs and not are_all_labels:
        raise IncompatibleDataError(
            place(example),
            f"its label is -1, which says that there is none; but the data's labels are "
            f"{listed(sorted(signs, key=int))}, which may be a scale",
            hint="If -1 is a class, name it: --label-map -1=NAME,... If not, leave the label out.",
            fault=Fault.WRONG_LABEL,
        )


def _names(task: Task, example: Example, what: str, given: Sequence[str]) -> tuple[str, ...]:
    classes = example.labelling.classes
    names = {text: _own_name(task, text, classes) for text in given}
    unknown = next((text for text, name in names.items() if name is None), None)
    if unknown is not None:
        truth = next((pair for pair in _TRUTH if unknown in pair), None)
        renaming = "DATA=MODEL,..." if truth is None else f"{truth[0]}=...,{truth[1]}=..."
        raise IncompatibleDataError(
            place(example),
            f"the model has no label {unknown!r}, which is this example's {what} "
            f"(the model's labels: {listed(task.labels)})",
            hint=f"Rename the data's labels with --label-map {renaming}",
            fault=Fault.UNKNOWN_LABEL if what == "label" else Fault.WRONG_CANDIDATES,
            label=unknown if what == "label" else None,
        )
    return tuple(dict.fromkeys(name for name in names.values() if name is not None))


@lru_cache(maxsize=4096)
def _own_name(task: Task, text: str, classes: tuple[str, ...] = ()) -> str | None:
    """What the model calls the label that a data set calls `text`; None if it has none such."""
    if text in task.labels:
        return text
    same = [label for label in task.labels if label.strip().casefold() == text.casefold()]
    if len(same) == 1:
        return same[0]
    index = _index_of(text) if text not in classes else _index_of_class(task, text, classes)
    if index is None or index >= len(task.labels) or not _is_numbered_by_index(task):
        return None
    return task.labels[index]


def _index_of(text: str) -> int | None:
    match = _INDEX.fullmatch(text)
    return None if match is None else int(match[1])


def _index_of_class(task: Task, text: str, classes: tuple[str, ...]) -> int | None:
    """The number of a class, where the data or the model has nothing but numbers for names."""
    model_has_none = _are_numbers(task.labels) and len(task.labels) == len(classes)
    is_partly_the_models = any(name in task.labels for name in classes)
    if _are_numbers(classes) or (model_has_none and not is_partly_the_models):
        return classes.index(text)
    return None


def _are_numbers(names: Sequence[str]) -> bool:
    return all(_index_of(name) == index for index, name in enumerate(names))


@lru_cache(maxsize=16)
def _is_numbered_by_index(task: Task) -> bool:
    """False where names hold other numbers: of `1 star`, `2 stars`, ... "1" is not the second."""
    return all(
        int(number) == index
        for index, label in enumerate(task.labels)
        for number in re.findall(r"[0-9]{1,9}", label)
    )
