"""A document as one self-contained page: no request leaves it, no script but its own runs in it.

Blocks are put into templates; a policy keeps all but its own scripts from it. Importing this
imports Altair and Jinja2: only who asks for a page does so.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from itertools import groupby
from typing import Any

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from attn_audit.document import (
    ALMOST_NOTHING,
    BORDER,
    DECISIVE,
    NOT_DECISIVE,
    SIGNED,
    Block,
    Document,
    Example,
    Examples,
    Figure,
    Folded,
    Notice,
    Spread,
    Table,
)
from attn_audit.formats.charts import specification
from attn_audit.formats.html import pictures
from attn_audit.formats.palette import PAGE
from attn_audit.quoting import printable

PARTS = ("charts.js", "shading.js", "examples.js", "start.js")
"""Of our own script, in the order in which they are put together."""

HEIGHT = 640
"""Pixels of a notebook's frame."""

MIN_SECTIONS = 4
"""Fewer need no list of them."""

N_LEVELS = 20
"""Steps in which the shades of words differ that no script draws."""

_SPECIAL = re.compile(r"[<>&]|[^\x00-\x7e]")
"""What could end a script, and what may be no letter: in JSON all of it stands within strings."""


def render(document: Document) -> str:
    """The whole page as UTF-8 text that opens from a file: style, scripts and data are all in it.

    Everything can be read without its scripts but figures and examples.
    """
    blocks = list(_all_blocks(block for section in document.sections for block in section.blocks))
    drawn = {b.name: specification(b, PAGE) for b in blocks if isinstance(b, Figure)}
    examples = next((b for b in blocks if isinstance(b, Examples)), None)
    style = _static("page.css")
    scripts = (*((vega(),) if drawn else ()), page_script())
    return _environment().get_template("page.html.j2").render(
        document=document,
        policy=content_security_policy(scripts, style),
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        figure_data=data(drawn),
        examples=examples,
        example_data="" if examples is None else data({
            "examples": [_example(example) for example in examples.examples],
            "measures": _measures(examples),
            "tags": examples.tags,
            "reasons": examples.reasons,
        }),
        has_nav=len(document.sections) >= MIN_SECTIONS,
    )  # fmt: skip


def framed(document: Document) -> str:
    """The page as part of a notebook: in a frame, so that neither changes how the other looks.

    What runs in the frame can reach nothing but itself.
    """
    return (
        f'<iframe srcdoc="{escape(render(document))}" sandbox="allow-scripts" '
        f'style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
    )


def _all_blocks(blocks: Iterator[Block] | Sequence[Block]) -> Iterator[Block]:
    """Those within others too."""
    for block in blocks:
        yield block
        if isinstance(block, Folded | Notice):
            yield from _all_blocks(block.blocks)


@cache
def _environment() -> Environment:
    """Escapes whatever is put in, after spelling out what would not be seen."""
    made = Environment(
        loader=PackageLoader("attn_audit.formats.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals |= {
        "kind": _kind,
        "runs": _runs,
        "picture": pictures.picture,
        "level": level,
        "signed": SIGNED,
        "border": BORDER,
        "decisive": DECISIVE,
        "not_decisive": NOT_DECISIVE,
        "has_spread": _has_spread,
        "verdicts": _verdicts,
        "measures": _measures,
        "distinct": _distinct,
        "has_signed": _has_signed,
    }
    return made


def _seen(value: object) -> object:
    """Markup is ours; all other text may be anybody's."""
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return printable(str(value)) if is_text else value


def _kind(value: object) -> str:
    """Which template shows it."""
    return "Figure" if isinstance(value, Figure) else type(value).__name__


def _runs(blocks: Sequence[Block]) -> Iterator[tuple[bool, list[Block]]]:
    """Figures that follow each other stand beside each other."""
    for is_figure, run in groupby(blocks, key=lambda block: isinstance(block, Figure)):
        yield is_figure, list(run)


def level(part: float) -> int:
    """The shade of a part of a whole one; 0 is none."""
    return 0 if part < ALMOST_NOTHING else max(1, round(part * N_LEVELS))


def _has_spread(table: Table) -> bool:
    return any(isinstance(cell, Spread) for row in table.rows for cell in row)


def _has_signed(block: Examples) -> bool:
    return any(example.shaded.is_signed for example in block.examples)


def _example(example: Example) -> dict[str, Any]:
    shaded = example.shaded
    return {
        "id": printable(example.id),
        "said": printable(example.said),
        "label": example.label and printable(example.label),
        "gold": list(map(printable, example.gold)),
        "predicted": list(map(printable, example.predicted)),
        "units": list(map(printable, shaded.units)),
        "border": shaded.border,
        "rows": [
            {
                "name": row.name,
                "weights": [float(f"{weight:.3g}") for weight in row.values or ()],
                "under": printable(row.under),
                "full": row.full,
            }
            for row in shaded.rows
        ],
        "uniform": example.uniform and printable(example.uniform),
        "tags": example.tags,
        "reasons": example.reasons,
        "sampled": example.is_sampled,
        "measures": {name: float(f"{value:.3g}") for name, value in example.numbers.items()},
    }


def _measures(block: Examples) -> dict[str, str]:
    """What some example can be sorted by."""
    known = {name for example in block.examples for name in example.numbers}
    return {name: said for name, said in block.numbers.items() if name in known}


def _verdicts(block: Examples) -> dict[str, str]:
    """Tags that some example has, by what the filter calls them."""
    found = {tag for example in block.examples for tag in example.tags}
    return {
        tag: f"{name}: {block.meanings[tag]}" if tag in block.meanings else name
        for tag, name in block.tags.items()
        if tag in found
    }


def _distinct(block: Examples, field: str) -> tuple[str, ...]:
    """Labels to choose from: those that are true of some example, or that are predicted."""
    names = (e.gold if field == "gold" else e.predicted for e in block.examples)
    return tuple(sorted({printable(name) for of_example in names for name in of_example}))


def _static(name: str) -> str:
    return files(__package__).joinpath("static", name).read_text(encoding="utf-8")


@cache
def vega() -> str:
    """The libraries that draw, without what would end the script that they stand in."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace(
        "</script", "<\\/script"
    )


def page_script() -> str:
    """What this project's own JavaScript does, as one script."""
    return f'"use strict";\n{"".join(map(_static, PARTS))}'


def data(value: Any) -> Markup:
    r"""A value as JSON that can stand in a script element: nothing in it ends that element.

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
    """Nothing is loaded from anywhere; only these scripts run, only this style applies."""
    hashes = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
