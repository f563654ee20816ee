"""What runs in the page, what it reads, and the policy that keeps everything else from running."""

import json
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

_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


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
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)


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
