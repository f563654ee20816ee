"""Valid bytes and values made invalid in small ways, by a source of chance that says which."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

NASTY_TEXTS = (
    "", " ", "\0", "\x1b[31mred\x1b]8;;http://x\x07", "\u202egnp.exe", "\u200b\u2066\ufeff",
    "\ud800", "<script>alert(1)</script>", "](http://x) | `#@", "../../../etc/passwd", "/dev/zero",
    "file:///etc/passwd", "s3://nowhere/x", "=1+1", "NaN", "null", "-1", "1e309", "日本語",
    "a" * 5000, "w5 " * 300, "{0}", "%s%n", "$(id)", "CON", "~", "\U000e0041", "\r\n", "שלום", "memory://x",
)  # fmt: skip
NASTY_NUMBERS = (
    0, 1, -1, 2, 127, 128, 255, 256, 65_535, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63,
    2**64, 10**12, -(2**63), 10**30, 0.0, -0.0, 0.5, 1e-300, 1e300, float("nan"), float("inf"),
)  # fmt: skip
NASTY_BYTES = (
    b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\r\n", b"\n", b"\r", b"\x1b[2J", b"\xc0\xaf",
    b"\xff" * 8, b"\x7f" + b"\xff" * 3, b"\0" * 8, b"\xed\xa0\x80", b"9" * 5000, b"[" * 3000,
    b'{"a":' * 3000, b'"', b"'", b"\\", b"{}", b"\xe2\x80\xae", b"nan", b"1e999", b"\0\0\0\x80",
)  # fmt: skip


def changed_bytes(content: bytes, random: Random) -> bytes:
    """The same bytes with one to four changes: flipped, cut, doubled, inserted, replaced.

    Args:
        content: Any.
        random: Says what is changed.
    """
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        _change(changed, random)
    return bytes(changed)


def _change(content: bytearray, random: Random) -> None:
    at = random.randint(0, len(content))
    length = min(random.choice((1, 2, 4, 8, 16, 64, 1024)), len(content) - at)
    match random.randrange(7):
        case 0 if length:
            content[at] ^= 1 << random.randrange(8)
        case 1:
            del content[at:]
        case 2:
            del content[at : at + length]
        case 3:
            content[at:at] = content[at : at + length] * random.choice((1, 2, 50))
        case 4:
            content[at:at] = random.choice(NASTY_BYTES)
        case 5:
            nasty_bytes = random.choice(NASTY_BYTES)
            content[at : at + len(nasty_bytes)] = nasty_bytes
        case _:
            content[at : at + length] = bytes(random.randrange(256) for _ in range(length))


def changed_value(value: Any, random: Random) -> Any:
    """The same tree of dicts and lists with one to three nodes of another kind, gone, or doubled.

    Args:
        value: As JSON or TOML has it; left as it is.
        random: Says what is changed.
    """
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        value = _with(value, random.choice(list(_places(value, ()))), random)
    return value


def nasty(value: Any, random: Random) -> Any:
    """Something else in the place of a value.

    Args:
        value: That stood there.
        random: Says what stands there now.
    """
    text, number = random.choice(NASTY_TEXTS), random.choice(NASTY_NUMBERS)
    choices: list[Any] = [text, text, text, number, number, number]
    choices += [None, True, False, [], {}, [value], {"a": value}, [text, number], {text: number}]
    if isinstance(value, str):
        choices += [value + text, text + value, value[: len(value) // 2], value.upper()]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        choices += [-value, value + 1, value * 1000, str(value), value / 3]
    elif isinstance(value, list):
        choices += [value * 2, value[:-1], value[::-1], [value] * 3]
    if random.random() < 0.03:
        return deep(random.choice((90, 300)), random.choice((True, False)))
    return random.choice(choices)


def deep(depth: int, is_list: bool) -> Any:
    """A list in a list, or a dict in a dict, and so on.

    Args:
        depth: How often.
        is_list: Or a dict.
    """
    value: Any = 0
    for _ in range(depth):
        value = [value] if is_list else {"a": value}
    return value


def written_json(value: Any) -> bytes:
    """JSON of anything; what is too deep for the library is replaced by what is deeper still.

    Args:
        value: Any tree.
    """
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b'{"schema_version": 4, "a": ' + b"[" * 5000 + b"]" * 5000 + b"}"


def _places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield path
    if len(path) > 100:
        return
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _places(part, (*path, key))
    elif isinstance(value, list) and len(value) < 200:
        for index, part in enumerate(value):
            yield from _places(part, (*path, index))


def _with(value: Any, path: tuple[Any, ...], random: Random) -> Any:
    if not path:
        return nasty(value, random)
    key, *rest = path
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copy[key] = _with(copy[key], tuple(rest), random)
        return copy
    action = random.random()
    if action < 0.15:
        del copy[key]
    elif action < 0.25 and isinstance(copy, dict):
        copy[random.choice(NASTY_TEXTS)] = copy.pop(key)
    elif action < 0.3 and isinstance(copy, dict):
        copy[f"{key}x"] = copy[key]
    else:
        copy[key] = nasty(copy[key], random)
    return copy
