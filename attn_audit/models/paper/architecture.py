"""What a checkpoint says of a model beside its weights: its shape, and how it reads texts."""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from attn_audit.models.contract import Unit

PADDING, UNKNOWN, START, END = range(4)
MARKERS = ("<0>", "<UNK>", "<SOS>", "<EOS>")
"""What the first four ids stand for, in the original's spelling."""


class EncoderKind(StrEnum):
    """How tokens become states."""

    BILSTM = "bilstm"
    CNN = "cnn"
    AVERAGE = "average"


class AttentionKind(StrEnum):
    """How states are scored."""

    ADDITIVE = "additive"
    DOT = "dot"


class Activation(StrEnum):
    """The encoder's non-linearity (CNN and average)."""

    RELU = "relu"
    TANH = "tanh"
    SIGMOID = "sigmoid"
    LINEAR = "linear"


_ENCODER_NAMES = {
    EncoderKind.BILSTM: "BiLSTM",
    EncoderKind.CNN: "CNN",
    EncoderKind.AVERAGE: "average",
}


KERNEL_SIZES = (1, 3, 5, 7)

Width = Annotated[int, Field(ge=1, le=2**20)]
"""Above, a tensor could have more numbers than can be counted, let alone held."""


class Architecture(BaseModel):
    """The shape of a model; checkpoints hold it beside the weights.

    Source: Jain & Wallace (2019), section 3.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: EncoderKind
    attention: AttentionKind
    is_pair: bool
    """Attention over `text` given `text_pair`, each with an encoder of its own."""
    vocabulary_size: int = Field(ge=4, le=2**40)
    embedding_size: Width
    hidden_size: Width
    """Of one LSTM direction, of one kernel size, of the projection."""
    n_logits: Width
    kernel_sizes: tuple[Width, ...] = KERNEL_SIZES
    """CNN only; odd, so that there is one state for each token."""
    activation: Activation = Activation.LINEAR
    has_projection: bool = True
    """Average only."""

    @model_validator(mode="after")
    def _check(self) -> "Architecture":
        if not self.kernel_sizes or any(size < 1 or size % 2 == 0 for size in self.kernel_sizes):
            raise ValueError("kernel sizes must be odd and positive: one state for each token")
        return self

    @property
    def state_size(self) -> int:
        """Width of one state: what attention scores and averages."""
        match self.encoder:
            case EncoderKind.BILSTM:
                return 2 * self.hidden_size
            case EncoderKind.CNN:
                return len(self.kernel_sizes) * self.hidden_size
            case EncoderKind.AVERAGE:
                return self.hidden_size if self.has_projection else self.embedding_size

    @property
    def sentence(self) -> str:
        """One line for people.

        Example:
            >>> Architecture(encoder="bilstm", attention="additive", is_pair=False, hidden_size=8,
            ...     vocabulary_size=9, embedding_size=4, n_logits=1).sentence
            'BiLSTM encoder, additive attention, single texts'
        """
        texts = "pairs of texts" if self.is_pair else "single texts"
        return f"{_ENCODER_NAMES[self.encoder]} encoder, {self.attention} attention, {texts}"

    @property
    def details(self) -> dict[str, str | int | float | bool]:
        """Its sizes, as reports show them."""
        details: dict[str, str | int | float | bool] = {
            "vocabulary": self.vocabulary_size,
            "embedding size": self.embedding_size,
            "hidden size": self.hidden_size,
            "state size": self.state_size,
        }
        if self.encoder is EncoderKind.CNN:
            details["kernel sizes"] = ", ".join(map(str, self.kernel_sizes))
        if self.encoder is not EncoderKind.BILSTM:
            details["activation"] = self.activation.value
        return details


class Tokenizer(StrEnum):
    """How texts are split."""

    WHITESPACE = "whitespace"
    """At white space, as the original's preprocessed texts need."""
    WORDS = "words"
    """Into lower-cased words and single punctuation marks."""

    def units(self, text: str) -> tuple[Unit, ...]:
        """The units of a text, in its own spelling, with their character spans.

        Example:
            >>> [unit.text for unit in Tokenizer.WORDS.units("Don't panic, Arthur!")]
            ["Don't", 'panic', ',', 'Arthur', '!']
            >>> [unit.text for unit in Tokenizer.WHITESPACE.units("Don't panic, Arthur!")]
            ["Don't", 'panic,', 'Arthur!']
        """
        pattern = _PATTERNS[self]
        return tuple([Unit(m[0], *m.span()) for m in pattern.finditer(text)])

    def token(self, unit: Unit) -> str:
        """What a unit is looked up by in the vocabulary."""
        return unit.text.lower() if self is Tokenizer.WORDS else unit.text


_PATTERNS = {
    Tokenizer.WHITESPACE: re.compile(r"\S+"),
    Tokenizer.WORDS: re.compile(r"\w+(?:['’]\w+)*|[^\w\s]"),
}


class Vocabulary:
    """Tokens by id; ids 0 to 3 are padding, unknown, start and end."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tuple(tokens)
        self._ids = {token: i for i, token in enumerate(self.tokens) if i >= len(MARKERS)}

    def __len__(self) -> int:
        return len(self.tokens)

    def ids(self, tokens: Iterable[str]) -> tuple[int, ...]:
        """Token ids between start and end marker; a text that spells a marker is unknown.

        Example:
            >>> Vocabulary([*MARKERS, "good", "film"]).ids(["good", "old", "film"])
            (2, 4, 1, 5, 3)
        """
        return (START, *[self._ids.get(token, UNKNOWN) for token in tokens], END)
