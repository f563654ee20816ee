"""Whether an example fits a model's task; shared by every kind of model."""

from attn_audit.data.example import Example
from attn_audit.errors import IncompatibleDataError
from attn_audit.models.task import Task, TaskKind

MAX_SHOWN = 20
"""Labels listed in a message."""


def place(example: Example) -> str:
    """Where an example stands, for messages: file and line, and its id."""
    name = f"example {example.id!r}"
    return f"{example.where} ({name})" if example.where else name


def require_known_labels(task: Task, example: Example) -> None:
    """Refuse gold labels that the model cannot give.

    Args:
        task: The model's.
        example: Labelled or not.

    Raises:
        IncompatibleDataError: An unknown label, or not exactly one where the model gives one.
    """
    if example.labels is None:
        return
    unknown = task.unknown_label(example.labels)
    if unknown is not None:
        raise _unknown(task, example, "label", unknown)
    if task.kind is not TaskKind.MULTILABEL and len(example.labels) != 1:
        raise IncompatibleDataError(
            place(example), f"{len(example.labels)} labels, and the model gives exactly one"
        )


def allowed_labels(task: Task, example: Example) -> tuple[bool, ...] | None:
    """For each label whether the example's candidates allow it; None where all are.

    Args:
        task: The model's; candidates mean something to a softmax only.
        example: With or without candidates.

    Raises:
        IncompatibleDataError: A candidate that the model does not know.
    """
    if example.candidates is None or not task.is_softmax:
        return None
    unknown = task.unknown_label(example.candidates)
    if unknown is not None:
        raise _unknown(task, example, "candidate", unknown)
    return tuple(label in example.candidates for label in task.labels)


def _unknown(task: Task, example: Example, what: str, name: str) -> IncompatibleDataError:
    more = ", ..." if len(task.labels) > MAX_SHOWN else ""
    return IncompatibleDataError(
        place(example),
        f"the model has no label {name!r}, which is this example's {what} "
        f"(its labels: {', '.join(task.labels[:MAX_SHOWN])}{more})",
        hint="Rename the data's labels with --label-map DATA=MODEL,...",
    )
