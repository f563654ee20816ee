"""What a user's module returns, as logits of the task."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from attn_audit.errors import ConfigurationError
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.shapes import Logits

MAX_DEVIATION = 1e-2
"""Of a sum of probabilities from 1 that may be rounding, in half precision too."""


def task_logits(custom: CustomModel, returned: object, n_texts: int) -> Logits:
    """The task's logits; of labels that compete, relative to the first label's.

    What a softmax takes off all labels alike says nothing, and would hide that a readout is linear
    in attention. Probabilities are kept off 0 and 1 by the smallest steps that their type can make.

    Args:
        custom: Says what is returned.
        returned: By the module.
        n_texts: How many texts it was called with.

    Raises:
        ConfigurationError: It holds no output for each label.
    """
    output = _output(custom, returned, n_texts)
    compete = _compete(custom, output)
    if custom.output == "probabilities":
        output = _log(output) if compete else _log_odds(output)
    logits = custom.audited_task.from_outputs(output)
    return logits - logits[:, :1] if custom.audited_task.is_softmax else logits


def require_outputs(custom: CustomModel, returned: object, n_texts: int) -> None:
    """Refuse outputs that are not what the user says they are.

    Args:
        custom: Says what is returned.
        returned: By the module.
        n_texts: How many texts it was called with.

    Raises:
        ConfigurationError: There is no output for each label, or probabilities are none.
    """
    output = _output(custom, returned, n_texts)
    if custom.output == "logits":
        return
    low, high = float(output.min()), float(output.max())
    if low < 0 or high > 1:
        raise ConfigurationError(
            f'output="probabilities": the module returns numbers from {low:.3g} to {high:.3g}',
            hint='Say output="logits" if they are logits or log-probabilities.',
        )
    if not _compete(custom, output):
        return
    sums = output.sum(dim=1)
    wrong = float(sums[(sums - 1).abs().argmax()])
    if abs(wrong - 1) > MAX_DEVIATION:
        raise ConfigurationError(
            f'output="probabilities": the outputs of one text sum to {wrong:.3g}, not to 1',
            hint='Say task="multilabel" if each label has a sigmoid of its own.',
        )


def _output(custom: CustomModel, returned: object, n_texts: int) -> Tensor:
    """(text, output), in single precision at least."""
    output = _tensor(returned)
    if output is None or not output.is_floating_point():
        kind = type(returned).__name__ if output is None else f"tensor of {output.dtype}"
        raise ConfigurationError(
            f"the adapter's module returned a {kind}",
            hint="Return logits or probabilities: a tensor, a tuple that starts with it, or an "
            "object with `logits`.",
        )
    task = custom.audited_task
    if output.dim() == 1 and task.n_logits == 1:
        output = output.unsqueeze(1)
    if output.dim() != 2 or len(output) != n_texts or output.shape[1] not in task.n_outputs:
        wanted = " or ".join(f"{n_texts} x {width}" for width in task.n_outputs)
        raise ConfigurationError(
            f"the adapter's module returned a tensor of {' x '.join(map(str, output.shape))} for "
            f"{n_texts} texts; a {task.name} task with {len(task.labels)} labels needs {wanted}",
            hint="squeeze() drops the batch's axis too where there is one text: say squeeze(-1)."
            if n_texts == 1
            else None,
        )
    return output.to(torch.promote_types(output.dtype, torch.float32))


def _tensor(returned: object) -> Tensor | None:
    if isinstance(returned, Tensor):
        return returned
    if isinstance(returned, Mapping):
        found = returned.get("logits")
    elif hasattr(returned, "logits"):
        found = returned.logits
    else:
        found = returned[0] if isinstance(returned, Sequence) and len(returned) > 0 else None
    return found if isinstance(found, Tensor) else None


def _compete(custom: CustomModel, output: Tensor) -> bool:
    """Whether a text's probabilities sum to 1."""
    task = custom.audited_task
    return task.is_softmax or output.shape[1] > task.n_logits


def _log(probability: Tensor) -> Tensor:
    return probability.clamp_min(torch.finfo(probability.dtype).tiny).log()


def _log_odds(probability: Tensor) -> Tensor:
    against = (1 - probability).clamp_min(torch.finfo(probability.dtype).eps / 2)
    return _log(probability) - against.log()
