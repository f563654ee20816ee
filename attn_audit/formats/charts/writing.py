"""Figures as specifications for a page, and as files for a paper."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import vl_convert

from attn_audit.errors import OutputError
from attn_audit.files import problem_of, replacing
from attn_audit.formats.charts.figure import Figure
from attn_audit.formats.charts.palette import FILES, Palette, configuration
from attn_audit.results.report import Report

SCALE = 3
"""Pixels of a PNG for each pixel of the figure: sharp in print at the width of a column."""

BACKGROUND = "white"

FORMATS: dict[str, Callable[[str], bytes]] = {
    ".svg": lambda text: vl_convert.vegalite_to_svg(text).encode("utf-8"),
    ".png": lambda text: vl_convert.vegalite_to_png(text, scale=SCALE),
    ".pdf": vl_convert.vegalite_to_pdf,
}


def specification(figure: Figure, report: Report, palette: Palette) -> dict[str, Any] | None:
    """A figure as Vega-Lite, or None where the report lacks what it shows.

    Args:
        figure: Which one.
        report: Any report.
        palette: Where it goes.
    """
    drawn = figure.draw(report, palette)
    if drawn is None:
        return None
    made: dict[str, Any] = drawn.to_dict(validate=False)  # the tests validate: it takes a while
    return made | {"config": configuration(palette), "description": figure.title}


def write_figures(report: Report, folder: Path, figures: Sequence[Figure]) -> tuple[Path, ...]:
    """Write every figure that the report has data for, as PNG, SVG and PDF.

    Args:
        report: Any report.
        folder: Made if it does not exist; files of the same names are replaced.
        figures: Which ones.

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
        made = specification(figure, report, FILES)
        if made is None:
            continue
        title = {"text": figure.title, "anchor": "start", "offset": 12}
        text = json.dumps({**made, "title": title, "background": BACKGROUND, "padding": 12})
        written += [_write(folder / f"{figure.name}{suffix}", text) for suffix in FORMATS]
    return tuple(written)


def _write(path: Path, text: str) -> Path:
    with replacing(path) as temporary:
        temporary.write_bytes(FORMATS[path.suffix](text))
    return path
