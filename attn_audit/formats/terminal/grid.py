"""One number for every layer and head as a grid: layers down, heads across, shaded around 0."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from rich.console import Console, ConsoleOptions
from rich.text import Text

from attn_audit.formats.numbers import signed
from attn_audit.formats.pictures import UNICODE
from attn_audit.formats.shading import INK_ON_GROUND, Shading
from attn_audit.formats.terminal.look import FAINT

GROUNDS = (
    *("#1498fb", "#309ae9", "#4c9bd7", "#689dc4", "#849eb2"),
    "#a0a0a0",
    *("#b39983", "#c69366", "#d98d48", "#ec862b", "#ff7f0e"),
)
"""From the lowest to the highest, 0 in the middle. Blue and orange are told apart by every kind of
eye; they differ in colour more than in lightness, and stand out on dark as on light."""

LEAST_LIMIT = 0.5
"""What the strongest shade stands for, at least: else of taus that are all near 0 some would look
as if they were not."""

CELL = 6
LABEL = 8


@dataclass(frozen=True)
class Grid:
    """A number for every layer and head."""

    name: str
    means: Mapping[tuple[int, int], float | None]
    """By layer and head; a pair that is missing is left blank: layers can have fewer heads."""
    limit: float
    """What the strongest shade stands for."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The name, then blocks of as many heads as fit."""
        shading = Shading.of(console)
        yield Text(f"  {self.name}", "bold")
        for heads in self._blocks(options.max_width):
            names = "".join(f"{head:>{CELL - 1}} " for head in heads)
            yield Text(f"  layer {names}", FAINT, no_wrap=True)
            for layer in sorted({layer for layer, _ in self.means}):
                label = Text(f"{layer:>{LABEL - 1}} ", FAINT)
                cells = (self._cell(layer, head, shading) for head in heads)
                yield Text.assemble(label, *cells, no_wrap=True)

    def _blocks(self, width: int) -> Iterator[Sequence[int]]:
        heads = sorted({head for _, head in self.means})
        n_fit = max(1, (width - LABEL) // CELL)
        size = ceil(len(heads) / ceil(len(heads) / n_fit))
        for start in range(0, len(heads), size):
            yield heads[start : start + size]

    def _cell(self, layer: int, head: int, shading: Shading) -> Text:
        mean = self.means.get((layer, head))
        if mean is None:
            mark = "-" if (layer, head) in self.means else ""
            return Text(f"{mark:>{CELL - 1}} ", FAINT)
        written = f"{signed(mean):>{CELL - 1}}"
        level = max(-1.0, min(1.0, mean / self.limit))
        match shading:
            case Shading.COLOUR:
                return Text(f"{written} ", f"{INK_ON_GROUND} on {ground(level)}")
            case Shading.BARS:
                return Text(written + UNICODE.levels[round(abs(level) * 8)])
            case Shading.ASCII:
                return Text(f"{written} ")


def ground(level: float) -> str:
    """The shade of a number.

    Args:
        level: The number over what the strongest shade stands for, -1 to 1.

    Example:
        >>> ground(0.02), ground(-1.0)
        ('#a0a0a0', '#1498fb')
    """
    middle = len(GROUNDS) // 2
    return GROUNDS[middle + round(level * middle)]


def limit_of(means: Iterable[float | None]) -> float:
    """What the strongest shade stands for, the same for all that is held beside each other.

    Args:
        means: All numbers.

    Example:
        >>> limit_of([0.12, None]), limit_of([-0.61, 0.3])
        (0.5, 0.7)
    """
    largest = max((abs(mean) for mean in means if mean is not None), default=0.0)
    return max(LEAST_LIMIT, ceil(10 * largest) / 10)


def scale(limit: float, shading: Shading) -> Text | None:
    """What the shades mean; None where there are none.

    Args:
        limit: What the strongest shade stands for.
        shading: How numbers are shaded.
    """
    match shading:
        case Shading.COLOUR:
            swatches = [Text("  ", f"on {shade}") for shade in GROUNDS]
            ends = Text(f"  {-limit:.1f} ", FAINT), Text(f" +{limit:.1f}; grey: unrelated", FAINT)
            return Text.assemble(ends[0], *swatches, ends[1])
        case Shading.BARS:
            least, most = UNICODE.levels[1], UNICODE.levels[-1]
            return Text(f"  bars: {least} little to {most} {limit:.1f}, above 0 or below", FAINT)
        case Shading.ASCII:
            return None
