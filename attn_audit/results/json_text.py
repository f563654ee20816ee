"""JSON text that is safe to show: what would not be seen in it is spelled out."""

import json
import re


def json_text(content: object) -> str:
    r"""Indented JSON in which letters of any language stay readable, and nothing acts or hides.

    Args:
        content: JSON values.

    Returns:
        The same values as UTF-8 text that is safe in any terminal.

    Example:
        >>> print(json_text({"text": "na\u00efve\u202e"}), end="")
        {
          "text": "naïve\u202e"
        }
    """
    text = json.dumps(content, indent=2, ensure_ascii=False)
    return _NOT_ASCII.sub(_escaped_if_unseen, text) + "\n"


_NOT_ASCII = re.compile(r"[^\x00-\x7e]")
"""What is not: in JSON it stands within strings alone."""


def _escaped_if_unseen(found: re.Match[str]) -> str:
    """Letters stay readable; what would act on a terminal, or hide, is spelled out."""
    character = found[0]
    return character if character.isprintable() else json.dumps(character)[1:-1]
