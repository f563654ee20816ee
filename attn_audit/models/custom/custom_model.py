"""What a user says of a module of their own, and the only calls that lead into their code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from attn_audit.errors import ConfigurationError, nearest
from attn_audit.models.interception.classifier import Arguments, require_eager
from attn_audit.models.task import TASKS, Task, TaskKind

OutputKind = Literal["logits", "probabilities"]


@dataclass(frozen=True)
class CustomModel:
    """A PyTorch module with its labels, and how texts become what it is called with.

    An adapter is a function that gets the checkpoint and returns one of these;
    `sample_configs/plain_bilstm.py` has one for a classifier in plain PyTorch.

    Example:
        ```
        def load(checkpoint):
            module, ids = ...
            return CustomModel(
                module,
                encode=lambda texts: pad([[ids[token] for token in tokens] for tokens in texts]),
                labels=["negative", "positive"],
                task="binary",
            )
        ```

    Raises:
        ConfigurationError: A field is not what it should be.
    """

    module: nn.Module
    """A trained classifier; put into eval mode, its parameters are no longer trained. What it
    returns may be a tensor, a tuple that starts with one, or an object with `logits`."""
    encode: Callable[..., Any]
    """Gets a batch of texts as lists of tokens, and returns what the module is called with: a
    tensor, a tuple of tensors in the order of its parameters, or a dict by their names; padded, the
    batch axis first, on any device. A module whose `forward` takes one dict gets the dict itself.
    Each token has a column of its own, or one for each of its pieces, in the order of the text and
    the same in every text; markers in front and behind are fine. Leave-one-out calls it with fewer
    tokens. Where `takes_pairs`, it gets the second texts' tokens as a second argument."""
    labels: Sequence[str]
    """In the order of the outputs; binary: the negative one first."""
    task: TaskKind | str | type[Task]
    """`binary` (one output, or two that compete), `multiclass` (a softmax), `multilabel` (one
    sigmoid for each label) or `candidates` (a softmax over the labels that an example allows); or a
    kind of your own, a subclass of `attn_audit.models.task.Task`."""
    output: OutputKind = "logits"
    """What the module returns. Log-probabilities are logits of a softmax. Logits are the safer
    choice: a probability of nearly 1 has lost the digits that tell it from other such."""
    attention: str | None = None
    """The submodule to look for attention in; one that calls no softmax returns the weights
    itself, alone or in a tuple. None: look everywhere."""
    columns: int | None = None
    """Columns of the attention that stand in front of the input's first one: 1 for a class token
    that the module puts there itself, -1 where it leaves the first marker of `encode` out. None:
    found by trial, which says so where it cannot tell."""
    mask: str | int | None = None
    """The name, or the place, of the attention mask in what `encode` returns: leave-one-out then
    masks a unit as padding is masked, where a trial shows that this hides it. None: it calls
    `encode` without the unit."""
    embedding: str | None = None
    """The submodule whose `weight` the tokens' ids are looked up in. None: the `nn.Embedding` that
    looks them up."""
    tokenize: Callable[[str], Sequence[str]] | None = None
    """Splits a text into tokens, those that are audited. None: at white space. Where words are
    audited and the text does not show a token (`##ably`), it is called with each word alone."""
    takes_pairs: bool = False
    """Whether there are two texts; the attention over the first is audited."""
    training: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    """How it was trained, for `attn-audit table`: `{"seed": 2, "epochs": 9}`. Reports that differ
    in `seed` alone are seeds of one model, those that differ in another entry are models."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        self._require_types()
        self._require_labels()
        for name in ("attention", "embedding"):
            self._require_submodule(name, getattr(self, name))
        if self.embedding is not None and self.embedding_table() is None:
            raise _error(f"embedding={self.embedding!r} has no weight of two axes")

    @property
    def audited_task(self) -> Task:
        """The task as the checks know it."""
        return self._kind_of_task(tuple(self.labels))

    @property
    def _kind_of_task(self) -> type[Task]:
        return self.task if isinstance(self.task, type) else TASKS[TaskKind(self.task)]

    def embedding_table(self) -> Tensor | None:
        """The weights of the named embedding; None where none is named, or it has none."""
        if self.embedding is None:
            return None
        weight = getattr(self.module.get_submodule(self.embedding), "weight", None)
        return weight if isinstance(weight, Tensor) and weight.dim() == 2 else None

    def _require_types(self) -> None:
        if not isinstance(self.module, nn.Module):
            raise _error(f"module must be a torch.nn.Module, not {_kind(self.module)}")
        if isinstance(self.module, torch.jit.ScriptModule):
            raise _error("module is TorchScript; give the torch.nn.Module that it was made from")
        require_eager(self.module)
        for name in ("encode", "tokenize"):
            value = getattr(self, name)
            if not callable(value) and (value is not None or name == "encode"):
                raise _error(f"{name} must be a function, not {_kind(value)}")
        if self.output not in get_args(OutputKind):
            raise _error(f"output must be logits or probabilities, not {self.output!r}")
        for name, kinds in (("columns", (int,)), ("mask", (str, int))):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
                wanted = " or ".join("a name" if kind is str else "a number" for kind in kinds)
                raise _error(f"{name} must be {wanted}, not {value!r}")
        if not isinstance(self.takes_pairs, bool):
            raise _error(f"takes_pairs must be True or False, not {self.takes_pairs!r}")
        entries = self.training.items() if isinstance(self.training, Mapping) else None
        simple = (str, int, float, bool, type(None))
        if entries is None or not all(
            isinstance(name, str) and isinstance(value, simple) for name, value in entries
        ):
            raise _error(f"training must be names with numbers or words, not {self.training!r}")

    def _require_labels(self) -> None:
        kinds = [kind.value for kind in TaskKind]
        if not _is_task(self.task) and self.task not in kinds:
            raise _error(f"there is no task {self.task!r}", hint=nearest(str(self.task), kinds))
        names = None if isinstance(self.labels, str) else list(self.labels)
        if names is None or not all(isinstance(name, str) for name in names):
            raise _error(f"labels must be a list of names, not {self.labels!r}")
        if len(set(names)) < len(names):
            raise _error(f"a name stands twice in labels: {names}")
        kind = self._kind_of_task
        least, most = kind.n_labels
        if len(names) < least or (most is not None and len(names) > most):
            wanted = f"{least} labels" if least == most else "several labels"
            raise _error(f"a {kind.name} task has {wanted}, not {len(names)}")

    def _require_submodule(self, field: str, name: object) -> None:
        names = [name for name, _ in self.module.named_modules() if name]
        if name is not None and name not in names:
            kind = type(self.module).__name__
            hint = nearest(str(name), names) if names else None
            raise _error(f"{field}={name!r}: {kind} has no such submodule", hint=hint)


def _error(problem: str, hint: str | None = None) -> ConfigurationError:
    return ConfigurationError(f"CustomModel: {problem}", hint=hint)


def _is_task(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Task)


def _kind(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


# All calls of a user's own code stand in this file: so its failures can be told from ours.

TokenLists = Sequence[Sequence[str]]


def call_tokenize(custom: CustomModel, text: str) -> Any:
    """The user's tokens of a text, or what stands between white space."""
    return text.split() if custom.tokenize is None else custom.tokenize(text)


def call_encode(custom: CustomModel, texts: TokenLists, second: TokenLists | None) -> Any:
    """What the user makes of token lists; of second texts too, where there are."""
    lists = [list(tokens) for tokens in texts]
    if second is None:
        return custom.encode(lists)
    return custom.encode(lists, [list(tokens) for tokens in second])


def call_module(custom: CustomModel, inputs: Arguments, with_one_dict: bool) -> Any:
    """What the user's module returns."""
    if with_one_dict:
        return custom.module(dict(inputs.keywords))
    return custom.module(*inputs.arguments, **inputs.keywords)
