"""Texts divided into windows: parts that a classifier can read, each by itself."""

from dataclasses import dataclass, replace

from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.models.contract import Encoded
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.encoding import TokenEncoded
from attn_audit.models.interception.classifier import NOT_AUDITED
from attn_audit.numbers import counted


@dataclass(frozen=True, slots=True)
class WindowedEncoded(Encoded):
    """An example, and the windows that it is read in: one where it fits."""

    windows: tuple[TokenEncoded, ...]
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
        if classifier.question is not None or classifier.hypotheses is not None:
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
        if classifier.max_length is None:
            raise ConfigurationError(
                f"{flag}: nothing limits the length of the model's texts, so that all fit",
                hint="Say how long a window is with --max-length.",
            )
        around = classifier.special_around
        if around is None or not sum(around):
            raise UnsupportedModelError(
                f"{flag}: it cannot be told which special tokens stand around a text, and are to "
                "stand around a window"
            )
        room = classifier.max_length - sum(around)
        if overlap >= room:
            raise ConfigurationError(
                f"{flag}: a window holds {counted(room, 'token')} of the text beside the special "
                "ones, and must share fewer with the one before"
            )
        return Windows(classifier.max_length, overlap, *around)

    @property
    def words(self) -> str:
        """As reports say it."""
        return (
            f"read in windows of {counted(self.size, 'token')}, each sharing {self.overlap} with "
            "the one before; the logits are the mean of the windows', the attention is that of all "
            "windows, and a unit is left out of those that hold it, which stay where they are"
        )

    def divide(self, text: TokenEncoded) -> WindowedEncoded:
        """A text's windows, from its first token on; the last is as long as what is left."""
        n = text.n_tokens - self.n_before - self.n_behind
        room = self.size - self.n_before - self.n_behind
        starts = range(0, max(n - self.overlap, 1), room - self.overlap)
        parts = [self._part(text, start, min(start + room, n)) for start in starts]
        windows, held = zip(*parts, strict=True)
        return WindowedEncoded(
            text.example, text.units, False, text.candidates, windows=windows, held=held
        )

    def _part(
        self, text: TokenEncoded, start: int, end: int
    ) -> tuple[TokenEncoded, tuple[int, ...]]:
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
