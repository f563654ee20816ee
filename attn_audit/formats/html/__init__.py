"""A document as one self-contained page: no request leaves it, no script but its own runs in it."""

from html import escape

from attn_audit.document import Document

HEIGHT = 640


def render(document: Document) -> str:
    """The whole page as UTF-8 text that opens from a file: style, scripts and data are all in it.

    Everything can be read without its scripts but figures and examples.
    """
    from attn_audit.formats.html.page import page  # Altair and Jinja2: only for who asks for HTML

    return page(document)


def framed(document: Document) -> str:
    """The page as part of a notebook: in a frame, so that neither changes how the other looks.

    What runs in the frame can reach nothing but itself.
    """
    return (
        f'<iframe srcdoc="{escape(render(document))}" sandbox="allow-scripts" '
        f'style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
    )
