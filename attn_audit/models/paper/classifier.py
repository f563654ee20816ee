"""The paper's models behind the contract, as any module is: by interception."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor
from torch.nn import functional as F

from attn_audit.data.example import Example
from attn_audit.distances import KeptUnits, Logits, UnitMask, VariantLogits
from attn_audit.errors import ConfigurationError, IncompatibleDataError, UnreadableCheckpointError
from attn_audit.models.capacity import full_batches
from attn_audit.models.contract import Batch, EncodedExample, Unit, fingerprint
from attn_audit.models.interception.attention_point import AttentionTrace, Way, Weights
from attn_audit.models.interception.classifier import (
    IN_MEMORY,
    NOT_AUDITED,
    Classifier,
    EncodedSequence,
    InterceptedBatch,
    ModelDetails,
    ModelInputs,
    NeutralToken,
    Provenance,
)
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.interception.module_calls import UnknownLayoutError
from attn_audit.models.paper.checkpoint import (
    MARKERS,
    Checkpoint,
    built,
    read_checkpoint,
    read_original,
)
from attn_audit.models.paper.network import (
    END,
    PADDING,
    START,
    UNKNOWN,
    AttentionPoolingNetwork,
    CNNEncoder,
    EncoderKind,
    Lengths,
    Summary,
    TokenIds,
    masked_softmax,
    pad,
    pool,
    position_mask,
)
from attn_audit.models.task import (
    allowed_labels,
    mask_candidates,
    match_labels,
    place,
    require_second_text,
)
from attn_audit.progress import portions
from attn_audit.results.model_description import LayerDescription, ModelDescription


@dataclass(frozen=True, slots=True)
class EncodedTokens(EncodedSequence):
    """An example as token ids, markers included."""

    token_ids: tuple[int, ...]
    pair_token_ids: tuple[int, ...] | None


class PaperClassifier(Classifier):
    """A trained network of the paper with its tokenizer, vocabulary and labels."""

    can_mask = False
    can_read_nothing = True
    ids = 0
    padding_token = PADDING
    neutral_token = NeutralToken("the unknown token", UNKNOWN)

    def __init__(
        self,
        network: AttentionPoolingNetwork,
        checkpoint: Checkpoint,
        provenance: Provenance = IN_MEMORY,
    ) -> None:
        self.module = self.network = network
        self.provenance, self.format = provenance, checkpoint.format
        self.task = checkpoint.task
        self.tokenizer, self.vocabulary = checkpoint.tokenizer, checkpoint.vocabulary
        self.training = checkpoint.training
        self.architecture = network.architecture.sentence
        self.takes_pairs = network.architecture.is_pair
        self.device = next(network.parameters()).device

    @property
    def details(self) -> ModelDetails:
        """Its sizes, and how texts are split."""
        return {"tokenizer": self.tokenizer.value, **self.network.architecture.details}

    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """Split into units and look up token ids; out-of-vocabulary units stay, as unknown."""
        return [self._encode(example) for example in match_labels(self.task, examples)]

    def _encode(self, example: Example) -> EncodedExample:
        units = self.tokenizer.units(example.text)
        if not units:
            raise IncompatibleDataError(place(example), "the text has no token")
        return EncodedTokens(
            example=example,
            units=units,
            truncated=False,
            candidates=allowed_labels(self.task, example),
            unit_of_position=(NOT_AUDITED, *range(len(units)), NOT_AUDITED),
            token_ids=self._ids(units),
            pair_token_ids=self._ids(self.tokenizer.units(require_second_text(example)))
            if self.takes_pairs
            else None,
        )

    def _ids(self, units: Sequence[Unit]) -> tuple[int, ...]:
        return self.vocabulary.ids(self.tokenizer.token(unit) for unit in units)

    def collate(self, encoded: Sequence[EncodedExample]) -> ModelInputs:
        """Padded token ids and lengths; of both texts where there are two."""
        rows = [item for item in encoded if isinstance(item, EncodedTokens)]
        ids, lengths = pad([row.token_ids for row in rows], self.device)
        units = torch.arange(ids.shape[1], device=self.device) - 1
        is_unit = (units >= 0) & (units < lengths.unsqueeze(1) - 2)
        second: tuple[Tensor, ...] = ()
        if self.takes_pairs:
            second = pad([row.pair_token_ids or (START, END) for row in rows], self.device)
        return ModelInputs(
            arguments=(ids, lengths, *second),
            keywords={},
            units=torch.where(is_unit, units, NOT_AUDITED),
            real=units + 1 < lengths.unsqueeze(1),
        )

    def moved_together(
        self, inputs: ModelInputs, stays: Bool[Tensor, "batch position"]
    ) -> ModelInputs:
        """Shorter texts between the same markers."""
        lengths = stays.sum(dim=1)
        order = (~stays).int().argsort(dim=1, stable=True)[:, : int(lengths.max())]
        real = position_mask(lengths, order.shape[1])
        ids, _, *second = inputs.arguments
        return ModelInputs(
            arguments=(ids.gather(1, order).masked_fill(~real, PADDING), lengths, *second),
            keywords={},
            units=inputs.units.gather(1, order).masked_fill(~real, NOT_AUDITED),
            real=real,
        )

    def logits(self, inputs: ModelInputs) -> Logits:
        """What the network makes of a batch."""
        logits: Tensor = self.network(*inputs.arguments)
        return logits

    def embedding_table(self) -> Tensor:
        """The table of the audited texts; the second ones have another."""
        return self.network.text_encoder.embedding.weight


class PaperModel(InterceptedModel):
    """A network of the paper, read, replaced and differentiated by interception.

    What is known of it need not be found: it is described as its checkpoint says, and replayed from
    its readout on, where the trial confirms that.
    """

    def __init__(self, classifier: PaperClassifier) -> None:
        super().__init__(classifier, trial_texts(classifier), ways=(("product", product),))
        self.network = classifier.network
        self.tokenizer = classifier.tokenizer
        self.vocabulary = classifier.vocabulary

    def describe(self) -> ModelDescription:
        """All is known of these models: nothing was found out by trial."""
        given = " given the second text" if self.classifier.takes_pairs else ""
        return self.classifier.describe().model_copy(
            update={
                "sites": (f"attention over the text's tokens{given}, read out once",),
                "layers": (LayerDescription(name="attention", n_heads=1),),
                "linear_readout": not self.classifier.takes_pairs,
            }
        )

    def erase(self, batch: Batch, keep: KeptUnits, operator: str | None = None) -> VariantLogits:
        """Leave units out; delete every single one in turn at once, where that is faster."""
        assert isinstance(batch, InterceptedBatch)
        network, shape = self.network, self.network.architecture
        # Passes are as fast for the BiLSTM, and single texts' average has a closed form.
        is_faster = shape.encoder is EncoderKind.CNN or (
            shape.encoder is EncoderKind.AVERAGE and shape.is_pair
        )
        is_deleted = self._known(operator) == "delete"
        if not (is_faster and is_deleted and is_each_in_turn(batch.unit_mask, keep)):
            return super().erase(batch, keep, operator)
        ids, lengths, *second = batch.inputs.arguments
        question = network.question(*second) if second else None
        logits = logits_without_each_unit(network, ids, lengths, question, self.capacity.n_tokens)
        return mask_candidates(logits, batch.allowed)


def is_each_in_turn(unit_mask: UnitMask, keep: KeptUnits) -> bool:
    """Whether the variants are the whole text, and then without its first, second, ... unit."""
    n_units = unit_mask.shape[1]
    if keep.shape[1] != n_units + 1:
        return False
    each = torch.ones_like(keep[0])
    each[1:].fill_diagonal_(False)
    return not bool((keep != each).logical_and_(unit_mask.unsqueeze(1)).any())


def product(trace: AttentionTrace) -> Way:
    """Replay from the readout on: a product with the units' values, and what follows it.

    Raises:
        UnknownLayoutError: The pass left no states.
    """
    network = trace.classifier.module
    assert isinstance(network, AttentionPoolingNetwork)
    try:
        states = trace.outputs[id(network.text_encoder), 0]
        question = None
        if network.pair_encoder is not None:
            of_pair = trace.outputs[id(network.pair_encoder), 0]
            question = network.pair_encoder.encoder.summary(of_pair, trace.inputs.arguments[3])
    except KeyError:
        raise UnknownLayoutError from None
    values = network.readout.unit_values(states[:, 1:-1])

    def replay(weights: Weights) -> VariantLogits:
        pooled = pool(weights.flatten(2).to(values.dtype), values)  # one head, one query
        return network.readout.logits(pooled, question)

    return replay


def trial_texts(classifier: PaperClassifier) -> list[Example]:
    """A few texts of the model's own words: of unknown ones, all states would be the same."""
    draw = random.Random(0)
    words = classifier.vocabulary.tokens[len(MARKERS) :] or MARKERS
    return [
        Example(
            id=f"trial-{n}",
            text=" ".join(draw.choices(words, k=n)),
            text_pair=" ".join(draw.choices(words, k=4)) if classifier.takes_pairs else None,
        )
        for n in (9, 3, 6)
    ]


def load_paper_model(
    path: Path, device: torch.device, vocabulary: Path | None = None
) -> PaperModel:
    """Load a checkpoint of the paper's families.

    Args:
        vocabulary: For an original folder without `vocab.json`: JSON object from word to id.

    Raises:
        CheckpointError: Unreadable, unsafe or of a kind that is not supported.
        InvalidWeightsError: The weights hold NaN or infinity.
    """
    try:
        if path.is_dir():
            checkpoint = read_original(path, vocabulary)
        elif vocabulary is None:
            checkpoint = read_checkpoint(path)
        else:
            raise ConfigurationError(
                f"--vocabulary is for folders of the original code; {path} has its own"
            )
        network = built(checkpoint.architecture, checkpoint.weights, path).to(device)
        provenance = Provenance(str(path), fingerprint(path, vocabulary))
    except PermissionError as error:
        raise UnreadableCheckpointError(path, error.strerror or "not permitted") from None
    return PaperModel(PaperClassifier(network, checkpoint, provenance))


STATES_PER_PASS = 4
"""How much more is kept of a position than in a pass through the whole text."""


@torch.no_grad()
def logits_without_each_unit(
    network: AttentionPoolingNetwork,
    ids: TokenIds,
    lengths: Lengths,
    question: Summary | None,
    n_tokens: int,
) -> VariantLogits:
    """Logits of the whole texts, then without their first, second, ... unit where they have it.

    Passes are of fewer than `n_tokens`, as of more is kept.
    """
    weights = network.readout.output.weight  # label by value
    out = weights.new_empty(len(ids), ids.shape[1] - 1, len(weights))
    for rows in portions(list(full_batches(lengths, max(1, n_tokens // STATES_PER_PASS)))):
        own, asked = lengths[rows], None if question is None else question[rows]
        pooled = _pooled_around_gaps(network, ids[rows, : int(own.max())], own, asked)
        out[rows, : pooled.shape[1]] = network.readout.logits(pooled.to(out.dtype), asked)
    is_unit = position_mask(lengths - 2, ids.shape[1] - 2).unsqueeze(-1)
    out[:, 1:] = torch.where(is_unit, out[:, 1:], out[:, :1])
    return out


def _pooled_around_gaps(
    network: AttentionPoolingNetwork, ids: TokenIds, lengths: Lengths, question: Summary | None
) -> Float64[Tensor, "batch variant value"]:
    """What attention averages unit values to: of whole texts, and without each unit.

    Other states than those of the whole text are those near the gap alone.
    """
    encoder, embeddings = network.text_encoder.encoder, network.text_encoder.embedding(ids)
    states = encoder(embeddings, lengths)
    scores, values = network.read_out(states[:, 1:-1], question)
    mask = position_mask(lengths - 2, scores.shape[1])
    units = torch.arange(scores.shape[1], device=ids.device).unsqueeze(1)
    reach, near = 0, states[:, :0]  # of the average
    if isinstance(encoder, CNNEncoder):
        reach = max(kernel.kernel_size[0] for kernel in encoder.kernels) // 2
        visible = embeddings * position_mask(lengths, ids.shape[1]).unsqueeze(-1)
        near = _around_gaps(encoder, F.pad(visible, (0, 0, 2 * reach, 2 * reach)), units, reach)
    places = units + torch.arange(-reach, reach, device=ids.device)  # in the shorter text
    near_scores, near_values = network.read_out(near, question)
    near_scores = near_scores.view(len(ids), *places.shape)
    near_values = near_values.view(*near_scores.shape, values.shape[-1])
    is_far = ((units - units.T).abs() > reach) & mask.unsqueeze(1)  # batch gap unit
    is_near = (places >= 0) & (places < lengths.view(-1, 1, 1) - 3)  # batch gap place
    every = torch.cat([scores.unsqueeze(1).expand(-1, len(units), -1), near_scores], dim=-1)
    weights = masked_softmax(every, torch.cat([is_far, is_near], dim=-1))
    far, close = torch.split(weights, [len(units), 2 * reach], dim=-1)
    pooled = far @ values + (close.unsqueeze(2) @ near_values).squeeze(2)
    return torch.cat([masked_softmax(scores, mask).unsqueeze(1) @ values, pooled], dim=1)


def _around_gaps(
    encoder: CNNEncoder,
    padded: Float[Tensor, "batch position embedding"],
    units: Int[Tensor, "gap 1"],
    reach: int,
) -> Float[Tensor, "batch state hidden"]:
    """The states at each gap: sums of products of a token with a tap, each computed once."""
    beside = torch.arange(4 * reach, device=units.device)
    tokens = units + 1 + beside + (beside >= 2 * reach)  # the gap is left out
    parts = []
    for kernel in encoder.kernels:
        (n_taps,) = kernel.kernel_size
        products = padded @ kernel.weight.permute(1, 2, 0).flatten(1)
        window: Tensor = kernel.get_parameter("bias")
        of_taps = products.view(*products.shape[:2], n_taps, kernel.out_channels).unbind(2)
        for first, product in enumerate(of_taps, start=reach - n_taps // 2):
            window = window + product[:, tokens[:, first : first + 2 * reach]]
        parts.append(encoder.activate(window))
    return torch.cat(parts, dim=-1).flatten(1, 2)
