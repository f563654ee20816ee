"""The rows of a data set that no example comes of, counted by what is wrong with them."""

import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from traceback import extract_tb
from typing import Concatenate, ParamSpec, TypeVar

from attn_audit.errors import AttnAuditError, AuditFailedError, BadRowError, BadRowsError, Fault
from attn_audit.numbers import count, counted
from attn_audit.process import is_out_of_memory
from attn_audit.quoting import MOST_NAMES, listed, quoted
from attn_audit.settings import AuditSettings

SKIP = "`--on-bad-row skip`"

MEANINGS: Mapping[Fault, str] = {
    Fault.UNREADABLE: "cannot be read",
    Fault.NO_TEXT: "without a text",
    Fault.NO_SECOND_TEXT: "without the second text of a pair",
    Fault.REPEATED_ID: "with the id of an earlier row",
    Fault.WRONG_ID: "with an id that is none",
    Fault.WRONG_LABEL: "with labels that cannot be used",
    Fault.UNKNOWN_LABEL: "with a label that the model does not have",
    Fault.WRONG_CANDIDATES: "with candidates that cannot be used",
    Fault.WRONG_RATIONALE: "with a rationale that does not fit the text",
    Fault.WRONG_SCORES: "with shown scores that do not fit the text",
    Fault.WRONG_MESSAGES: "with messages that are no chat",
    Fault.TOO_LONG: "that the model has no room for",
    Fault.UNWANTED_LABEL: "with a label that --label-map leaves out",
}
"""What is so of rows, behind their number."""

_NO_LABELS = "`--ignore-field label` audits without labels"
_OTHERS: Mapping[Fault, str] = {
    Fault.REPEATED_ID: "`--ignore-field id` gives every row a hash for its id",
    Fault.WRONG_ID: "`--ignore-field id` gives every row a hash for its id",
    Fault.WRONG_LABEL: _NO_LABELS,
    Fault.UNKNOWN_LABEL: _NO_LABELS,
    Fault.WRONG_SCORES: "spans [start, end, score] need not know what the model makes of a text",
}
"""Ways on beside that of leaving the rows out."""

_ALL = f"{SKIP} leaves all of these rows out, and the report counts them."

MOST_PLACES = 3
"""Rows that are named of each kind."""

MOST_LABELS = 10_000
"""Labels that are counted one by one; of free text taken for labels, that is enough."""


@dataclass
class Rows:
    """Rows with one fault."""

    first: BadRowError
    n: int = 0
    places: list[str] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    """Where labels are at fault: how often each of them is."""


@dataclass
class SkippedRows:
    """What was left out of the rows that were read."""

    found: dict[Fault, Rows] = field(default_factory=dict)
    n_rows: int = 0
    """All that were read, good ones included."""
    labels: set[str] = field(default_factory=set)
    """Of all rows that could be read."""

    @property
    def n(self) -> int:
        """How many were left out, whyever."""
        return sum(rows.n for rows in self.found.values())

    @property
    def n_bad(self) -> int:
        """How many of them were not left out by the user's own choice of labels."""
        return sum(rows.n for fault, rows in self.found.items() if fault != Fault.UNWANTED_LABEL)

    def add(self, error: BadRowError, where: str) -> None:
        """Count a row."""
        rows = self.found.setdefault(error.fault, Rows(error))
        rows.n += 1
        if len(rows.places) < MOST_PLACES:
            rows.places.append(where)
        if error.label is not None and len(rows.labels) < MOST_LABELS:
            rows.labels[error.label] += 1

    def error(self, name: str) -> BadRowError | BadRowsError:
        """What is wrong with the rows, all at once; of a single one in its own words."""
        bad = {fault: rows for fault, rows in self.found.items() if fault != Fault.UNWANTED_LABEL}
        if not bad:
            lines, message = self.lines(), f"{name}: no row is left to audit"
            return BadRowsError(message, lines, "Keep a label.", lines)
        fault, rows = next(iter(bad.items()))
        are_all = rows.n == self.n_rows and not rows.labels
        if len(bad) == 1 and (rows.n == 1 or are_all):
            error = rows.first
            ways = "; ".join((*_ways(fault, rows), f"{SKIP} leaves it out"))
            hints = (error.hint, self._labels_in_words(rows), f"To go on: {ways}.")
            error.hint = " ".join(filter(None, hints))
            return error
        return BadRowsError(
            f"{name}: {counted(self.n_bad, 'row')} of {count(self.n_rows)} cannot be audited",
            [line for fault, rows in bad.items() for line in _lines(fault, rows)],
            " ".join(filter(None, (*map(self._labels_in_words, bad.values()), _ALL))),
            self.lines(),
        )

    def _labels_in_words(self, rows: Rows) -> str:
        """Where labels are at fault, every one that there is."""
        return f"The data's labels: {listed(sorted(self.labels))}." if rows.labels else ""

    def lines(self) -> list[str]:
        """How many rows were left out, kind by kind, and where the first of them stand."""
        return [f"{_said(fault, rows)}: {_places(rows)}" for fault, rows in self.found.items()]


def _lines(fault: Fault, rows: Rows) -> list[str]:
    what = f": {_labels(rows.labels)}" if rows.labels else ""
    more = f"; also {_places(rows, start=1)}" if rows.n > 1 else ""
    first = f"{rows.places[0]}: {rows.first.problem}"
    ways = "; or ".join(_ways(fault, rows)) or f"{SKIP} leaves them out"
    return [f"{_said(fault, rows)}{what} ({first}{more})", f"  {ways}"]


def _said(fault: Fault, rows: Rows) -> str:
    return f"{counted(rows.n, 'row')} {MEANINGS[fault]}"


def _places(rows: Rows, start: int = 0) -> str:
    shown = ", ".join(rows.places[start:])
    return f"{shown}, ..." if rows.n > len(rows.places) else shown


def _labels(labels: Counter[str]) -> str:
    shown = [f"{quoted(label)} {count(n)}" for label, n in labels.most_common(MOST_NAMES)]
    more = len(labels) - len(shown)
    return ", ".join((*shown, f"and {count(more)} more")) if more else ", ".join(shown)


def _ways(fault: Fault, rows: Rows) -> list[str]:
    """What lets an audit go on beside leaving the rows out, the closest first."""
    ways = [_OTHERS[fault]] if fault in _OTHERS else []
    if rows.labels:
        named = [label for label, _ in rows.labels.most_common(MOST_NAMES)]
        ways = [f"`{_renaming(named)}`, without a name to leave a label's rows out", *ways]
    return ways


def _renaming(labels: list[str]) -> str:
    """A `--label-map` as a shell takes it."""
    pairs = (f"{label}=NAME" for label in labels)
    written = ",".join(f'"{pair}"' if "," in pair else pair for pair in pairs)
    return f"--label-map {shlex.quote(written)}"


P = ParamSpec("P")
T = TypeVar("T")

UNQUOTED = "Without --no-texts the message quotes what stands there."


def quoting_no_text(
    run: Callable[Concatenate[AuditSettings, P], T],
) -> Callable[Concatenate[AuditSettings, P], T]:
    """The same, whose errors say of rows only where they are, if the settings ask for no texts.

    What a tokenizer or a module of somebody's own says of a failure may quote a text, too: of that
    the kind is told, and the line of code.
    """

    @wraps(run)
    def unquoted(settings: AuditSettings, /, *args: P.args, **named: P.kwargs) -> T:
        try:
            return run(settings, *args, **named)
        except Exception as error:
            if not settings.no_texts or is_out_of_memory(error):
                raise
            raise _unquoted(error) from None

    return unquoted


def _unquoted(error: Exception) -> Exception:
    match error:
        case BadRowError():
            error.problem, error.details = MEANINGS[error.fault], ()
            error.message = f"{error.where}: a row {error.problem}"
        case BadRowsError():
            error.details = error.places
        case AttnAuditError() | OSError():
            return error
        case _:
            last = extract_tb(error.__traceback__)[-1]
            name = f"{type(error).__name__} in {last.filename} line {last.lineno}"
            return AuditFailedError(f"the model or its tokenizer failed: {name}", hint=UNQUOTED)
    error.hint, error.args = UNQUOTED, ("\n".join((error.message, *error.details)),)
    return error
