"""A function from texts to probabilities behind the contract: an API, and nothing else of it seen.

Words are its units: they are left out of the text itself, which is then predicted again.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.distances import KeptUnits, Logits, VariantLogits
from attn_audit.errors import (
    AttnAuditError,
    AuditFailedError,
    ConfigurationError,
    IncompatibleDataError,
)
from attn_audit.models.contract import (
    AuditedModel,
    Batch,
    EncodedExample,
    Reading,
    Removal,
    Site,
    Unit,
    unit_mask_of,
    without_rows,
)
from attn_audit.models.task import (
    MAX_DEVIATION,
    Multiclass,
    Multilabel,
    allowed_labels,
    limits_of,
    logits_of,
    mask_candidates,
    match_labels,
    place,
)
from attn_audit.models.units import how_words_are_found, words_in
from attn_audit.quoting import one_line, quoted
from attn_audit.results.model_description import ModelDescription

Predict = Callable[[list[str]], Any]
"""Gets texts and gives an array: a row for each, with the probability of each label."""

N_TOGETHER = 64
"""Texts of one call, at most."""

NEUTRAL_WORD = "[UNK]"
NO_ATTENTION = "`predict` gives probabilities and nothing else"


def wrap_predict(
    predict: Predict,
    labels: Sequence[str],
    *,
    multilabel: bool = False,
    neutral: str = NEUTRAL_WORD,
) -> "BlackBoxModel":
    """Make a function from texts to probabilities ready for `attn_audit.audit`.

    Args:
        predict: Gets a list of texts, and returns an array (text, label) of probabilities, or where
            there are two labels one number a text: the probability of the second. It must give the
            same for a text whatever it is called with beside it.
        labels: In the order of the columns.
        multilabel: Whether each label has a probability of its own; else they sum to 1.
        neutral: Stands for a word that is not to be seen, where words are not deleted.

    Raises:
        ConfigurationError: An argument is not what it should be.

    Example:
        >>> model = wrap_predict(lambda texts: [len(t) / 99 for t in texts], ["short", "long"])
        >>> model.unit, model.layers
        ('word', ())
    """
    if not callable(predict):
        raise ConfigurationError(f"predict must be a function of texts, not {quoted(predict)}")
    task, names = Multilabel if multilabel else Multiclass, labels
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"labels must be a list of names, not {quoted(labels)}")
    if len(set(names)) < len(names) or len(names) < task.n_labels[0]:
        raise ConfigurationError(
            f"labels: there must be {task.n_labels[0]} or more, each once, not {quoted([*names])}"
        )
    if not neutral.strip():
        raise ConfigurationError("neutral must be a word")
    return BlackBoxModel(predict, task(tuple(names)), neutral)


class TextRemoval(Removal):
    """A way to leave words out of a text."""

    @abstractmethod
    def text(self, encoded: EncodedExample, keep: Sequence[bool]) -> str:
        """The text with the words that are kept."""


class WordDeletion(TextRemoval):
    """The words go, with the blanks behind them."""

    words = "deleted"

    def text(self, encoded: EncodedExample, keep: Sequence[bool]) -> str:
        """Of no word at all, the whole text: not every function takes an empty one."""
        whole, units = encoded.example.text, encoded.units
        if all(keep) or not any(keep):
            return whole
        ends = [*(unit.start for unit in units[1:]), len(whole)]
        pieces = (whole[unit.start : end] for unit, end in zip(units, ends, strict=True))
        kept = (piece for piece, stays in zip(pieces, keep, strict=True) if stays)
        return "".join(kept).strip()


class WordReplacement(TextRemoval):
    """A word that says nothing stands in the place of each."""

    def __init__(self, neutral: str) -> None:
        self._neutral = neutral

    @property
    def words(self) -> str:
        """Which one stands for it."""
        return f"replaced by {self._neutral}"

    def text(self, encoded: EncodedExample, keep: Sequence[bool]) -> str:
        """What stands between words stays."""
        whole, found, end = encoded.example.text, "", 0
        for unit, stays in zip(encoded.units, keep, strict=True):
            found += whole[end : unit.start] + (unit.text if stays else self._neutral)
            end = unit.end
        return found + whole[end:]


class BlackBoxModel(AuditedModel):
    """What a function predicts, and what without some words; `wrap_predict` makes it."""

    layers = ()
    default_site = Site(layer=0)
    no_attention_because = no_gradient_because = not_whole_because = NO_ATTENTION
    repeats_exactly = False  # nobody knows where it computes
    unit = "word"
    device = torch.device("cpu")

    def __init__(self, predict: Predict, task: Multiclass | Multilabel, neutral: str) -> None:
        """Nothing is called yet."""
        self.task = task
        self.module = nn.Module().eval()
        self._predict = predict
        self._removals = {"delete": WordDeletion(), "neutral": WordReplacement(neutral)}

    @property
    def logit_limits(self) -> tuple[float, float]:
        """Those of probabilities."""
        return limits_of(self.dtype, compete=self.task.is_softmax)

    def describe(self) -> ModelDescription:
        """Its name, and how words are left out."""
        name = getattr(self._predict, "__name__", type(self._predict).__name__)
        return ModelDescription(
            source="in memory",
            sha256=None,
            format="function",
            architecture=f"{name}, a function from texts to probabilities",
            no_attention_because=self.no_attention_because,
            task=self.task.name,
            labels=self.task.labels,
            sites=(),
            layers=(),
            default_layer=0,
            n_parameters=0,
            dtype="float32",
            linear_readout=False,
            takes_pairs=False,
            details={
                "left out": " or ".join(removal.words for removal in self._removals.values()),
                "without blanks": how_words_are_found(),
            },
        )

    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """Split texts into words."""
        return [self._encoded(example) for example in match_labels(self.task, examples)]

    def _encoded(self, example: Example) -> EncodedExample:
        if example.text_pair is not None:
            raise IncompatibleDataError(
                place(example), "this example has a second text, and predict takes one"
            )
        text = example.text
        units = tuple(Unit(text[start:end], start, end) for start, end in words_in(text))
        candidates = allowed_labels(self.task, example)
        return EncodedExample(example, units, truncated=False, candidates=candidates)

    def collate(self, encoded: Sequence[EncodedExample]) -> Batch:
        """The texts beside each other."""
        return Batch(tuple(encoded), unit_mask_of(encoded, self.device))

    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        """Outputs alone."""
        keep = batch.unit_mask.unsqueeze(1)
        return [without_rows(batch, self.erase(batch, keep)[:, 0])] * len(sites)

    @property
    def removals(self) -> Mapping[str, TextRemoval]:
        """Two: words are deleted, or another stands for them."""
        return self._removals

    def erase(self, batch: Batch, keep: KeptUnits, operator: str | None = None) -> VariantLogits:
        """Leave words out of the texts, each that comes of it predicted once; None: delete them.

        Raises:
            ConfigurationError: There is no such operator.
        """
        if operator is not None and operator not in self._removals:
            known = ", ".join(self._removals)
            raise ConfigurationError(f"words cannot be left out by {operator}: there are {known}")
        removal = self._removals[operator or "delete"]
        texts = [
            removal.text(item, variant[: item.n_units])
            for item, variants in zip(batch.encoded, keep.tolist(), strict=True)
            for variant in variants
        ]
        number = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        found = self._logits(list(number))[[number[text] for text in texts]]
        return mask_candidates(found.reshape(*keep.shape[:2], -1), batch.allowed)

    def _logits(self, texts: Sequence[str]) -> Logits:
        parts = (texts[i : i + N_TOGETHER] for i in range(0, len(texts), N_TOGETHER))
        found = torch.cat([self._probabilities(list(part)) for part in parts])
        return logits_of(found, compete=self.task.is_softmax)

    def _probabilities(self, texts: list[str]) -> Float[Tensor, "text label"]:
        """What the function says of some texts, if it is what was asked for.

        Raises:
            AuditFailedError: It fails, or gives no number.
            ConfigurationError: It gives no probability for each label.
        """
        try:
            returned = self._predict(list(texts))
        except AttnAuditError:
            raise
        except Exception as error:
            raise AuditFailedError(
                f"predict failed on {len(texts)} texts, the first of them {quoted(texts[0])}: "
                f"{type(error).__name__}: {one_line(error)}"
            ) from error
        found = self._as_table(returned, len(texts))
        finite = np.isfinite(found).all(axis=1)
        if not finite.all():
            text = quoted(texts[int(finite.argmin())])
            raise AuditFailedError(f"predict returned NaN or infinity for the text {text}")
        low, high = float(found.min()), float(found.max())
        if low < 0 or high > 1 + MAX_DEVIATION:
            raise ConfigurationError(
                f"predict returned numbers from {low:.3g} to {high:.3g}, which are no "
                "probabilities",
                hint="Return probabilities: of logits their softmax, of scores 0 to 100 a "
                "hundredth.",
            )
        sums = found.sum(axis=1)
        furthest = int(np.abs(sums - 1).argmax())
        if self.task.is_softmax and abs(sums[furthest] - 1) > MAX_DEVIATION:
            raise ConfigurationError(
                f"predict returned probabilities that sum to {sums[furthest]:.3g}, not to 1, for "
                f"the text {quoted(texts[furthest])}",
                hint="Where each label has a probability of its own, say so: "
                "wrap_predict(..., multilabel=True).",
            )
        return torch.from_numpy(found.clip(0, 1)).float()

    def _as_table(self, returned: object, n_texts: int) -> np.ndarray:
        if isinstance(returned, Tensor):
            returned = returned.detach().cpu().double().numpy()
        n_labels = len(self.task.labels)
        wanted = f"an array of {n_texts} x {n_labels}: a row for each text, a column for each label"
        try:
            found = np.asarray(returned, dtype=np.float64)
        except (TypeError, ValueError):
            found = np.array(0.0)
        if found.ndim == 0:
            raise ConfigurationError(
                f"predict returned {quoted(returned)}, which is no array of numbers",
                hint=f"Return {wanted}.",
            )
        if found.ndim == 1 and len(found) == n_texts:
            found = found[:, None]
        if found.shape == (n_texts, 1) and n_labels == 2 and self.task.is_softmax:
            found = np.concatenate([1 - found, found], axis=1)
        if found.shape != (n_texts, n_labels):
            shape = " x ".join(map(str, found.shape))
            raise ConfigurationError(
                f"predict returned an array of {shape} for {n_texts} texts and the labels "
                f"{', '.join(self.task.labels)}",
                hint=f"Return {wanted}.",
            )
        return found
