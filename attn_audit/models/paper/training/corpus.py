"""Examples as tensors, cut into batches by index; the words that a model knows, and their vectors.

Pretrained vectors are read as GloVe and word2vec write them: on each line a word and its numbers.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.data.formats.lines import decoded_lines
from attn_audit.data.source import line_of
from attn_audit.distances import Logits
from attn_audit.errors import ConfigurationError, DataError, RowError, UnreadableDataError
from attn_audit.models.paper.architecture import (
    MARKERS,
    PADDING,
    Architecture,
    Tokenizer,
    Vocabulary,
)
from attn_audit.models.paper.network import AttentionPoolingNetwork, Lengths, TokenIds
from attn_audit.models.paper.training.examples import (
    gold_labels,
    infer_task,
    place,
    require_known_labels,
    takes_pairs,
)
from attn_audit.models.paper.training.settings import DEFAULT_EMBEDDING_SIZE, TrainingSettings
from attn_audit.models.task import Task, mask_candidates
from attn_audit.quoting import quoted

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
"""Which examples of a corpus are meant."""


@dataclass(frozen=True, slots=True)
class TokenTexts:
    """Texts as token ids, one after the other; nothing is padded before a batch is asked for."""

    ids: Int[Tensor, " token"]
    starts: Int[Tensor, " text"]
    lengths: Int[Tensor, " text"]

    def padded(self, rows: Rows) -> tuple[TokenIds, Lengths]:
        """The texts in `rows`, padded to the longest, and their lengths with both markers."""
        lengths = self.lengths[rows]
        positions = torch.arange(int(lengths.max()), device=lengths.device)
        places = self.starts[rows].unsqueeze(1) + positions  # batch position
        ids = self.ids[places.clamp(max=len(self.ids) - 1)]
        return ids.masked_fill(positions >= lengths.unsqueeze(1), PADDING), lengths


@dataclass(frozen=True, slots=True)
class Corpus:
    """Labelled examples, ready to be cut into batches on one device."""

    texts: TokenTexts
    pairs: TokenTexts | None
    gold: Bool[Tensor, "example label"]
    """Which labels each example has."""
    allowed: Bool[Tensor, "example label"] | None
    """Which labels it may be given; None where nothing is restricted."""

    def __len__(self) -> int:
        return len(self.gold)

    def logits(self, network: AttentionPoolingNetwork, rows: Rows) -> Logits:
        """What a network makes of the examples in `rows`."""
        second = () if self.pairs is None else self.pairs.padded(rows)
        logits: Tensor = network(*self.texts.padded(rows), *second)
        return mask_candidates(logits, None if self.allowed is None else self.allowed[rows])


def tokenize(tokenizer: Tokenizer, text: str) -> Tokens:
    """The tokens of a text, as the vocabulary knows them."""
    return tuple(tokenizer.token(unit) for unit in tokenizer.units(text))


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
        _token_texts(texts, vocabulary, device),
        None if pairs is None else _token_texts(pairs, vocabulary, device),
        _marked([gold_labels(example) for example in examples], task, device),
        _marked([e.candidates or task.labels for e in examples], task, device)
        if restricted
        else None,
    )


def _token_texts(
    texts: Sequence[Tokens], vocabulary: Vocabulary, device: torch.device
) -> TokenTexts:
    rows = [vocabulary.ids(text) for text in texts]
    lengths = torch.tensor([len(row) for row in rows])
    return TokenTexts(
        torch.tensor([i for row in rows for i in row], device=device),
        (lengths.cumsum(0) - lengths).to(device),
        lengths.to(device),
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """The data as tensors, and the network's shape."""

    task: Task
    vocabulary: Vocabulary
    vectors: PretrainedVectors | None
    architecture: Architecture
    train: Corpus
    dev: Corpus


def prepare(
    settings: TrainingSettings,
    train_examples: Sequence[Example],
    dev_examples: Sequence[Example],
    device: torch.device,
) -> Prepared:
    """Find out what the data asks for, and turn it into tensors.

    Raises:
        DataError: The examples cannot be trained on, or the pretrained vectors cannot be read.
        ConfigurationError: Settings and data do not fit together.
    """
    if not train_examples or not dev_examples:
        raise DataError(f"there are no {'dev' if train_examples else 'training'} examples")
    task = infer_task(train_examples, settings.task)
    require_known_labels(dev_examples, task)
    is_pair = takes_pairs([*train_examples, *dev_examples])
    texts, pairs = _tokens(train_examples, settings.tokenizer, is_pair)
    dev_texts, dev_pairs = _tokens(dev_examples, settings.tokenizer, is_pair)
    vocabulary = build_vocabulary(
        [*texts, *(pairs or ())], settings.min_count, settings.max_vocabulary
    )
    vectors, width = None, settings.embedding_size or DEFAULT_EMBEDDING_SIZE
    if settings.embeddings is not None:
        vectors = read_vectors(settings.embeddings, vocabulary)
        width = vectors.vectors.shape[1]
        if settings.embedding_size not in (None, width):
            raise ConfigurationError(
                f"the pretrained vectors have {width} numbers each, not {settings.embedding_size}",
                hint="Leave the embedding size out: it is theirs.",
            )
    return Prepared(
        task=task,
        vocabulary=vocabulary,
        vectors=vectors,
        architecture=settings.architecture(
            task, is_pair=is_pair, vocabulary_size=len(vocabulary), embedding_size=width
        ),
        train=build_corpus(train_examples, texts, pairs, vocabulary, task, device),
        dev=build_corpus(dev_examples, dev_texts, dev_pairs, vocabulary, task, device),
    )


def _tokens(
    examples: Sequence[Example], tokenizer: Tokenizer, is_pair: bool
) -> tuple[list[Tokens], list[Tokens] | None]:
    """Of the texts, and of the second ones where there are any."""
    texts = [tokenize(tokenizer, example.text) for example in examples]
    pairs = [tokenize(tokenizer, example.text_pair or "") for example in examples]
    return texts, pairs if is_pair else None
