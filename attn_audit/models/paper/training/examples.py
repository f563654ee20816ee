"""What is learnt: the task that labels pose, and the examples for early stopping."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from attn_audit.data.example import Example, sample_examples
from attn_audit.data.location import resolve
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.errors import ConfigurationError, DataError, RowError, SplitNotFoundError
from attn_audit.models.task import Task, TaskKind, make_task, multi_hot_labels, says_no_label
from attn_audit.quoting import listed, quoted

HINT_KIND = "Leave --task out to have it inferred from the data."


def infer_task(examples: Sequence[Example], kind: TaskKind | None = None) -> Task:
    """The task that training examples with settled labels pose, of a kind that is said or not.

    Multilabel if lists are multi-hot or an example has not exactly one label, else candidates if an
    example restricts its answers, else binary or multiclass by the number of labels. Labels are in
    the order of multi-hot lists, else in order of value if all are numbers, else in alphabetical
    order.

    Raises:
        RowError: An example has no labels, or not the one label that `kind` asks for.
        ConfigurationError: The data is not of that `kind`.
        DataError: There is but one label.
    """
    places = _places(examples)
    gold = {*places, *(label for example in examples for label in gold_labels(example))}
    offered = {label for example in examples for label in example.candidates or ()}
    if kind is None:
        kind = TaskKind.MULTILABEL if places else _kind(examples, gold, offered)
    labels = gold | offered if kind is TaskKind.CANDIDATES else gold
    if len(labels) < 2:
        raise DataError(
            f"all training examples have the same label ({listed(labels)}): nothing to learn",
            hint="A model needs examples of two labels or more.",
        )
    if kind is TaskKind.BINARY and len(labels) != 2:
        problem = f"a binary task has two labels, the data has {len(labels)}"
        raise ConfigurationError(f"{problem}: {listed(in_order(labels))}", hint=HINT_KIND)
    if kind is TaskKind.CANDIDATES and not offered:
        raise ConfigurationError("no training example has candidates", hint=HINT_KIND)
    for example in examples:
        _require_count(example, kind)
    return make_task(kind, places if labels == set(places) else in_order(labels))


def with_settled_labels(
    examples: Iterable[Example], labels_of: Sequence[Example]
) -> Iterator[Example]:
    """Examples whose lists are read as what they are, multi-hot or label numbers.

    Raises:
        RowError: A label is -1, which says that there is none.
        IncompatibleDataError: Multi-hot lists for more or fewer labels.
    """
    n_labels = len(_places(labels_of)) or len({x for e in labels_of for x in e.labels or ()})
    for example in examples:
        if says_no_label(example):
            raise RowError(
                place(example),
                "its label is -1, which says that it has none; training needs all labels",
                hint="If -1 is a class, name it: --label-map -1=NAME,...",
            )
        if example.on is None:
            yield example
        elif multi_hot_labels(example, n_labels) is None:
            yield replace(example, on=None)
        else:
            names = tuple(dict.fromkeys(map(example.labelling.name_of, example.on)))
            yield replace(example, labels=names)


def _places(examples: Iterable[Example]) -> tuple[str, ...]:
    """The labels that multi-hot lists are for, in order; none where there are no such lists."""
    example = next((example for example in examples if example.on is not None), None)
    if example is None or len(example.labelling.places) < 2:
        return ()
    names = map(example.labelling.name_of, range(len(example.labelling.places)))
    return tuple(dict.fromkeys(names))


def gold_labels(example: Example) -> tuple[str, ...]:
    """The labels of an example that must have some.

    Raises:
        RowError: They are not known.
    """
    if example.labels is None:
        raise RowError(
            place(example), "the example has no label", hint="Training needs all labels."
        )
    return example.labels


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels by value if all are numbers, else alphabetically.

    Example:
        >>> in_order(["10", "9"]), in_order(["10", "9", "a"])
        (('9', '10'), ('10', '9', 'a'))
    """
    names = sorted(labels)
    try:
        return tuple(sorted(names, key=float))
    except ValueError:
        return tuple(names)


def takes_pairs(examples: Iterable[Example]) -> bool:
    """Whether the examples are pairs of texts.

    Raises:
        RowError: Some are and some are not.
    """
    first: Example | None = None
    for example in examples:
        first = first or example
        if (example.text_pair is None) != (first.text_pair is None):
            has, had = ("no", "one") if example.text_pair is None else ("a", "none")
            raise RowError(
                place(example), f"the example has {has} second text, {place(first)} has {had}"
            )
    return first is not None and first.text_pair is not None


def require_known_labels(examples: Iterable[Example], task: Task) -> None:
    """Refuse a label or candidate that the training examples do not have.

    Raises:
        RowError: Names it.
    """
    for example in examples:
        _require_count(example, TaskKind(task.name))
        offered = example.candidates or () if task.is_softmax else ()
        unknown = task.unknown_label((*gold_labels(example), *offered))
        if unknown is not None:
            raise RowError(
                place(example),
                f"label {quoted(unknown)} does not occur in the training examples "
                f"({listed(task.labels)})",
            )


def place(example: Example) -> str:
    """Where an example stands, for messages."""
    return example.where or f"example {example.id!r}"


def _kind(examples: Sequence[Example], gold: set[str], offered: set[str]) -> TaskKind:
    if any(len(gold_labels(example)) != 1 for example in examples):
        return TaskKind.MULTILABEL
    if offered:
        return TaskKind.CANDIDATES
    return TaskKind.BINARY if len(gold) == 2 else TaskKind.MULTICLASS


def _require_count(example: Example, kind: TaskKind) -> None:
    labels = gold_labels(example)
    if kind is not TaskKind.MULTILABEL and len(labels) != 1:
        raise RowError(
            place(example),
            f"the example has {len(labels)} labels ({listed(labels)}), a {kind} task needs one",
        )


DEV_SPLIT = "dev"
TENTH = 10


@dataclass(frozen=True, slots=True)
class Splits:
    """What a model is trained on, and what decides when to stop."""

    train: list[Example]
    dev: list[Example]
    is_held_out: bool
    """Whether `dev` was taken from the training examples."""


def read_splits(source: DataSource, dev_split: str | None, seed: int) -> Splits:
    """Read a data set's training and dev examples; where it has no dev split, hold some out.

    Args:
        dev_split: Another split, which there has to be; None for `dev` where there is one.

    Raises:
        DataError: A split is missing, cannot be read, or is too small to hold some out.
        ConfigurationError: A dev split of a data set that is one file, or the training split again.
    """
    dev = dev_source(source, dev_split)
    read = list(read_examples(source))
    train = list(with_settled_labels(read, read))
    if dev is not None:
        held_out = with_settled_labels(read_examples(dev), read)
        return Splits(train, list(held_out), is_held_out=False)
    return Splits(*hold_out(train, seed), is_held_out=True)


def dev_source(source: DataSource, dev_split: str | None) -> DataSource | None:
    """Where the dev examples are; None where they are to be held out of the training examples.

    Args:
        dev_split: Another split than `dev`, which there has to be; None for `dev`.

    Raises:
        DataError: There is no such data or split.
        ConfigurationError: A dev split of a data set that is one file, or the training split again.
    """
    dev = replace(source, split=dev_split or DEV_SPLIT)
    try:
        is_another = resolve(dev) != resolve(source)
        if is_another:
            read_examples(dev)  # a hub tells only now whether it has the split
    except SplitNotFoundError:
        if dev_split is not None:
            raise
        return None
    if not is_another and dev_split is not None:
        raise ConfigurationError(
            f"{source.location}: the dev split {dev_split!r} is the training data itself",
            hint="Leave --dev-split out: a tenth is held out. Or give a folder with both splits.",
        )
    return dev if is_another else None


def hold_out(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Put a random tenth aside, a function of the set of examples and the seed alone.

    An example stays with the others if it is the last there with one of its labels.

    Returns:
        The examples to train on and those held out, both in the data's order.

    Raises:
        RowError: An example has no labels.
        DataError: None can be spared.
    """
    left = Counter(label for example in examples for label in gold_labels(example))
    drawn = sample_examples(examples, max(1, len(examples) // TENTH), seed)
    held: dict[str, Example] = {}
    for example in drawn:
        labels = gold_labels(example)
        if all(left[label] > 1 for label in labels):
            left.subtract(labels)
            held[example.id] = example
    if not held or len(held) == len(examples):
        raise DataError(
            f"{len(examples)} examples are too few to hold some out for early stopping",
            hint="Give a folder with a train and a dev split.",
        )
    return [example for example in examples if example.id not in held], list(held.values())
