"""A document as one self-contained page: no request leaves it, no script but its own runs in it."""

from attn_audit.document import Document


def render(document: Document) -> str:
    """The whole page as UTF-8 text that opens from a file: style, scripts and data are all in it.

    Everything can be read without its scripts but figures and examples.
    """
    from attn_audit.formats.html.page import page  # Altair and Jinja2: only for who asks for HTML

    return page(document)
