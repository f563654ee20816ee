"""The figures of documents, for the page and as files.

Importing what is in here imports Altair: only what draws does so.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import vl_convert

from attn_audit.document import Figure
from attn_audit.errors import OutputError
from attn_audit.files import problem_of, replacing
from attn_audit.formats.charts.figures import specification
from attn_audit.formats.charts.palette import FILES

SCALE = 3
"""Pixels of a PNG for each pixel of the figure: sharp in print at the width of a column."""

BACKGROUND = "white"

FORMATS: dict[str, Callable[[str], bytes]] = {
    ".svg": lambda text: vl_convert.vegalite_to_svg(text).encode("utf-8"),
    ".png": lambda text: vl_convert.vegalite_to_png(text, scale=SCALE),
    ".pdf": vl_convert.vegalite_to_pdf,
}


def write_figures(figures: Sequence[Figure], folder: Path) -> tuple[Path, ...]:
    """Write figures as PNG, SVG and PDF.

    Args:
        folder: Made if it does not exist; files of the same names are replaced.

    Returns:
        The files, in the order of the figures.

    Raises:
        OutputError: The folder cannot be made, or a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, problem_of(error)) from None
    written = []
    for figure in figures:
        title = {"text": figure.title, "anchor": "start", "offset": 12}
        made = specification(figure, FILES)
        text = json.dumps({**made, "title": title, "background": BACKGROUND, "padding": 12})
        for suffix, drawn in FORMATS.items():
            written.append(folder / f"{figure.name}{suffix}")
            with replacing(written[-1]) as temporary:
                temporary.write_bytes(drawn(text))
    return tuple(written)
