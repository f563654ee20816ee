"""Pretrained word vectors as GloVe and word2vec write them: on each line a word and its numbers."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn

from attn_audit.data.formats.lines import decoded_lines
from attn_audit.data.rows import line_of
from attn_audit.errors import RowError, UnreadableDataError
from attn_audit.models.paper.architecture import MARKERS, Vocabulary
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
    reader = _Reader(path.name, width, {t: i for i, t in enumerate(vocabulary.tokens)}, {})
    n_read = 0
    for n_read, line in enumerate(lines if header else chain([first], lines), start=1):
        reader.take(line.rstrip(LINE_END), n_read + (header is not None))
    if n_lines is not None and n_read < n_lines:
        problem = f"it announces {n_lines} vectors and holds {n_read}"
        raise UnreadableDataError(path.name, problem, hint="Is the download complete?")
    ids = sorted(reader.found)
    vectors = np.empty((len(ids), width), dtype=np.float32)
    for row, i in enumerate(ids):
        vectors[row] = reader.found[i]
    return PretrainedVectors(torch.tensor(ids, dtype=torch.long), torch.from_numpy(vectors))


def _header(line: str) -> tuple[int, int] | None:
    parts = line.split()
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        return int(parts[0]), int(parts[1])
    return None


@dataclass(frozen=True, slots=True)
class _Reader:
    file: str
    width: int
    wanted: dict[str, int]
    found: dict[int, Float32[np.ndarray, " embedding"]]

    def take(self, line: str, number: int) -> None:
        """Keep the vector of a line where it is wanted."""
        if line.count(" ") != self.width:
            self._require_spaced_word(line, number)
            return
        word, _, numbers = line.partition(" ")
        i = self.wanted.get(word, 0)
        if i >= len(MARKERS) and i not in self.found:
            self.found[i] = self._numbers(numbers, number)

    def _numbers(self, text: str, number: int) -> Float32[np.ndarray, " embedding"]:
        parts = text.split(" ")
        odd = next((part for part in parts if not _is_number(part)), None)
        if odd is not None:
            problem = f"{quoted(odd)} is not a finite number"
            raise RowError(line_of(self.file, number), problem, hint=HINT)
        return np.array(parts, dtype=np.float32)

    def _require_spaced_word(self, line: str, number: int) -> None:
        """GloVe's largest file has a few words with spaces in them (`. . .`): nobody's tokens."""
        word = line.rsplit(" ", self.width)[0]
        if line.count(" ") < self.width or _is_number(word.rpartition(" ")[2]):
            problem = f"{line.count(' ')} numbers after the word instead of {self.width}"
            raise RowError(line_of(self.file, number), problem, hint=HINT)


def _is_number(text: str) -> bool:
    """Whether it spells a number that a 32-bit float can hold."""
    try:
        return abs(float(text)) <= LARGEST
    except ValueError:
        return False
