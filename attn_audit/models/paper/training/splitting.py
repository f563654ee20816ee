"""Examples to train on, and examples for early stopping, held out where the data has none."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from attn_audit.data.example import Example
from attn_audit.data.reading import DataSource, read_examples, resolve
from attn_audit.data.sampling import sample_examples
from attn_audit.errors import ConfigurationError, DataError, SplitNotFoundError
from attn_audit.models.paper.training.task_inference import (
    gold_labels,
    with_settled_labels,
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
        source: The training split.
        dev_split: Another split, which there has to be; None for `dev` where there is one.
        seed: Of what is held out.

    Raises:
        DataError: A split is missing, cannot be read, or is too small to hold some out.
        ConfigurationError: A dev split of a data set that is one file, or the training split again.
    """
    dev = _dev_source(source, dev_split)
    read = list(read_examples(source))
    train = list(with_settled_labels(read, read))
    if dev is not None:
        held_out = with_settled_labels(read_examples(dev), read)
        return Splits(train, list(held_out), is_held_out=False)
    return Splits(*hold_out(train, seed), is_held_out=True)


def _dev_source(source: DataSource, dev_split: str | None) -> DataSource | None:
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

    Args:
        examples: All of them, each with an id of its own.
        seed: Another seed, another tenth.

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
