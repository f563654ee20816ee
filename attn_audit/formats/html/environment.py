"""How text gets into templates: escaped, with what would not be seen spelled out."""

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from attn_audit.formats.safety import printable


@cache
def environment() -> Environment:
    """Escapes whatever is put in, after spelling out what would not be seen."""
    return Environment(
        loader=PackageLoader("attn_audit.formats.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def style_sheet() -> str:
    """The style of every page."""
    return files(__package__).joinpath("static", "page.css").read_text(encoding="utf-8")


def _seen(value: object) -> object:
    """Markup is ours; all other text may be anybody's."""
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return printable(str(value)) if is_text else value
