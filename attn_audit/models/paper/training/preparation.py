"""From examples to everything that training needs and the data decides."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, DataError
from attn_audit.models.paper.architecture import Architecture, Tokenizer, Vocabulary
from attn_audit.models.paper.training.corpus import (
    Corpus,
    Tokens,
    build_corpus,
    tokenize,
)
from attn_audit.models.paper.training.embeddings import (
    PretrainedVectors,
    read_vectors,
)
from attn_audit.models.paper.training.settings import (
    DEFAULT_EMBEDDING_SIZE,
    TrainingSettings,
)
from attn_audit.models.paper.training.task_inference import (
    infer_task,
    require_known_labels,
    takes_pairs,
)
from attn_audit.models.paper.training.vocabulary import build_vocabulary
from attn_audit.models.task import Task


@dataclass(frozen=True, slots=True)
class Prepared:
    """The data as tensors, and the network's shape."""

    task: Task
    vocabulary: Vocabulary
    vectors: PretrainedVectors | None
    architecture: Architecture
    train: Corpus
    dev: Corpus


@dataclass(frozen=True, slots=True)
class _Split:
    """Examples and their tokens."""

    examples: Sequence[Example]
    texts: list[Tokens]
    pairs: list[Tokens] | None

    def corpus(self, vocabulary: Vocabulary, task: Task, device: torch.device) -> Corpus:
        return build_corpus(self.examples, self.texts, self.pairs, vocabulary, task, device)


def prepare(
    settings: TrainingSettings,
    train_examples: Sequence[Example],
    dev_examples: Sequence[Example],
    device: torch.device,
) -> Prepared:
    """Find out what the data asks for, and turn it into tensors.

    Args:
        settings: What was asked for.
        train_examples: Decide task, labels and vocabulary.
        dev_examples: Must fit these.
        device: Where the tensors go.

    Raises:
        DataError: The examples cannot be trained on, or the pretrained vectors cannot be read.
        ConfigurationError: Settings and data do not fit together.
    """
    if not train_examples or not dev_examples:
        raise DataError(f"there are no {'dev' if train_examples else 'training'} examples")
    task = infer_task(train_examples, settings.task)
    require_known_labels(dev_examples, task)
    is_pair = takes_pairs([*train_examples, *dev_examples])
    train = _split(train_examples, settings.tokenizer, is_pair)
    dev = _split(dev_examples, settings.tokenizer, is_pair)
    vocabulary = build_vocabulary(
        [*train.texts, *(train.pairs or ())], settings.min_count, settings.max_vocabulary
    )
    vectors = None if settings.embeddings is None else read_vectors(settings.embeddings, vocabulary)
    return Prepared(
        task=task,
        vocabulary=vocabulary,
        vectors=vectors,
        architecture=settings.architecture(
            task,
            is_pair=is_pair,
            vocabulary_size=len(vocabulary),
            embedding_size=_embedding_size(settings, vectors),
        ),
        train=train.corpus(vocabulary, task, device),
        dev=dev.corpus(vocabulary, task, device),
    )


def _split(examples: Sequence[Example], tokenizer: Tokenizer, is_pair: bool) -> _Split:
    texts = [tokenize(tokenizer, example.text) for example in examples]
    pairs = [tokenize(tokenizer, example.text_pair or "") for example in examples]
    return _Split(examples, texts, pairs if is_pair else None)


def _embedding_size(settings: TrainingSettings, vectors: PretrainedVectors | None) -> int:
    if vectors is None:
        return settings.embedding_size or DEFAULT_EMBEDDING_SIZE
    width = vectors.vectors.shape[1]
    if settings.embedding_size not in (None, width):
        raise ConfigurationError(
            f"the pretrained vectors have {width} numbers each, not {settings.embedding_size}",
            hint="Leave the embedding size out: it is theirs.",
        )
    return width
