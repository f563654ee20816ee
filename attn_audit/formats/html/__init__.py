"""A document as one self-contained page: no request leaves it, no script but its own runs in it.

Blocks are put into templates; a policy keeps all but its own scripts from it. Small pictures are
SVG that takes its colours from the page, figures are drawn by Vega-Lite. Importing this imports
Altair and Jinja2: only who asks for a page does so.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from html import escape
from importlib.metadata import version
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
    NO_WORD,
    NOT_DECISIVE,
    SHADES,
    SIGNED,
    Block,
    Definitions,
    Document,
    Example,
    Examples,
    Figure,
    Points,
    SignedEstimate,
    Sketch,
    Spread,
)
from attn_audit.errors import OutputError
from attn_audit.files import cache_folder, write_whole
from attn_audit.formats.charts import specification
from attn_audit.formats.palette import PAGE, page_variables
from attn_audit.numbers import mean, number
from attn_audit.quoting import printable

FRAME_HEIGHT = 640
"""Pixels of a notebook's frame."""

MIN_SECTIONS = 4
"""Fewer need no list of them."""

N_LEVELS = 20
"""Steps in which the shades of words differ that no script draws."""

MIN_STACKED = 4
"""Columns of a table whose rows are cards on a phone."""

_SPECIAL = re.compile(r"[<>&]|[^\x00-\x7e]")
"""What could end a script, and what may be no letter: in JSON all of it stands within strings."""


def render(document: Document) -> str:
    """The whole page as UTF-8 text that opens from a file: style, scripts and data are all in it.

    Everything can be read without its scripts but figures and examples.
    """
    blocks = list(document.blocks)
    drawn = {b.name: specification(b, PAGE) for b in blocks if isinstance(b, Figure)}
    examples = next((b for b in blocks if isinstance(b, Examples)), None)
    style = style_sheet()
    scripts = (*((vega(),) if drawn else ()), _static("page.js"))
    return _environment().get_template("page.html.j2").render(
        document=document,
        policy=content_security_policy(scripts, style),
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        figure_data=data(drawn),
        examples=examples,
        example_data="" if examples is None else data({
            "examples": [_example(example) for example in examples.examples],
            "measures": measures(examples),
            "tags": examples.tags,
            "reasons": examples.reasons,
        }),
        has_nav=len(document.sections) >= MIN_SECTIONS,
        links=Links.of(blocks),
    )  # fmt: skip


@dataclass
class Links:
    """What sentences name and the page holds: terms of its glossary, and its examples."""

    terms: Mapping[str, str]
    """Anchors of their definitions."""
    ids: frozenset[str]
    _words: re.Pattern[str]
    _seen: set[str] = field(default_factory=set)

    @staticmethod
    def of(blocks: Sequence[Block]) -> "Links":
        """Those of a page; ids that are numbers may be any other number."""
        glossaries = [b for b in blocks if isinstance(b, Definitions)]
        terms = {word: anchor(of) for block in glossaries for word, of in block.terms.items()}
        shown = (e.id for b in blocks if isinstance(b, Examples) for e in b.examples)
        ids = frozenset(id_ for id_ in shown if not id_.isdigit())
        known = "|".join(re.escape(word) for word in sorted((*terms, *ids), key=len, reverse=True))
        found = rf"|(?<![\w-])(?P<known>{known})(?![\w-])" if known else ""
        return Links(terms, ids, re.compile(rf"`(?P<code>[^`]+)`{found}"))

    def begin(self) -> str:
        """A section begins, and terms are linked anew: each where it is first named."""
        self._seen.clear()
        return ""

    def prose(self, text: str) -> Markup:
        """A text with code between backticks, and with its links."""
        pieces, end = list[Markup](), 0
        for found in self._words.finditer(text):
            pieces += [escape_seen(text[end : found.start()]), self._linked(found)]
            end = found.end()
        return Markup().join((*pieces, escape_seen(text[end:])))

    def _linked(self, found: re.Match[str]) -> Markup:
        code = found["code"]
        if code is not None:
            return Markup("<code>{}</code>").format(printable(code))
        word = found["known"]
        if word in self.ids:
            link = '<a href="#examples" data-example="{0}">{0}</a>'
            return Markup(link).format(printable(word))
        if word in self._seen:
            return escape_seen(word)
        self._seen.add(word)
        return Markup('<a class="term" href="#{}">{}</a>').format(self.terms[word], word)


def escape_seen(text: str) -> Markup:
    """What would act or hide is spelled out."""
    return Markup.escape(printable(text))


def breakable(name: str) -> Markup:
    """A long name breaks behind its dots, and else behind its underscores."""
    return Markup(re.sub(r"([._])", r"\1<wbr>", str(escape_seen(name))))


def anchor(name: str) -> str:
    """Of a definition.

    Example:
        >>> anchor("Kendall's tau")
        'term-kendall-s-tau'
    """
    return "term-" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def framed(document: Document) -> str:
    """The page as part of a notebook: in a frame, so that neither changes how the other looks.

    What runs in the frame can reach nothing but itself.
    """
    return (
        f'<iframe srcdoc="{escape(render(document))}" sandbox="allow-scripts" '
        f'style="width: 100%; height: {FRAME_HEIGHT}px; border: 0"></iframe>'
    )


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
    called = (kind, runs, picture, level, verdicts, measures, distinct, anchor, breakable)
    said = {
        "decisive": DECISIVE, "not_decisive": NOT_DECISIVE, "shades": SHADES, "signed": SIGNED,
        "no_word": NO_WORD, "border": BORDER, "min_stacked": MIN_STACKED,
    }  # fmt: skip
    made.globals |= {function.__name__: function for function in called}
    made.globals |= said
    return made


def _seen(value: object) -> object:
    """Markup is ours; all other text may be anybody's."""
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return printable(str(value)) if is_text else value


def kind(value: object) -> str:
    """Which template shows it."""
    return "Figure" if isinstance(value, Figure) else type(value).__name__


def runs(blocks: Sequence[Block]) -> Iterator[tuple[bool, list[Block]]]:
    """Figures that follow each other stand beside each other."""
    for is_figure, run in groupby(blocks, key=lambda block: isinstance(block, Figure)):
        yield is_figure, list(run)


def level(part: float) -> int:
    """The shade of a part of a whole one; 0 is none."""
    return 0 if part < ALMOST_NOTHING else max(1, round(part * N_LEVELS))


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
                "note": NO_WORD if row.is_blank else "",
            }
            for row in shaded.rows
        ],
        "uniform": example.uniform and printable(example.uniform),
        "tags": example.tags,
        "reasons": example.reasons,
        "sampled": example.is_sampled,
        "measures": {name: float(f"{value:.3g}") for name, value in example.numbers.items()},
    }


def measures(block: Examples) -> dict[str, str]:
    """What some example can be sorted by."""
    known = {name for example in block.examples for name in example.numbers}
    return {name: said for name, said in block.numbers.items() if name in known}


def verdicts(block: Examples) -> dict[str, str]:
    """Tags that some example has, by what the filter calls them."""
    found = {tag for example in block.examples for tag in example.tags}
    return {
        tag: f"{name}: {block.meanings[tag]}" if tag in block.meanings else name
        for tag, name in block.tags.items()
        if tag in found
    }


def distinct(block: Examples, of: str) -> tuple[str, ...]:
    """Labels to choose from: those that are true of some example, or that are predicted."""
    names = (e.gold if of == "gold" else e.predicted for e in block.examples)
    return tuple(sorted({printable(name) for of_example in names for name in of_example}))


def _static(name: str) -> str:
    return files(__package__).joinpath("static", name).read_text(encoding="utf-8")


@cache
def vega() -> str:
    """The libraries that draw: bundling them takes seconds, so they are kept where they can be."""
    with suppress(OSError, OutputError):  # no cache, or no home
        kept = cache_folder() / f"vega-{version('vl-convert-python')}.js"
        if not kept.exists():
            write_whole(kept, _bundled().encode("utf-8"))
        return kept.read_bytes().decode("utf-8")
    return _bundled()


@cache
def _bundled() -> str:
    """Without what would end the script that they stand in."""
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script")


def style_sheet() -> str:
    """With the colours that it names, and a class for each shade of words."""
    steps = range(1, N_LEVELS + 1)
    shades = "".join(f".level-{i} {{ --level: {i / N_LEVELS:g}; }}\n" for i in steps)
    return page_variables() + _static("page.css") + shades


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


WIDTH, ROW = 300, 20

LEFT, RIGHT = 118, 292
"""Ends of an axis, unless names are longer: a point at one is whole."""

CHARACTER = 6
"""Of a name, at most, on average."""

MOST_LEFT = 220
"""Where an axis begins at the latest, however long names are."""

HEIGHT = 56
"""Of a histogram's columns."""

CELL_WIDTH, CELL_HEIGHT = 160, 16
"""Of what stands in a table."""


def picture(value: Points | Sketch | Spread | SignedEstimate | None) -> Markup:
    """A picture of any kind."""
    match value:
        case Points():
            return _points(value)
        case Sketch():
            return _shape(value)
        case Spread():
            return _spread(value)
        case SignedEstimate():
            return _signed_estimate(value)
        case None:
            return Markup()


def _points(found: Points) -> Markup:
    """Numbers below each other on one axis, each with its interval."""
    low, high = found.limits
    names = (CHARACTER * len(printable(name)) for name, *_ in found.rows)
    left = min(MOST_LEFT, max([LEFT, *names]))

    def x(at: float) -> float:
        part = (min(high, max(low, at)) - low) / (high - low)
        return round(left + part * (RIGHT - left), 1)

    lines = []
    for i, (name, value, interval, hue) in enumerate(found.rows):
        first, last = (value, value) if interval is None else (interval.low, interval.high)
        line = Markup(
            '<text x="0" y="{below}">{name}</text>'
            '<line class="track" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>'
            '<line class="span {hue}" x1="{first}" x2="{last}" y1="{y}" y2="{y}"/>'
            '<circle class="{hue}" cx="{at}" cy="{y}" r="5"/>'
        ).format(
            y=ROW * i + ROW // 2, below=ROW * i + ROW // 2 + 4, name=printable(name),
            hue=hue.value, low=x(low), high=x(high), first=x(first), last=x(last), at=x(value),
        )  # fmt: skip
        lines.append(line)
    bottom = ROW * len(found.rows)
    return _whole(bottom + 16, found.said, [*lines, _ends(bottom + 12, (left, RIGHT), found.ends)])


def _shape(found: Sketch) -> Markup:
    """Columns from end to end, the mean marked; nothing where there is no example."""
    shape = found.values.histogram
    if shape is None or found.values.mean is None:
        return Markup()
    peak, width = max(shape.counts), WIDTH / len(shape.counts)
    columns = [
        Markup(
            '<rect class="gradient" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
        ).format(i * width + 0.5, HEIGHT * (1 - count / peak), width - 1, HEIGHT * count / peak)
        for i, count in enumerate(shape.counts)
        if count
    ]
    first, last = shape.edges[0], shape.edges[-1]
    at = round((found.values.mean - first) / (last - first) * WIDTH, 1)
    line = Markup(
        '<line class="track" x1="0" x2="{}" y1="{}" y2="{}"/>'
        '<line class="mean" x1="{}" x2="{}" y1="0" y2="{}"/>'
    ).format(WIDTH, HEIGHT, HEIGHT, at, at, HEIGHT)
    said = f"Examples by {found.name}; mean {mean(found.values)}"
    return _whole(HEIGHT + 16, said, [*columns, line, _ends(HEIGHT + 12, (0, WIDTH), found.ends)])


def _ends(y: int, at: tuple[int, int], ends: tuple[str, str]) -> Markup:
    return Markup(
        '<text class="end" x="{}" y="{}">{}</text>'
        '<text class="end" text-anchor="end" x="{}" y="{}">{}</text>'
    ).format(at[0], y, printable(ends[0]), at[1], y, printable(ends[1]))


def _whole(height: int, said: str, parts: Sequence[Markup]) -> Markup:
    opened = Markup('<svg class="picture" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        WIDTH, height, printable(said)
    )
    return opened + Markup().join(parts) + Markup("</svg>")


def _spread(found: Spread) -> Markup:
    """5 to 95 % thin, the middle half thick, the median a dot."""
    quantiles = found.values.quantiles
    if quantiles is None:
        return Markup()
    low, high = found.limits
    first, start, middle, end, last = (
        round((value - low) / (high - low) * (CELL_WIDTH - 8) + 4, 1) for value in quantiles
    )
    _, first_quartile, median, last_quartile, _ = (number(value, 3) for value in quantiles)
    said = f"middle half {first_quartile} to {last_quartile}, median {median}"
    parts = Markup(
        '<line class="whisker" x1="{first}" x2="{last}" y1="8" y2="8"/>'
        '<line class="box" x1="{start}" x2="{end}" y1="8" y2="8"/>'
        '<circle class="median" cx="{middle}" cy="8" r="3.5"/>'
    ).format(first=first, start=start, middle=middle, end=end, last=last)
    return _in_cell(parts, said)


def _signed_estimate(found: SignedEstimate) -> Markup:
    """A point and its interval to the left or to the right of 0; the cell beside it says it."""

    def x(value: float) -> float:
        return round(CELL_WIDTH / 2 * (1 + 0.95 * value / found.reach), 1)

    interval = found.interval
    span = Markup() if interval is None else Markup(
        '<line class="box" x1="{}" x2="{}" y1="8" y2="8"/>'
    ).format(x(interval.low), x(interval.high))  # fmt: skip
    zero = Markup('<line class="whisker" x1="{0}" x2="{0}" y1="0" y2="16"/>').format(CELL_WIDTH / 2)
    point = Markup('<circle class="median" cx="{}" cy="8" r="3.5"/>').format(x(found.value))
    return _in_cell(zero + span + point, "")


def _in_cell(parts: Markup, said: str) -> Markup:
    """Said to who cannot see it, where no cell beside it says the same."""
    told = Markup('role="img" aria-label="{}"').format(said) if said else 'aria-hidden="true"'
    return Markup(
        '<svg class="strip" width="{w}" height="{h}" viewBox="0 0 {w} {h}" {told}>{parts}</svg>'
    ).format(w=CELL_WIDTH, h=CELL_HEIGHT, told=Markup(told), parts=parts)
