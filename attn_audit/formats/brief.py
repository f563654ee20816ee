"""A document in a few lines, as an interactive session shows a value."""

from collections.abc import Iterator

from attn_audit.document import Document, Glance
from attn_audit.quoting import printable


def brief(document: Document) -> str:
    """What it is of and what it comes to: the answer, or those of the first screen."""
    return "\n".join(printable(line) for line in _lines(document))


def _lines(document: Document) -> Iterator[str]:
    subject = f" ({document.subject})" if document.subject else ""
    yield f"{document.kind} of {document.title}{subject}"
    if document.answer is not None:
        yield f"  {document.answer.text}"
    elif document.facts is not None:
        yield from (f"  {name}: {text}" for name, text in document.facts.entries)
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Glance):
                yield f"  {section.title}"
                yield from (f"  - {card.name}: {card.verdict}" for card in block.cards)
