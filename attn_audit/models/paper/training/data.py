"""What is learnt from: examples and the task that they pose, their words and vectors, tensors.

Pretrained vectors are read as GloVe and word2vec write them: on each line a word and its numbers.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor, nn

from attn_audit.data.example import Example, sample_examples
from attn_audit.data.formats.lines import decoded_lines
from attn_audit.data.location import resolve
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource, line_of
from attn_audit.distances import Logits
from attn_audit.errors import (
    ConfigurationError,
    DataError,
    RowError,
    SplitNotFoundError,
    UnreadableDataError,
)
from attn_audit.models.paper.checkpoint import MARKERS, Tokenizer, Vocabulary
from attn_audit.models.paper.network import AttentionPoolingNetwork, pad
from attn_audit.models.task import (
    TASKS,
    Task,
    TaskKind,
    mask_candidates,
    multi_hot_labels,
    says_no_label,
)
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
    return TASKS[kind](places if labels == set(places) else in_order(labels))


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
    """Where an example stands: what is trained on is a file's, and ids say no more."""
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


HINT = "Each line is a word and its numbers, separated by single spaces, all of one width."

SPREAD = 0.3
"""Standard deviation of embeddings without pretrained vectors, near that of GloVe's. On SST
PyTorch's 1.0 costs 0.01 to 0.06 of ROC AUC, and takes the taus away from the published ones."""

LARGEST = float(np.finfo(np.float32).max)
LINE_END = " \r\n"


@dataclass(frozen=True, slots=True)
class PretrainedVectors:
    """The vectors of those words of a vocabulary that a file has."""

    ids: Int[Tensor, " word"]
    vectors: Float[Tensor, "word embedding"]


@torch.no_grad()
def initialise(embedding: nn.Embedding, pretrained: PretrainedVectors | None) -> None:
    """Give a fresh embedding table the vectors there are; other words take on their spread."""
    if pretrained is None or len(pretrained.ids) < 2:
        embedding.weight *= SPREAD
    else:
        embedding.weight *= pretrained.vectors.std()
    if pretrained is not None:
        embedding.weight[pretrained.ids] = pretrained.vectors


def read_vectors(path: Path, vocabulary: Vocabulary) -> PretrainedVectors:
    """Read the vectors of a vocabulary's words, with memory for those alone.

    A first line of two whole numbers (word2vec's count and width) is taken as a header. Of a word
    that occurs twice the first vector counts.

    Raises:
        RowError: A line has another width than the first, or something that is not a number.
        UnreadableDataError: The file is missing, damaged, empty, or shorter than its header says.
    """
    lines = decoded_lines(path, path.name)
    first = next(lines, "").rstrip(LINE_END)
    header = _header(first)
    n_lines, width = header or (None, first.count(" "))
    if width < 1:
        raise UnreadableDataError(path.name, "its first line holds no vector", hint=HINT)
    wanted = {token: i for i, token in enumerate(vocabulary.tokens) if i >= len(MARKERS)}
    found: dict[int, Float32[np.ndarray, " embedding"]] = {}
    n_read = 0
    for n_read, line in enumerate(lines if header else chain([first], lines), start=1):
        place = line_of(path.name, n_read + (header is not None))
        word, numbers = _word_and_numbers(line.rstrip(LINE_END), width, place)
        i = wanted.get(word)
        if i is not None and i not in found:
            found[i] = _vector(numbers, place)
    if n_lines is not None and n_read < n_lines:
        problem = f"it announces {n_lines} vectors and holds {n_read}"
        raise UnreadableDataError(path.name, problem, hint="Is the download complete?")
    ids = sorted(found)
    vectors = np.array([found[i] for i in ids], dtype=np.float32).reshape(-1, width)
    return PretrainedVectors(torch.tensor(ids, dtype=torch.long), torch.from_numpy(vectors))


def _header(line: str) -> tuple[int, int] | None:
    parts = line.split()
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        return int(parts[0]), int(parts[1])
    return None


def _word_and_numbers(line: str, width: int, place: str) -> tuple[str, str]:
    n_spaces = line.count(" ")
    if n_spaces == width:
        word, _, numbers = line.partition(" ")
        return word, numbers
    # GloVe's largest file has a few words with spaces in them (`. . .`): nobody's tokens.
    word = line.rsplit(" ", width)[0]
    if n_spaces < width or _is_number(word.rpartition(" ")[2]):
        problem = f"{n_spaces} numbers after the word instead of {width}"
        raise RowError(place, problem, hint=HINT)
    return word, ""


def _vector(numbers: str, place: str) -> Float32[np.ndarray, " embedding"]:
    parts = numbers.split(" ")
    odd = next((part for part in parts if not _is_number(part)), None)
    if odd is not None:
        raise RowError(place, f"{quoted(odd)} is not a finite number", hint=HINT)
    return np.array(parts, dtype=np.float32)


def _is_number(text: str) -> bool:
    """Whether it spells a number that a 32-bit float can hold."""
    try:
        return abs(float(text)) <= LARGEST
    except ValueError:
        return False


def build_vocabulary(
    texts: Iterable[Sequence[str]], min_count: int, max_size: int | None
) -> Vocabulary:
    """The tokens that occur often enough, the most frequent first, ties by first occurrence.

    Args:
        max_size: How many tokens at most, markers not counted; None for all.

    Returns:
        The four markers and then the tokens; a token that spells a marker stays unknown.

    Example:
        >>> build_vocabulary([["a", "fine", "film"], ["a", "film"]], 2, None).tokens[4:]
        ('a', 'film')
    """
    counts = Counter(token for text in texts for token in text)
    frequent = [
        token
        for token, count in counts.most_common()  # stable: ties stay in order of occurrence
        if count >= min_count and token not in MARKERS
    ]
    return Vocabulary([*MARKERS, *frequent[:max_size]])


Tokens = tuple[str, ...]
Rows = Int[Tensor, " batch"]
"""Which examples of a corpus are meant; on the CPU."""


@dataclass(frozen=True)
class Corpus:
    """Labelled examples, ready to be cut into batches on one device."""

    texts: Sequence[Int[Tensor, " _"]]
    """Nothing is padded before a batch is asked for."""
    pairs: Sequence[Int[Tensor, " _"]] | None
    gold: Bool[Tensor, "example label"]
    """Which labels each example has."""
    allowed: Bool[Tensor, "example label"] | None
    """Which labels it may be given; None where nothing is restricted."""

    def __len__(self) -> int:
        return len(self.gold)

    @cached_property
    def lengths(self) -> Int[Tensor, " example"]:
        """Of the texts, both markers included."""
        return torch.tensor([len(text) for text in self.texts])

    def logits(self, network: AttentionPoolingNetwork, rows: Rows) -> Logits:
        """What a network makes of the examples in `rows`."""
        texts = (self.texts,) if self.pairs is None else (self.texts, self.pairs)
        given = [pad([some[i] for i in rows.tolist()], self.gold.device) for some in texts]
        logits: Tensor = network(*chain.from_iterable(given))
        return mask_candidates(logits, None if self.allowed is None else self.allowed[rows])


def tokenize(tokenizer: Tokenizer, text: str) -> Tokens:
    """The tokens of a text, as the vocabulary knows them."""
    return tuple(tokenizer.token(unit) for unit in tokenizer.units(text))


def tokenized(
    examples: Sequence[Example], tokenizer: Tokenizer, is_pair: bool
) -> tuple[list[Tokens], list[Tokens] | None]:
    """Of the texts, and of the second ones where there are any."""
    texts = [tokenize(tokenizer, example.text) for example in examples]
    pairs = [tokenize(tokenizer, example.text_pair or "") for example in examples]
    return texts, pairs if is_pair else None


def build_corpus(
    examples: Sequence[Example],
    texts: Sequence[Tokens],
    pairs: Sequence[Tokens] | None,
    vocabulary: Vocabulary,
    task: Task,
    device: torch.device,
) -> Corpus:
    """Look everything up.

    Raises:
        RowError: A text has no token.
    """
    empty = next((e for e, text in zip(examples, texts, strict=True) if not text), None)
    if empty is not None:
        raise RowError(place(empty), "the text has no token")
    restricted = task.is_softmax and any(example.candidates for example in examples)
    return Corpus(
        [torch.tensor(vocabulary.ids(text)) for text in texts],
        None if pairs is None else [torch.tensor(vocabulary.ids(pair)) for pair in pairs],
        _marked([gold_labels(example) for example in examples], task, device),
        _marked([e.candidates or task.labels for e in examples], task, device)
        if restricted
        else None,
    )


def _marked(
    names: Sequence[tuple[str, ...]], task: Task, device: torch.device
) -> Bool[Tensor, "example label"]:
    index = {label: i for i, label in enumerate(task.labels)}
    places = [(row, index[label]) for row, labels in enumerate(names) for label in labels]
    marked = torch.zeros(len(names), len(task.labels), dtype=torch.bool)
    rows, columns = torch.tensor(places).T if places else torch.empty(2, 0, dtype=torch.long)
    marked[rows, columns] = True
    return marked.to(device)
