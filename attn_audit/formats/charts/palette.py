"""The colours of figures: fixed in files, the page's own variables in the page."""

from dataclasses import dataclass, fields
from typing import Any

from attn_audit.document import Hue


@dataclass(frozen=True)
class Palette:
    """What things are drawn in; told apart by every kind of eye, and never by colour alone."""

    ink: str
    """Text and marks over colour."""
    faint: str
    """Axes and their numbers."""
    grid: str
    ground: str
    gradient: str
    leave_one_out: str
    yardstick: str
    other: str
    low: str
    """Below 0, in grids."""
    high: str
    """Above 0, in grids."""
    font: str

    def of(self, hue: Hue) -> str:
        """The colour of what a mark belongs to."""
        found: str = getattr(self, hue.name.lower())
        return found


FILES = Palette(
    ink="#1b1e23", faint="#5a616b", grid="#e3e5e8", ground="#ffffff",
    gradient="#0072b2", leave_one_out="#d55e00", yardstick="#6b7280",
    other="#009e73", low="#56b4e9", high="#e69f00", font="Liberation Sans, DejaVu Sans, sans-serif",
)  # fmt: skip
"""Okabe and Ito's colours (2008, "Color universal design")."""

_VARIABLES = {f.name: f"var(--{f.name.replace('_', '-')})" for f in fields(Palette)}
PAGE = Palette(**_VARIABLES | {"font": "system-ui, sans-serif"})
"""Resolved by the page's style sheet: light, dark and print need no second drawing."""


def configuration(palette: Palette) -> dict[str, Any]:
    """Vega-Lite's `config`: the look that all figures share."""
    axis = {
        "labelColor": palette.faint,
        "titleColor": palette.faint,
        "titleFontWeight": "normal",
        "domainColor": palette.faint,
        "tickColor": palette.faint,
        "gridColor": palette.grid,
        "labelFontSize": 12,
        "titleFontSize": 12,
    }
    return {
        "font": palette.font,
        "background": "transparent",
        "view": {"stroke": None},
        "axis": axis,
        "header": {"labelColor": palette.ink, "labelFontSize": 13, "labelFontWeight": "bold"},
        "legend": {"labelColor": palette.ink, "titleColor": palette.faint, "labelFontSize": 12},
        "text": {"color": palette.ink},
    }
