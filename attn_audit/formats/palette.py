"""The colours of every output: the page and figures on it, figures as files, the terminal."""

from dataclasses import dataclass, fields

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
    first_class: str
    second_class: str
    """Of two classes that the model predicts: in no colour that a measure has."""
    font: str

    def of(self, hue: Hue) -> str:
        """The colour of what a mark belongs to."""
        found: str = getattr(self, hue.name.lower())
        return found


FILES = Palette(
    ink="#1b1e23", faint="#5a616b", grid="#e3e5e8", ground="#ffffff",
    gradient="#0072b2", leave_one_out="#d55e00", yardstick="#6b7280",
    other="#009e73", low="#56b4e9", high="#e69f00", first_class="#882255", second_class="#44aa99",
    font="Liberation Sans, DejaVu Sans, sans-serif",
)  # fmt: skip
"""Okabe and Ito's colours (2008, "Color universal design"); classes have two of Tol's (2021,
"Colour schemes", muted), one dark and one light, so that they differ in grey as well."""

_VARIABLES = {f.name: f"var(--{f.name.replace('_', '-')})" for f in fields(Palette)}
PAGE = Palette(**_VARIABLES | {"font": "system-ui, sans-serif"})
"""Resolved by the page: light, dark and print need no second drawing."""

PAGE_COLOURS = {
    "ground": ("#ffffff", "#14171b"),
    "panel": ("#f5f6f8", "#1e2228"),
    "ink": ("#1b1e23", "#e8eaed"),
    "faint": ("#565d67", "#a5adb8"),
    "grid": ("#dfe2e6", "#343a43"),
    "link": ("#005a9c", "#7cc4f5"),
    "focus": ("#005a9c", "#7cc4f5"),
    "gradient": ("#0072b2", "#56b4e9"),
    "leave-one-out": ("#d55e00", "#f0813a"),
    "yardstick": ("#6b7280", "#a5adb8"),
    "other": ("#009e73", "#3cc9a0"),
    "low": ("#56b4e9", "#1f6fa3"),
    "high": ("#e69f00", "#855d00"),
    "first-class": ("#882255", "#c46090"),
    "second-class": ("#44aa99", "#88d8c8"),
    "shade": ("#f0a020", "#b06a00"),
    "bar": ("#b35900", "#ffb454"),
    "against-shade": ("#56b4e9", "#1f6fa3"),
    "against-bar": ("#005a9c", "#7cc4f5"),
    "pass": ("#00664b", "#5fd3ac"),
    "fail": ("#a3260f", "#ff9d87"),
    "inconclusive": ("#6b5300", "#f0cf6b"),
}
"""Of the page, by the names that its style sheet and `PAGE` have them by: on light ground and in
print, and on dark ground."""


def page_variables() -> str:
    """The page's colours as CSS."""
    light, dark = (
        " ".join(f"--{name}: {both[i]};" for name, both in PAGE_COLOURS.items()) for i in (0, 1)
    )
    return (
        f":root {{ color-scheme: light dark; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )


INK_ON_GROUND = "#1a1a1a"

GROUNDS = ("", "#a39e98", "#b59a78", "#cb9758", "#e58f36", "#ff7f0e")
"""From no weight to the largest, in steps that differ in colour more than in lightness: on a dark
terminal as on a light one the strongest stands out."""

SIGNED_GROUNDS = (
    *("#1498fb", "#309ae9", "#4c9bd7", "#689dc4", "#849eb2"),
    "#a0a0a0",
    *("#b39983", "#c69366", "#d98d48", "#ec862b", "#ff7f0e"),
)
"""From the lowest to the highest, 0 in the middle. Blue and orange are told apart by every kind of
eye."""

AGAINST_GROUNDS = ("", *reversed(SIGNED_GROUNDS[:5]))
"""Of words that speak against the prediction; they are underlined, too."""
