"""The paper's networks as plain modules: token ids and lengths in, logits out.

A text's positions are its start marker, its units, its end marker. Whatever stands behind the end
marker is padding and changes nothing.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated

import torch
from jaxtyping import Bool, Float, Float64, Int
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from attn_audit.distances import Logits, UnitMask, VariantLogits

PADDING, UNKNOWN, START, END = range(4)
"""What the first four ids stand for."""


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


TokenIds = Int[Tensor, "batch position"]
Lengths = Int[Tensor, " batch"]
"""Positions of each text, markers included."""
Embeddings = Float[Tensor, "batch position embedding"]
States = Float[Tensor, "batch position hidden"]
UnitStates = Float[Tensor, "batch unit hidden"]
"""Of the units alone: markers are encoded and then left out, as in the original."""
Summary = Float[Tensor, "batch hidden"]
"""One state for a whole text: the second one is what the first is asked about."""
Pooled = Float[Tensor, "batch variant value"]


def position_mask(lengths: Lengths, n_positions: int) -> Tensor:
    """True at the positions of a text, both markers included: batch by position."""
    return torch.arange(n_positions, device=lengths.device) < lengths.unsqueeze(1)


def pad(rows: Sequence[Sequence[int] | Tensor], device: torch.device) -> tuple[TokenIds, Lengths]:
    """Texts of token ids as wide as the longest, and the length of each."""
    lengths = torch.tensor([len(row) for row in rows], device=device)
    ids = pad_sequence([torch.as_tensor(row) for row in rows], True, PADDING)
    return ids.to(device), lengths


def mirror(lengths: Lengths, n_positions: int) -> TokenIds:
    """Which position stands where when each text is read backwards; padding stays behind."""
    positions = torch.arange(n_positions, device=lengths.device)
    ends = lengths.unsqueeze(1)
    return torch.where(positions < ends, ends - 1 - positions, positions)


_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    Activation.RELU: torch.relu,
    Activation.TANH: torch.tanh,
    Activation.SIGMOID: torch.sigmoid,
    Activation.LINEAR: lambda values: values,
}

# --- encoders: a state for each position of a text, and one for the whole text --------------------


class BiLSTMEncoder(nn.Module):
    """One bidirectional LSTM layer; the summary is the last state of each direction."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            architecture.embedding_size,
            architecture.hidden_size,
            batch_first=True,
            bidirectional=True,
        )

    def forward(self, embeddings: Embeddings, lengths: Lengths) -> States:
        """States of every position; 0 at padding, which is never read."""
        if embeddings.device.type == "cpu":
            return self._without_packing(embeddings, lengths)
        return self._packed(embeddings, lengths)

    def summary(self, states: States, lengths: Lengths) -> Summary:
        """The last state of each direction."""
        size = self.lstm.hidden_size
        last = states.take_along_dim(lengths.view(-1, 1, 1) - 1, dim=1)
        return torch.cat([last[:, 0, :size], states[:, 0, size:]], dim=-1)

    def _packed(self, embeddings: Embeddings, lengths: Lengths) -> States:
        packed = pack_padded_sequence(
            embeddings, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        states, _ = pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=embeddings.shape[1]
        )
        return states

    def _without_packing(self, embeddings: Embeddings, lengths: Lengths) -> States:
        """The same; on a CPU in less time, and a packed backward pass takes quadratic time."""
        n_texts, n_positions = embeddings.shape[:2]
        first = n_positions * torch.arange(n_texts, device=lengths.device).unsqueeze(1)
        backwards = (first + mirror(lengths, n_positions)).flatten()
        forth = self._one_way(embeddings, "")
        back = self._one_way(_in_order(embeddings, backwards), "_reverse")
        states = torch.cat([forth, _in_order(back, backwards)], dim=-1)
        return states * position_mask(lengths, n_positions).unsqueeze(-1)

    def _one_way(self, embeddings: Embeddings, direction: str) -> States:
        start = embeddings.new_zeros(1, len(embeddings), self.lstm.hidden_size)
        settings = (True, 1, 0.0, self.training, False, True)  # biases, one layer, batch first
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [getattr(self.lstm, f"{name}_l0{direction}") for name in names]
        states: Tensor = torch.lstm(embeddings, (start, start), weights, *settings)[0]
        return states


def _in_order(rows: States, order: Int[Tensor, " row"]) -> States:
    """Positions of all texts in another order, row by row: gathering would go number by number."""
    return rows.flatten(0, 1).index_select(0, order).view(rows.shape)


class CNNEncoder(nn.Module):
    """Convolutions of several widths side by side; the summary is the maximum over positions."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(
                architecture.embedding_size, architecture.hidden_size, size, padding=size // 2
            )
            for size in architecture.kernel_sizes
        )
        self.activate = _ACTIVATIONS[architecture.activation]

    @property
    def kernels(self) -> list[nn.Conv1d]:
        """The convolutions."""
        return [kernel for kernel in self.convolutions if isinstance(kernel, nn.Conv1d)]

    def forward(self, embeddings: Embeddings, lengths: Lengths) -> States:
        """States of every position; 0 at markers, as in the original. Padding is read as zeros."""
        n_positions = embeddings.shape[1]
        visible = embeddings * position_mask(lengths, n_positions).unsqueeze(-1)
        channels = visible.transpose(1, 2)  # batch embedding position
        windows = torch.cat([convolution(channels) for convolution in self.convolutions], dim=1)
        states = self.activate(windows).transpose(1, 2)
        inner = position_mask(lengths - 1, n_positions)
        inner[:, 0] = False
        return states * inner.unsqueeze(-1)

    def summary(self, states: States, lengths: Lengths) -> Summary:
        """The maximum over positions, the zeros at the markers included, as in the original."""
        return states.amax(dim=1)  # every text has markers, so padding adds no zero to them


class AverageEncoder(nn.Module):
    """Each token on its own, projected; the summary is the mean over the text's positions."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.projection: nn.Module = nn.Identity()
        if architecture.has_projection:
            self.projection = nn.Linear(architecture.embedding_size, architecture.hidden_size)
        self.activate = _ACTIVATIONS[architecture.activation]

    def forward(self, embeddings: Embeddings, lengths: Lengths) -> States:
        """States of every position; at padding they have no meaning."""
        states: Tensor = self.activate(self.projection(embeddings))
        return states

    def summary(self, states: States, lengths: Lengths) -> Summary:
        """The mean over a text's own positions, markers included.

        In the original padding counts.
        """
        own = states * position_mask(lengths, states.shape[1]).unsqueeze(-1)
        return own.sum(dim=1) / lengths.unsqueeze(1)


_ENCODERS: dict[EncoderKind, type[BiLSTMEncoder | CNNEncoder | AverageEncoder]] = {
    EncoderKind.BILSTM: BiLSTMEncoder,
    EncoderKind.CNN: CNNEncoder,
    EncoderKind.AVERAGE: AverageEncoder,
}


class TextEncoder(nn.Module):
    """Token ids to states: an embedding table of its own and one of the encoders."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.embedding = nn.Embedding(
            architecture.vocabulary_size, architecture.embedding_size, padding_idx=0
        )
        self.encoder = _ENCODERS[architecture.encoder](architecture)

    def forward(self, ids: TokenIds, lengths: Lengths) -> States:
        """States of every position."""
        states: Tensor = self.encoder(self.embedding(ids), lengths)
        return states


# --- attention: states in, one weight for each unit out -------------------------------------------


def masked_softmax(
    scores: Float[Tensor, "*batch unit"], unit_mask: Bool[Tensor, "*#batch unit"]
) -> Float[Tensor, "*batch unit"]:
    """Softmax over the units alone: 0 elsewhere, and all 0 for a text without units."""
    low = torch.finfo(scores.dtype).min  # not -inf: a row without units must not become NaN
    return scores.masked_fill(~unit_mask, low).softmax(dim=-1) * unit_mask


class Attention(nn.Module):
    """What both kinds share: from scores to weights."""

    def forward(
        self, states: UnitStates, unit_mask: UnitMask, question: Summary | None
    ) -> Float[Tensor, "batch unit"]:
        """The weights of a text's units."""
        return masked_softmax(self.scores(states, question), unit_mask)

    def scores(self, states: UnitStates, question: Summary | None) -> Float[Tensor, "batch unit"]:
        """Of each state by itself."""
        raise NotImplementedError


class AdditiveAttention(Attention):
    """v . tanh(W state + b), and + U question + c for pairs (Bahdanau et al. 2015)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        size = architecture.state_size
        self.state = nn.Linear(size, size // 2)
        self.question = nn.Linear(size, size // 2) if architecture.is_pair else None
        self.score = nn.Linear(size // 2, 1, bias=False)

    def scores(self, states: UnitStates, question: Summary | None) -> Float[Tensor, "batch unit"]:
        """Of each state by itself."""
        hidden = self.state(states)
        if self.question is not None and question is not None:
            hidden = hidden + self.question(question).unsqueeze(1)
        scores: Tensor = self.score(torch.tanh(hidden))
        return scores.squeeze(-1)


class DotAttention(Attention):
    """state . w / sqrt(size), with the question in place of a learned w for pairs."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        size = architecture.state_size
        self.scale: float = size**-0.5
        self.score = None if architecture.is_pair else nn.Linear(size, 1, bias=False)

    def scores(self, states: UnitStates, question: Summary | None) -> Float[Tensor, "batch unit"]:
        """Of each state by itself."""
        if self.score is not None:
            own: Tensor = self.score(states)
            return own.squeeze(-1) * self.scale
        assert question is not None, "a model of pairs always has a question"
        return torch.einsum("buh,bh->bu", states, question) * self.scale


_ATTENTIONS: dict[AttentionKind, type[AdditiveAttention | DotAttention]] = {
    AttentionKind.ADDITIVE: AdditiveAttention,
    AttentionKind.DOT: DotAttention,
}

# --- readout: from the attention-weighted average of states to logits -----------------------------
#
# It is split where it stops being linear in attention: `unit_values` holds everything before that
# point, computed once for each unit, and `logits` the rest. Under any attention the logits are
# `logits(pool(attention, unit_values))`, and nothing before is ever computed again.


def pool(
    attention: Float[Tensor, "batch variant unit"], unit_values: Float[Tensor, "batch unit value"]
) -> Pooled:
    """What attention averages the unit values to: their product.

    With a single column, whose derivative is slow where it is a matrix product, the values are laid
    out as the adversary's weights are, examples next to each other, so that sums run along them and
    the gradient comes back in the same layout.
    """
    if not attention.requires_grad or unit_values.shape[-1] > 1:
        return attention @ unit_values
    columns = unit_values.permute(2, 1, 0).contiguous()
    return (attention.permute(1, 2, 0) * columns).sum(dim=1).T.unsqueeze(-1)


class SingleReadout(nn.Module):
    """W (sum_u attention_u state_u) + b: linear all the way."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.output = nn.Linear(architecture.state_size, architecture.n_logits)

    def unit_values(self, states: UnitStates) -> Float[Tensor, "batch unit value"]:
        """What each unit adds to the logits under full attention, without the bias."""
        return states @ self.output.weight.T

    def logits(self, pooled: Pooled, question: Summary | None) -> VariantLogits:
        """The bias is all that is left to add."""
        return pooled + self.output.bias


class PairReadout(nn.Module):
    """W tanh(P (sum_u attention_u state_u) + Q question + c) + b: linear up to the tanh."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        size = architecture.state_size
        self.text = nn.Linear(size, size // 2)
        self.question = nn.Linear(size, size // 2)
        self.output = nn.Linear(size // 2, architecture.n_logits)

    def unit_values(self, states: UnitStates) -> Float[Tensor, "batch unit value"]:
        """P state, folded into the units once."""
        return states @ self.text.weight.T

    def logits(self, pooled: Pooled, question: Summary | None) -> VariantLogits:
        """What comes after the fold."""
        assert question is not None, "a model of pairs always has a question"
        offset = self.question(question) + self.text.bias
        logits: Tensor = self.output(torch.tanh(pooled + offset.unsqueeze(1)))
        return logits


class AttentionPoolingNetwork(nn.Module):
    """A classifier whose only path from units to logits is one attention-weighted average.

    Source: Jain & Wallace (2019), section 3.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.text_encoder = TextEncoder(architecture)
        self.pair_encoder = TextEncoder(architecture) if architecture.is_pair else None
        self.attention = _ATTENTIONS[architecture.attention](architecture)
        readout = PairReadout if architecture.is_pair else SingleReadout
        self.readout: PairReadout | SingleReadout = readout(architecture)

    def forward(
        self,
        ids: TokenIds,
        lengths: Lengths,
        pair_ids: Int[Tensor, "batch pair_position"] | None = None,
        pair_lengths: Lengths | None = None,
    ) -> Logits:
        """Logits of padded texts, of pairs given the second ones."""
        states = self.text_encoder(ids, lengths)[:, 1:-1]
        question = self.question(pair_ids, pair_lengths)
        weights = self.attention(states, position_mask(lengths - 2, states.shape[1]), question)
        pooled = pool(weights.unsqueeze(1), self.readout.unit_values(states))
        return self.readout.logits(pooled, question).squeeze(1)

    def question(self, ids: TokenIds | None, lengths: Lengths | None) -> Summary | None:
        """The summary of the second texts; None for single texts."""
        if self.pair_encoder is None or ids is None or lengths is None:
            return None
        return self.pair_encoder.encoder.summary(self.pair_encoder(ids, lengths), lengths)

    def read_out(
        self, states: Float[Tensor, "batch any hidden"], question: Summary | None
    ) -> tuple[Float64[Tensor, "batch any"], Float64[Tensor, "batch any value"]]:
        """Scores and values of any states, in float64: what is pooled of other texts than whole."""
        scores = self.attention.scores(states, question)
        return scores.double(), self.readout.unit_values(states).double()
