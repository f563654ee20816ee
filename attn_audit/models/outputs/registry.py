"""The kinds of outputs by name."""

from collections.abc import Mapping

from attn_audit.models.outputs.binary import Binary
from attn_audit.models.outputs.multilabel import Multilabel
from attn_audit.models.outputs.softmax import Candidates, Multiclass
from attn_audit.models.task import Task, TaskKind

TASKS: Mapping[TaskKind, type[Task]] = {
    TaskKind(task.name): task for task in (Binary, Multiclass, Multilabel, Candidates)
}


def make_task(kind: TaskKind, labels: tuple[str, ...]) -> Task:
    """A task of a kind that is named."""
    return TASKS[kind](labels)
