"""Texts that a classifier cannot read at once, read in windows: the mean of the windows' logits.

To the model behind it each window is a text of its own. Here windows become texts again: their
query rows are rows of their text, which attend to the units of their window alone; a unit that
several windows hold is left out of all of them, and the others stay where they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from attn_audit.data.example import Example
from attn_audit.distances import KeptUnits, Logits, VariantAttention, VariantLogits
from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.models.contract import (
    AuditedModel,
    Batch,
    Embeddings,
    EncodedExample,
    Mass,
    NewWeights,
    Reading,
    ReadoutStates,
    Removal,
    RowWeights,
    Rule,
    Rules,
    Site,
    WholeAttention,
    unit_mask_of,
    without_rows,
)
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.encoding import EncodedTokens
from attn_audit.models.huggingface.model import HuggingFaceModel
from attn_audit.models.interception.classifier import NOT_AUDITED
from attn_audit.numbers import counted
from attn_audit.results.model_description import LONG_TEXTS, ModelDescription


@dataclass(frozen=True, slots=True)
class EncodedWindows(EncodedExample):
    """An example, and the windows that it is read in: one where it fits."""

    windows: tuple[EncodedTokens, ...]
    """Each with its own units, numbered from 0."""
    held: tuple[tuple[int, ...], ...]
    """Of each window its units by their numbers in the text."""

    @property
    def n_windows(self) -> int:
        """One where the text fits."""
        return len(self.windows)

    @property
    def n_tokens(self) -> int:
        """Of all windows, what they share counted in each."""
        return sum(window.n_tokens for window in self.windows)


@dataclass(frozen=True, slots=True)
class Windows:
    """How texts are divided."""

    size: int
    """Tokens of a window, special tokens included."""
    overlap: int
    """Tokens of the text that a window shares with the one before."""
    n_before: int
    n_behind: int
    """Special tokens before and behind every text, and so around every window."""

    @staticmethod
    def of(classifier: HuggingFaceClassifier, overlap: int) -> "Windows":
        """Windows as long as the model takes texts.

        Raises:
            ConfigurationError: There is nothing to divide, or the overlap is as long as a window.
            UnsupportedModelError: The model reads texts in a way that windows would change.
        """
        flag = f"--window-overlap {overlap}"
        if classifier.hypotheses is not None:
            raise ConfigurationError(
                f"{flag}: only texts that are read alone are read in windows, and not beside the "
                "hypotheses of --zero-shot",
                hint="Without it, texts are cut to what the model takes, and counted.",
            )
        if classifier.question is not None:
            raise ConfigurationError(
                f"{flag}: a prompt is read at once, and a part of it would ask nothing"
            )
        if classifier.takes_pairs:
            raise ConfigurationError(
                f"{flag}: only single texts are read in windows, and these are pairs",
                hint="Without it, pairs are cut to what the model takes, and counted.",
            )
        if classifier.is_decoder:
            raise UnsupportedModelError(
                f"{flag}: a decoder reads at the text's own last token, of which every window "
                "would have another",
                hint="Windows are for encoders, which put special tokens around each.",
            )
        size = classifier.encoder.max_length
        if size is None:
            raise ConfigurationError(
                f"{flag}: nothing limits the length of the model's texts, so that all fit",
                hint="Say how long a window is with --max-length.",
            )
        around = classifier.encoder.special_around()
        if around is None or not sum(around):
            raise UnsupportedModelError(
                f"{flag}: it cannot be told which special tokens stand around a text, and are to "
                "stand around a window"
            )
        room = size - sum(around)
        if overlap >= room:
            raise ConfigurationError(
                f"{flag}: a window holds {counted(room, 'token')} of the text beside the special "
                "ones, and must share fewer with the one before"
            )
        return Windows(size, overlap, *around)

    @property
    def words(self) -> str:
        """As reports say it."""
        return (
            f"read in windows of {counted(self.size, 'token')}, each sharing {self.overlap} with "
            "the one before; the logits are the mean of the windows', the attention is that of all "
            "windows, and a unit is left out of those that hold it, which stay where they are"
        )

    def divide(self, text: EncodedTokens) -> EncodedWindows:
        """A text's windows, from its first token on; the last is as long as what is left."""
        n = text.n_tokens - self.n_before - self.n_behind
        room = self.size - self.n_before - self.n_behind
        starts = range(0, max(n - self.overlap, 1), room - self.overlap)
        parts = [self._part(text, start, min(start + room, n)) for start in starts]
        windows, held = zip(*parts, strict=True)
        return EncodedWindows(
            text.example, text.units, False, text.candidates, windows=windows, held=held
        )

    def _part(
        self, text: EncodedTokens, start: int, end: int
    ) -> tuple[EncodedTokens, tuple[int, ...]]:
        """Some of its tokens among the special ones, and which units they belong to."""

        def cut(row: tuple[int, ...]) -> tuple[int, ...]:
            first, last = self.n_before, len(row) - self.n_behind
            return row[:first] + row[first + start : first + end] + row[last:]

        units = cut(text.unit_of_position)
        held = tuple(sorted(set(units) - {NOT_AUDITED}))
        number = {unit: i for i, unit in enumerate(held)} | {NOT_AUDITED: NOT_AUDITED}
        window = replace(
            text,
            units=tuple(text.units[unit] for unit in held),
            unit_of_position=tuple(number[unit] for unit in units),
            token_ids=cut(text.token_ids),
            token_type_ids=cut(text.token_type_ids),
        )
        return window, held


@dataclass(frozen=True)
class WindowedBatch(Batch):
    """Texts, and a batch of all their windows; `sequence` is a window among these."""

    windows: Batch
    text: Int[Tensor, " sequence"]
    place: Int[Tensor, " sequence"]
    """Which of its text's windows each is."""
    unit: Int[Tensor, "sequence held"]
    """Of each window's units their numbers in the text; 0 in the padding."""

    @cached_property
    def n_windows(self) -> Int[Tensor, " batch"]:
        """Of each text."""
        return self.text.bincount(minlength=len(self))

    def placed(self, values: Shaped[Tensor, "sequence ..."]) -> Shaped[Tensor, "batch place ..."]:
        """What windows have, text by text; zeros where a text has fewer than another."""
        out = values.new_zeros(len(self), int(self.n_windows.max()), *values.shape[1:])
        return out.index_put((self.text, self.place), values)

    def mean(self, values: Float[Tensor, "sequence ..."]) -> Float[Tensor, "batch ..."]:
        """Of each text's windows, which all count the same."""
        n = self.n_windows.reshape(-1, *[1] * (values.dim() - 1))
        return self.placed(values).sum(dim=1) / n

    def share(self, parts: Float[Tensor, "sequence token"]) -> Float[Tensor, "sequence token"]:
        """Parts in a window's output as parts in its text's."""
        return parts / self.n_windows[self.text].unsqueeze(1)

    def over_text(
        self, values: Float[Tensor, "sequence row held"]
    ) -> Float[Tensor, "sequence row unit"]:
        """Over the whole text's units: 0 at those that a window does not hold."""
        out = values.new_zeros(*values.shape[:2], self.unit_mask.shape[1])
        held = values * self.windows.unit_mask.unsqueeze(1)
        return out.scatter_add(2, self.unit.unsqueeze(1).expand_as(held), held)

    def over_windows(
        self, values: Shaped[Tensor, "sequence variant *row unit"]
    ) -> Shaped[Tensor, "sequence variant *row held"]:
        """Over each window's own units; 0, or False, in the padding."""
        middle = (1,) * (values.dim() - 2)
        index = self.unit.reshape(len(self.unit), *middle, -1).expand(*values.shape[:-1], -1)
        return values.gather(-1, index) * self.windows.unit_mask.reshape(
            index.shape[0], *middle, -1
        )

    def rows_of_texts(
        self, values: Shaped[Tensor, "sequence row *rest"], n_heads: int
    ) -> Shaped[Tensor, "batch _ *rest"]:
        """The rows of all windows as their text's, head by head and in each window by window."""
        shape = values.shape[2:]
        n_rows = values.shape[1] // n_heads
        placed = self.placed(values.reshape(len(values), n_heads, n_rows, *shape))
        return placed.transpose(1, 2).reshape(len(self), -1, *shape)

    def rows_of_windows(
        self, values: Shaped[Tensor, "batch variant row *rest"], n_heads: int
    ) -> Shaped[Tensor, "sequence variant _ *rest"]:
        """The way back."""
        n_variants, shape = values.shape[1], values.shape[3:]
        by_place = values.reshape(
            len(self), n_variants, n_heads, int(self.n_windows.max()), -1, *shape
        )
        return by_place.movedim(3, 1)[self.text, self.place].flatten(2, 3)

    def sum_over_units(
        self, values: Float[Tensor, "sequence token"]
    ) -> Float[Tensor, "batch unit"]:
        """Add up the values of each unit's tokens, in every window that holds them."""
        held = self.windows.sum_over_units(values).unsqueeze(1)
        return self.placed(self.over_text(held).squeeze(1)).sum(dim=1)


class WindowedModel(AuditedModel):
    """A classifier whose long texts are read in windows, each of them by the model that it wraps.

    Raises:
        UnsupportedModelError: Windows of different lengths disturb each other in it.
    """

    def __init__(self, model: HuggingFaceModel, windows: Windows) -> None:
        if not model.pads_texts:
            raise UnsupportedModelError(
                f"--window-overlap: {model.not_shared_because}, and the last window of a text is "
                "shorter than the others"
            )
        self._model = model
        self._windows = windows
        self.task = model.task
        self.layers = model.layers
        self.default_site = model.default_site
        self.no_attention_because = model.no_attention_because
        self.no_attention_hint = model.no_attention_hint
        self.module = model.module
        self.unit = model.unit
        self.device = model.device

    @property
    def dtype(self) -> torch.dtype:
        """The model's."""
        return self._model.dtype

    def describe(self) -> ModelDescription:
        """The model, and how long texts are read."""
        description = self._model.describe()
        details = {**description.details, LONG_TEXTS: self._windows.words}
        return description.model_copy(update={"details": details, "linear_readout": False})

    def n_rows(self, site: Site, n_tokens: int) -> int:
        """Of all windows, of which only the last is not full."""
        n_windows = -(-n_tokens // self._windows.size)
        return n_windows * self._model.n_rows(site, min(n_tokens, self._windows.size))

    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """Texts as windows; none is cut."""
        encoder = replace(self._model.classifier.encoder, max_length=None)
        return [self._windows.divide(text) for text in encoder.encode(examples)]

    def collate(self, encoded: Sequence[EncodedExample]) -> WindowedBatch:
        """All windows of all texts as one batch of the model's."""
        texts = [item for item in encoded if isinstance(item, EncodedWindows)]
        windows = self._model.collate([window for item in texts for window in item.windows])
        held = [torch.tensor(units) for item in texts for units in item.held]
        n_windows = torch.tensor([item.n_windows for item in texts])
        return WindowedBatch(
            encoded=tuple(texts),
            unit_mask=unit_mask_of(texts, self.device),
            windows=windows,
            text=torch.arange(len(texts)).repeat_interleave(n_windows).to(self.device),
            place=torch.cat([torch.arange(n) for n in n_windows.tolist()]).to(self.device),
            unit=pad_sequence(held, batch_first=True).to(self.device),
        )

    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        """One pass over all windows."""
        assert isinstance(batch, WindowedBatch)
        readings = self._model.read(batch.windows, sites)
        return [
            self._reading(batch, site, reading)
            for site, reading in zip(sites, readings, strict=True)
        ]

    def _reading(self, batch: WindowedBatch, site: Site, of_windows: Reading) -> Reading:
        logits = batch.mean(of_windows.logits)
        if not self.layers:
            return without_rows(batch, logits)
        rows = self._rows_of_texts(batch, site, of_windows)

        def replay(attention: VariantAttention, mass: Mass | None = None) -> VariantLogits:
            new = self._of_windows(batch, site, attention, mass)
            return batch.mean(of_windows.replay(*new))

        return Reading(**vars(rows), logits=logits, replay=replay)

    def _n_heads(self, site: Site) -> int:
        return self.layers[site.layer].n_heads if site.head is None else 1

    def _rows_of_texts(self, batch: WindowedBatch, site: Site, own: RowWeights) -> RowWeights:
        of_texts = partial(batch.rows_of_texts, n_heads=self._n_heads(site))
        admissible = batch.over_text(own.admissible.to(own.attention.dtype)) > 0
        return RowWeights(
            attention=of_texts(batch.over_text(own.attention)),
            admissible=of_texts(admissible),
            mass=of_texts(own.mass),
            rest=of_texts(own.rest),
            row_mask=of_texts(own.row_mask),
        )

    def _of_windows(
        self, batch: WindowedBatch, site: Site, attention: Tensor, mass: Mass | None
    ) -> tuple[Tensor, Tensor | None]:
        """What a text's rows are to have, as what its windows' are."""
        n_heads = self._n_heads(site)
        new = batch.over_windows(batch.rows_of_windows(attention, n_heads))
        if mass is None or mass.dim() == 3:
            return new, None if mass is None else batch.rows_of_windows(mass, n_heads)
        return new, batch.rows_of_windows(mass.unsqueeze(1), n_heads)[:, 0]

    def embed(self, batch: Batch) -> Embeddings:
        """The embeddings of all windows, those of what they share once in each."""
        assert isinstance(batch, WindowedBatch)
        return self._model.embed(batch.windows)

    def forward(
        self, batch: Batch, embeddings: Embeddings, hold_attention: bool, rules: Rules | None = None
    ) -> Logits:
        """The mean of what the windows give."""
        assert isinstance(batch, WindowedBatch)
        others = self._rules(batch, rules or {})
        return batch.mean(self._model.forward(batch.windows, embeddings, hold_attention, others))

    def _rules(self, batch: WindowedBatch, rules: Rules) -> Rules:
        def ruled(site: Site, rule: Rule, own: RowWeights) -> NewWeights:
            attention, mass = rule(self._rows_of_texts(batch, site, own))
            new, new_mass = self._of_windows(batch, site, attention.unsqueeze(1), mass)
            return NewWeights(new[:, 0], new_mass)

        return {site: partial(ruled, site, rule) for site, rule in rules.items()}

    @property
    def no_gradient_because(self) -> str | None:
        """As of the model."""
        return self._model.no_gradient_because

    def baseline(self, batch: Batch) -> Embeddings:
        """The model's."""
        assert isinstance(batch, WindowedBatch)
        return self._model.baseline(batch.windows)

    @property
    def not_whole_because(self) -> str | None:
        """As of the model."""
        return self._model.not_whole_because

    def read_whole(self, batch: Batch, *, differentiable: bool = False) -> WholeAttention:
        """Each window's, whose readout is a part of its text's."""
        assert isinstance(batch, WindowedBatch)
        whole = self._model.read_whole(batch.windows, differentiable=differentiable)
        return replace(
            whole,
            logits=batch.mean(whole.logits),
            outputs=batch.mean(whole.outputs),
            readout=batch.share(whole.readout),
        )

    @property
    def no_states_because(self) -> str | None:
        """As of the model."""
        return self._model.no_states_because

    def states(self, batch: Batch) -> ReadoutStates:
        """Each window's."""
        assert isinstance(batch, WindowedBatch)
        states = self._model.states(batch.windows)
        return replace(states, readout=batch.share(states.readout))

    @property
    def removals(self) -> Mapping[str, Removal]:
        """Within each window."""
        return self._model.removals

    def erase(self, batch: Batch, keep: KeptUnits, operator: str | None = None) -> VariantLogits:
        """Leave units out of the windows that hold them, which stay where they are.

        A window of which no unit is left is read as the special tokens around it, and counts.
        """
        assert isinstance(batch, WindowedBatch)
        held = batch.over_windows(keep[batch.text])
        return batch.mean(self._model.erase(batch.windows, held, operator))

    def intervene(self, batch: Batch, rules: Rules) -> Logits:
        """In every window."""
        assert isinstance(batch, WindowedBatch)
        return batch.mean(self._model.intervene(batch.windows, self._rules(batch, rules)))


def in_windows(model: HuggingFaceModel, overlap: int | None) -> AuditedModel:
    """The model with windows for texts that do not fit; without an overlap itself: they are cut.

    Raises:
        ConfigurationError: There is nothing to divide, or the overlap is as long as a window.
        UnsupportedModelError: It reads texts in a way that windows would change.
    """
    if overlap is None:
        return model
    return WindowedModel(model, Windows.of(model.classifier, overlap))
