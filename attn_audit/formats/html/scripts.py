"""What runs in the page, what it reads, and the policy that keeps everything else from running."""

import json
import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import vl_convert
from markupsafe import Markup

PARTS = ("charts.js", "shading.js", "examples.js", "start.js")
"""Of our own script, in the order in which they are put together."""

_SPECIAL = re.compile(r"[<>&]|[^\x00-\x7e]")
"""What could end a script, and what may be no letter: in JSON all of it stands within strings."""


@cache
def vega() -> str:
    """The libraries that draw, without what would end the script that they stand in."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace(
        "</script", "<\\/script"
    )


def page_script() -> str:
    """What this project's own JavaScript does, as one script."""
    folder = files(__package__).joinpath("static")
    parts = (folder.joinpath(name).read_text(encoding="utf-8") for name in PARTS)
    return f'"use strict";\n{"".join(parts)}'


def data(value: Any) -> Markup:
    r"""A value as JSON that can stand in a script element: nothing in it ends that element.

    Args:
        value: Of plain types.

    Example:
        >>> data({"text": "</script>"})
        Markup('{"text":"\\u003c/script\\u003e"}')
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(_SPECIAL.sub(_escaped, text))


def _escaped(found: re.Match[str]) -> str:
    """Letters stay as they are; what ends scripts, acts on a terminal or hides is spelled out."""
    character = found[0]
    if character.isprintable() and character not in "<>&":
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def content_security_policy(scripts: Sequence[str], style: str) -> str:
    """Nothing is loaded from anywhere; only these scripts run, only this style applies.

    Args:
        scripts: Every script of the page, as it stands between its tags.
        style: The style sheet, likewise.
    """
    hashes = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
