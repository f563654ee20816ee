"""What one of the paper's models is made of: all that is needed to build it without weights."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator


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


ENCODER_NAMES = {
    EncoderKind.BILSTM: "BiLSTM",
    EncoderKind.CNN: "CNN",
    EncoderKind.AVERAGE: "average",
}
"""How people write them."""


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
    kernel_sizes: tuple[Width, ...] = (1, 3, 5, 7)
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
        return f"{ENCODER_NAMES[self.encoder]} encoder, {self.attention} attention, {texts}"
