"""A comparison as one self-contained page, in the design of the report's."""

from attn_audit.results.comparison import Comparison


def render(comparison: Comparison) -> str:
    """The whole page: no script, and no request leaves it.

    Args:
        comparison: Any comparison.
    """
    from attn_audit.formats.html.comparison import page  # Jinja2: only for who asks for HTML

    return page(comparison)
