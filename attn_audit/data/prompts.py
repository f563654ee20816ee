"""A prompt: what stands around a text that is audited, and what fills its other places."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, Fault, IncompatibleDataError

_PLACE = re.compile(r"\{\{([A-Za-z_][\w.-]*)\}\}|\{([A-Za-z_][\w.-]*)\}")
"""A field in braces; in two pairs of them, one is taken off and the name stays."""

TEXT = "text"
"""Stands for the field of the text, whatever it is called."""


class Filled(NamedTuple):
    """A prompt with a row's fields in it."""

    whole: str
    start: int
    """Of the audited text: `whole[start:end]`."""
    end: int


@dataclass(frozen=True)
class Prompt:
    """A template with a place for the audited field, and perhaps others.

    Braces that hold no name, as those of JSON, are what they are.

    Args:
        audited: The name of the audited place.

    Raises:
        ConfigurationError: It has no such place, or two.
    """

    template: str
    audited: str = TEXT

    def __post_init__(self) -> None:
        n = [name for _, name in self._parts].count(self.audited)
        if n != 1:
            there = f"no {{{self.audited}}}" if n == 0 else f"{{{self.audited}}} {n} times"
            raise ConfigurationError(
                f"--prompt: {self.template!r} has {there}, and the audited text stands there once",
                hint="Write 'Review: {text}\\nSentiment:', or name another field with --audited.",
            )

    @cached_property
    def _parts(self) -> tuple[tuple[str, str | None], ...]:
        """What is written, each part with the field behind it; behind the last there is none."""
        parts, written, position = list[tuple[str, str | None]](), "", 0
        for match in _PLACE.finditer(self.template):
            written += self.template[position : match.start()]
            position = match.end()
            if match[1] is not None:
                written += f"{{{match[1]}}}"
                continue
            parts.append((written, match[2]))
            written = ""
        return (*parts, (written + self.template[position:], None))

    @cached_property
    def beside(self) -> tuple[str, ...]:
        """The fields that stand in it beside the audited one."""
        names = (name for _, name in self._parts if name not in (None, self.audited))
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def fill(self, example: Example) -> Filled:
        """Put an example's text, and its other fields, where they belong.

        Raises:
            IncompatibleDataError: It lacks a field.

        Example:
            >>> Prompt("Review: {text} Good?").fill(Example("a", "Dull."))
            Filled(whole='Review: Dull. Good?', start=8, end=13)
        """
        whole, start = "", 0
        for written, name in self._parts:
            whole += written
            if name == self.audited:
                start = len(whole)
                whole += example.text
            elif name is not None:
                whole += self.field(example, name)
        return Filled(whole, start, start + len(example.text))

    def field(self, example: Example, name: str) -> str:
        """What an example has in a field beside its text.

        Raises:
            IncompatibleDataError: It has nothing there.
        """
        if name not in example.fields:
            where = example.where or f"example {example.id!r}"
            problem = f"it has no field {name!r}, which the prompt names"
            raise IncompatibleDataError(where, problem, fault=Fault.NO_TEXT)
        return example.fields[name]
