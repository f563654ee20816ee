"""How numbers are written for people: as many digits as say something, intervals in brackets."""

from collections.abc import Callable
from functools import partial

from attn_audit.statistics.summary import CountedShare, Distribution, Interval


def count(n: int) -> str:
    """A whole number with its thousands apart.

    Example:
        >>> count(1821)
        '1,821'
    """
    return f"{n:,}"


def counted(n: int, noun: str) -> str:
    """A number and what it counts, in the singular or with an s.

    Example:
        >>> counted(1, "example"), counted(1821, "example")
        ('1 example', '1,821 examples')
    """
    return f"{count(n)} {noun}" if n == 1 else f"{count(n)} {noun}s"


def number(value: float, decimals: int = 2) -> str:
    """A measured number, never `-0.00`; one too small for its digits says so.

    Example:
        >>> number(0.2013), number(-0.0001), number(0.0004, 3), number(0.0, 3)
        ('0.20', '0.00', '<0.001', '0.000')
    """
    if decimals > 2 and 0 < value < 0.5 * 10**-decimals:
        return f"<{10**-decimals:.{decimals}f}"
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def signed(value: float) -> str:
    """A number from -1 to 1 in four characters, its sign in front.

    Example:
        >>> signed(0.342), signed(-0.05), signed(-0.001), signed(1.0)
        ('+.34', '-.05', '.00', '+1.0')
    """
    rounded = round(value, 2)
    if rounded == 0:
        return ".00"
    return f"{rounded:+.1f}" if abs(rounded) >= 1 else f"{rounded:+.2f}".replace("0.", ".", 1)


def scientific(value: float) -> str:
    """A very small number, of which only the size says something.

    Example:
        >>> scientific(3.2e-8), scientific(0.0)
        ('3e-8', '0')
    """
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}" if value else "0"


def weight(value: float, largest: float) -> str:
    """A unit's weight, in digits that tell it from the largest beside it.

    Example:
        >>> weight(0.58, 0.6), weight(0.012, 0.04), weight(0.00012, 0.0002)
        ('0.58', '0.012', '1e-4')
    """
    return scientific(value) if largest < 0.01 else number(value, 2 if largest >= 0.1 else 3)


def deviation(value: float) -> str:
    """How far two numbers are apart that should be equal.

    Example:
        >>> deviation(3.2e-8), deviation(0.02), deviation(0.0)
        ('3e-8', '0.02', '0')
    """
    return scientific(value) if value < 1e-3 else f"{value:.3g}"


def percent(share: float, decimals: int | None = None) -> str:
    """A share from 0 to 1 in percent: with a decimal near the ends, where it tells something.

    Example:
        >>> percent(0.3766), percent(0.0023), percent(0.0002), percent(0.99996), percent(1.0)
        ('38%', '0.2%', '<0.1%', '>99.9%', '100%')
        >>> percent(0.7520, decimals=1)
        '75.2%'
    """
    if share in (0, 1):
        return f"{share:.0%}"
    if decimals is None:
        decimals = 1 if not 0.1 <= share <= 0.9 else 0
    edge = 0.5 * 10 ** -(decimals + 2)
    if share < edge:
        return f"<{2 * edge:.{decimals}%}"
    return f">{1 - 2 * edge:.{decimals}%}" if share > 1 - edge else f"{share:.{decimals}%}"


def exact(value: float, *, is_share: bool) -> str:
    """A limit, which is exact: as short as it was given.

    Example:
        >>> exact(0.05, is_share=True), exact(0.125, is_share=True), exact(0.7, is_share=False)
        ('5%', '12.5%', '0.7')
    """
    return f"{100 * value:g}%" if is_share else f"{value:g}"


def with_interval(
    value: float, interval: Interval | None, written: int | Callable[[float], str] = 2
) -> str:
    """A number or a share, and its 95 % interval where it has one that is no single number.

    Args:
        written: Decimals, or what writes such numbers.

    Example:
        >>> with_interval(0.2, Interval(low=0.057, high=0.51, method="wilson"), percent)
        '20% [5.7%, 51%]'
    """
    if isinstance(written, int):
        written = partial(number, decimals=written)
    if interval is None or interval.low == interval.high:
        return written(value)
    return f"{written(value)} [{written(interval.low)}, {written(interval.high)}]"


def digits(*distributions: Distribution | None) -> int:
    """Decimals that keep the ends of the narrowest interval apart: 2 to 4."""
    known = [d.interval for d in distributions if d is not None and d.interval is not None]
    narrowest = min((i.high - i.low for i in known if i.high > i.low), default=1.0)
    return 2 + (narrowest < 0.015) + (narrowest < 0.0015)


def mean(distribution: Distribution, decimals: int | None = None) -> str:
    """A mean and its interval: `0.20 [0.19, 0.21]`; `-` where no example has the number."""
    if distribution.mean is None:
        return "-"
    decimals = digits(distribution) if decimals is None else decimals
    return with_interval(distribution.mean, distribution.interval, decimals)


def mean_percent(distribution: Distribution) -> str:
    """The mean of shares and its interval: `24% [23%, 26%]`; `-` where no example has one."""
    if distribution.mean is None:
        return "-"
    return with_interval(distribution.mean, distribution.interval, percent)


def share(part: CountedShare, decimals: int | None = None) -> str:
    """A share and its interval: `38% [35%, 40%]`; `-` where there is nothing to share."""
    if part.share is None:
        return "-"
    return with_interval(part.share, part.interval, partial(percent, decimals=decimals))


def difference(change: float, interval: Interval | None, decimals: int = 3) -> str:
    """A difference with its sign and interval: `-0.018 [-0.029, -0.007]`.

    Example:
        >>> difference(-0.0004, None), difference(0.0126, None)
        ('0.000', '+0.013')
    """

    def written(value: float) -> str:
        rounded = round(value, decimals) + 0.0
        return f"{rounded:+.{decimals}f}" if rounded else f"{0:.{decimals}f}"

    return with_interval(change, interval, written)


def points(change: Distribution) -> str:
    """A mean change of a share in percentage points, with its sign and interval.

    Example:
        >>> interval = Interval(low=-0.021, high=-0.004, method="bootstrap")
        >>> points(Distribution(n=9, mean=-0.012, sd=0.1, interval=interval, minimum=-1,
        ...                     maximum=1))
        '-1.2 [-2.1, -0.4]'
    """
    if change.mean is None:
        return "-"
    value = f"{round(100 * change.mean, 1) + 0.0:+.1f}"
    if change.interval is None:
        return value
    low, high = 100 * change.interval.low, 100 * change.interval.high
    return f"{value} [{round(low, 1) + 0.0:+.1f}, {round(high, 1) + 0.0:+.1f}]"


def short(sha256: str | None) -> str:
    """The first digits of a hash: enough to tell two files apart.

    Example:
        >>> short("0123456789abcdef"), short(None)
        ('0123456789ab', 'none')
    """
    return "none" if sha256 is None else sha256[:12]


def duration(seconds: float) -> str:
    """A duration to about two digits.

    Example:
        >>> duration(0.04), duration(7.31), duration(95.0), duration(5000.0)
        ('0.1 s', '7.3 s', '1.6 min', '1.4 h')
    """
    if seconds < 60:
        return f"{max(seconds, 0.1):.{0 if seconds >= 10 else 1}f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
