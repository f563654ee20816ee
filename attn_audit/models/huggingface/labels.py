"""What a model predicts, from its configuration."""

from typing import Any

from attn_audit.data.quoting import quoted
from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.models.outputs.binary import Binary
from attn_audit.models.outputs.multilabel import Multilabel
from attn_audit.models.outputs.softmax import Multiclass
from attn_audit.models.task import Task

MULTILABEL = "multi_label_classification"
REGRESSION = "regression"

UNNAMED = "LABEL_0"
"""What `transformers` calls the first label where nobody named it."""


def task_of(config: Any, name: str, is_binary: bool) -> Task:
    """The kind and names of a classifier's labels.

    Args:
        config: The model's configuration.
        name: What messages call the model.
        is_binary: A one-output head is one sigmoid.

    Raises:
        ConfigurationError: `is_binary`, and the head has several outputs that are not two classes.
        UnsupportedModelError: A regression head, or labels that cannot be told apart.
    """
    labels = _label_names(config, name)
    is_multilabel = config.problem_type == MULTILABEL
    if is_binary and (len(labels) > 2 or (is_multilabel and len(labels) == 2)):
        raise ConfigurationError(
            f"--task binary: the model has {len(labels)} outputs"
            + (", each a label of its own" if is_multilabel else ""),
            hint="Leave --task out: the model's configuration says what it predicts.",
        )
    if config.problem_type == REGRESSION or (
        len(labels) == 1 and not is_multilabel and not is_binary
    ):
        raise _regression(config, name, len(labels))
    if len(labels) == 1 and is_binary:
        return Binary(_sides(labels[0]))
    if is_multilabel:
        return Multilabel(labels)
    return Binary(labels) if len(labels) == 2 else Multiclass(labels)


def _label_names(config: Any, name: str) -> tuple[str, ...]:
    """In the order of the outputs."""
    names = {int(index): str(label) for index, label in config.id2label.items()}
    missing = next((i for i in range(len(names)) if i not in names), None)
    if not names or missing is not None:
        raise UnsupportedModelError(
            f"{name}: its id2label names no label {missing or 0}, and must name them from 0 on"
        )
    labels = tuple(names[i] for i in range(len(names)))
    twice = next((label for i, label in enumerate(labels) if label in labels[:i]), None)
    if twice is not None:
        raise UnsupportedModelError(
            f"{name}: its id2label names two labels {quoted(twice)}",
            hint="Give each label a name of its own in the model's config.json.",
        )
    return labels


def _sides(label: str) -> tuple[str, str]:
    return ("0", "1") if label == UNNAMED else (f"not {label}", label)


def _regression(config: Any, name: str, n_outputs: int) -> UnsupportedModelError:
    if config.problem_type == REGRESSION:
        return UnsupportedModelError(
            f"{name} is a regression model (problem_type), and only classifiers can be audited"
        )
    return UnsupportedModelError(
        f"{name} has a head with one output, which is a regression head",
        hint="If it is one sigmoid, a yes or no, say so with --task binary.",
    )
