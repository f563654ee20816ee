"""Every error that a user can meet. The command line prints message and hint, and exits by class.

AttnAuditError
├── UsageError                        exit code 2: what was asked for cannot be done as asked
│   ├── ConfigurationError              a setting, flag or configuration file
│   ├── DataError                       the data set
│   │   ├── DataNotFoundError
│   │   ├── UnreadableDataError
│   │   ├── SplitNotFoundError
│   │   ├── RowError                      one row, named by file and line
│   │   └── BadRowsError                  several rows, counted by what is wrong
│   ├── CheckpointError                 the model
│   │   ├── CheckpointNotFoundError
│   │   ├── UnreadableCheckpointError
│   │   ├── UnsafeCheckpointError
│   │   └── UnsupportedModelError
│   ├── IncompatibleDataError           model and data do not fit each other, named by example
│   ├── ComparisonRefusedError          two reports whose numbers do not mean the same
│   ├── DeviceError
│   ├── MetricError                     a number that no report has, or not this one
│   ├── OutputError                     a file that cannot be written
│   ├── RunDirectoryError               a directory that holds another audit, or a damaged one
│   ├── ReportError                     a stored report that cannot be used
│   └── ReportsError                    several reports that cannot be used together
└── AuditFailedError                  exit code 3: the audit was started and cannot be carried out
    ├── InvalidWeightsError
    ├── InvalidOutputError
    ├── OutOfMemoryError
    └── SelfCheckError                  what is measured would not be the model
"""

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

PASSED: Final = 0
"""Done; a gate passed, warnings included."""
FAILED: Final = 1
"""A gate failed, a bounded change was exceeded, `verify` found what does not hold, or `selftest` a
wrong answer."""
USAGE: Final = 2
"""Wrong usage: missing, unreadable, malformed or refused model, data, configuration, report, policy
or run directory; reports that do not compare; output not writable. Nothing was audited."""
BROKEN: Final = 3
"""The audit could not be carried out: a failed self-check, weights or outputs that are not numbers,
out of memory at one example, a crash."""
INCONCLUSIVE: Final = 4
"""A gate is inconclusive: these examples cannot decide."""
INTERRUPTED: Final = 130
"""Interrupted; no half-written file is left, and `--resume` goes on. Asked twice, it ends at
once."""
TERMINATED: Final = 143
"""Terminated; the same."""


class AttnAuditError(Exception):
    """Base of all errors that are the interface's own: a sentence, a hint, an exit code."""

    exit_code: ClassVar[int] = BROKEN
    details: tuple[str, ...] = ()
    """Lines below the message, where it sums several things up."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors come home from other processes as they are, whatever their constructors take."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[AttnAuditError], args: tuple[Any, ...], state: dict[str, Any]
) -> AttnAuditError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


def nearest(name: str, known: Iterable[str]) -> str:
    """The sentence "Did you mean X?" for a mistyped name, or what there is to choose from.

    Example:
        >>> nearest("premutation", ["correlation", "permutation"])
        "Did you mean 'permutation'?"
        >>> nearest("x", ["correlation", "permutation"])
        'Known: correlation, permutation.'
    """
    choices = list(known)
    return meant(name, choices) or f"Known: {', '.join(choices)}."


ELSEWHERE = {
    "gpu": "cuda",
    "fp16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "fp32": "float32",
    "fp64": "float64",
    "double": "float64",
}
"""What other tools call things, and what they are called here."""


def meant(name: str, known: Iterable[str]) -> str | None:
    """The sentence "Did you mean X?", where X is near, or what others call by that name.

    Example:
        >>> meant("GPU:0", ["auto", "cpu", "cuda"])
        "Did you mean 'cuda'?"
        >>> meant("x", ["auto", "cpu", "cuda"])
    """
    plain, choices = name.lower().partition(":")[0], list(known)
    if ELSEWHERE.get(plain) in choices:
        return f"Did you mean {ELSEWHERE[plain]!r}?"
    close = get_close_matches(plain, choices, n=1)
    return f"Did you mean {close[0]!r}?" if close else None


N_LOOKED_AT, NEAR = 10_000, 0.75
"""Names in a folder that a mistyped one is held against, and how like it one must be."""


def or_nearest(path: Path | str) -> str:
    """For behind the name of a file that is not there: " (did you mean X?)", or nothing.

    Where its folder is not there either, the folder is what was mistyped.
    """
    missing = next((p for p in (Path(path), *Path(path).parents) if p.parent.is_dir()), None)
    try:
        if missing is None or missing.exists():
            return ""
        there = {p.name.lower(): p for p in islice(missing.parent.iterdir(), N_LOOKED_AT)}
    except OSError:
        return ""
    close = get_close_matches(missing.name.lower(), there, n=1, cutoff=NEAR)
    if not close:
        return ""
    inside = there[close[0]] / Path(path).relative_to(missing)
    return f" (did you mean {inside if inside.exists() else there[close[0]]}?)"


# --- exit code 2 ------------------------------------------------------------------------------


class UsageError(AttnAuditError):
    """What was asked for cannot be done as asked; nothing was audited."""

    exit_code = USAGE


class ConfigurationError(UsageError):
    """A flag, setting or configuration file is wrong or missing."""


class DataError(UsageError):
    """The data set cannot be used."""


class DataNotFoundError(DataError):
    """There is no such data file, folder or data set."""

    def __init__(self, source: str, *, hint: str | None = None) -> None:
        super().__init__(f"no data at {source}{or_nearest(source)}", hint=hint)


class UnreadableDataError(DataError):
    """A data file exists but cannot be read as what its name says it is."""

    def __init__(self, source: str, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"cannot read {source}: {problem}", hint=hint)


class SplitNotFoundError(DataError):
    """The folder or data set has no such split."""

    def __init__(self, source: str, split: str, found: Iterable[str]) -> None:
        there = ", ".join(sorted(found)) or "none"
        super().__init__(
            f"{source} has no split {split!r} (found: {there})",
            hint="Choose one with --split, or name the file itself.",
        )


class Fault(StrEnum):
    """Why a row of the data cannot be audited; reports count rows by it."""

    UNREADABLE = "unreadable"
    NO_TEXT = "no_text"
    NO_SECOND_TEXT = "no_second_text"
    REPEATED_ID = "repeated_id"
    WRONG_ID = "wrong_id"
    WRONG_LABEL = "wrong_label"
    UNKNOWN_LABEL = "unknown_label"
    WRONG_CANDIDATES = "wrong_candidates"
    WRONG_RATIONALE = "wrong_rationale"
    WRONG_SCORES = "wrong_scores"
    WRONG_MESSAGES = "wrong_messages"
    TOO_LONG = "too_long"
    UNWANTED_LABEL = "unwanted_label"
    """The user's own choice: a label that `--label-map` maps to nothing."""


class BadRowError(UsageError):
    """One row of the data cannot be audited: what is wrong, where, and what to do."""

    def __init__(
        self,
        where: str,
        problem: str,
        *,
        hint: str | None = None,
        fault: Fault = Fault.UNREADABLE,
        label: str | None = None,
    ) -> None:
        super().__init__(f"{where}: {problem}", hint=hint)
        self.where, self.problem = where, problem
        self.fault, self.label = fault, label


class RowError(BadRowError, DataError):
    """One row of the data is wrong. Says in which file and line, and what to do."""


class SeveralError(UsageError):
    """All that is wrong at once, a line for each.

    Args:
        places: What is said in place of the details where no cell may be quoted.
    """

    def __init__(
        self, message: str, details: Iterable[str], hint: str, places: Iterable[str] = ()
    ) -> None:
        self.details, self.places = tuple(details), tuple(places)
        super().__init__(message, hint=hint)
        self.args = ("\n".join((message, *self.details)),)


class BadRowsError(SeveralError, DataError):
    """Several rows of the data cannot be audited: all of them, counted by what is wrong."""


class CheckpointError(UsageError):
    """The model cannot be used."""


class CheckpointNotFoundError(CheckpointError):
    """There is no such model file or folder."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"no model at {path}{or_nearest(path)}",
            hint="Give a HuggingFace model's folder or name on the hub, a model.pt made by "
            "`attn-audit train`, or a folder of the original code (config.json, enc.th, dec.th).",
        )


class UnreadableCheckpointError(CheckpointError):
    """The file is not a checkpoint that can be read, or its parts do not fit together."""

    def __init__(self, path: Path | str, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"cannot load the model {path}: {problem}", hint=hint)


class UnsafeCheckpointError(CheckpointError):
    """The file is a pickle that would run code when loaded."""

    def __init__(self, path: Path | str, what: str) -> None:
        super().__init__(
            f"refused to load {path}: it is a pickle that would run code ({what})",
            hint="Nothing in it was executed. Save the weights alone, with "
            "torch.save(model.state_dict(), path), and name the code that makes a model of yours "
            "with --adapter file.py:FUNCTION.",
        )


class UnsupportedModelError(CheckpointError):
    """The checkpoint is readable, but of a kind that has no attention to audit, or is not known."""


class IncompatibleDataError(BadRowError):
    """Model and data do not fit each other; names the first example that shows it."""


class ComparisonRefusedError(UsageError):
    """Two reports cannot be compared: their data, settings or definitions differ."""


class DeviceError(UsageError):
    """The device asked for is not there."""


class MetricError(UsageError, KeyError):
    """There is no such number, or a report does not hold it."""

    def __str__(self) -> str:
        """The sentences, where a `KeyError` shows its key."""
        return f"{self.message} {self.hint}"


class OutputError(UsageError):
    """A file cannot be written; found before the audit starts wherever that is possible."""

    def __init__(self, path: object, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"cannot write {path}: {problem}", hint=hint)


class RunDirectoryError(UsageError):
    """A run directory cannot be used: in use, damaged, or of another audit."""

    def __init__(self, folder: object, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"run directory {folder}: {problem}", hint=hint)


class ReportError(UsageError):
    """A stored report is missing, cut short, edited, or of another version."""

    def __init__(self, path: Path | str, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"cannot use the report {path}: {problem}", hint=hint)


class ReportsError(SeveralError):
    """Several reports cannot be used together: all that is wrong with them."""


class RecordsError(UsageError):
    """Records are missing, malformed, or not those that a report was written with."""


# --- exit code 3 ------------------------------------------------------------------------------


RECORD = "`--on-error record`"
"""What lets an audit go on where the model fails at an example."""


class AuditFailedError(AttnAuditError):
    """The audit was started and cannot be carried out."""


class InvalidWeightsError(AuditFailedError):
    """The model's weights hold NaN or infinity."""

    def __init__(self, path: Path | str, name: str) -> None:
        super().__init__(
            f"the weights of {path} are not finite: {name!r} holds NaN or infinity",
            hint="The training diverged or the file is damaged; no audit of it means anything.",
        )


class InvalidOutputError(AuditFailedError):
    """The model gave an output or attention that is not a number."""

    def __init__(self, example_id: str, what: str) -> None:
        super().__init__(
            f"example {example_id!r}: the model's {what} is not finite",
            hint="Run the model on this example alone to see where it overflows, or go on without "
            f"it: {RECORD}.",
        )
        self.example_id = example_id


class OutOfMemoryError(AuditFailedError):
    """Memory is not enough for one example, let alone a batch."""

    def __init__(self, example_id: str, n_tokens: int) -> None:
        super().__init__(
            f"example {example_id!r}: out of memory, though it was audited alone "
            f"({n_tokens} tokens)",
            hint=f"Go on without it ({RECORD}), cut long texts with --max-length where the model "
            "allows it, or use a machine with more memory.",
        )
        self.example_id = example_id


class SelfCheckError(AuditFailedError):
    """What must hold before anything is measured does not: names all that failed."""

    def __init__(self, failures: Iterable[str], advice: Iterable[str]) -> None:
        super().__init__(
            f"the self-check failed, and nothing was measured: {'; '.join(failures)}",
            hint=" ".join(advice),
        )
