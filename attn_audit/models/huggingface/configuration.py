"""What a model's configuration says of it, held against the weights that are really there.

Whatever is announced and not in the files would be made, and asks for memory: it is refused as soon
as it is announced.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from attn_audit.errors import ConfigurationError, UnreadableCheckpointError, UnsupportedModelError
from attn_audit.models.huggingface.hub import Checkpoint, loading
from attn_audit.models.options import ModelOptions
from attn_audit.models.task import Binary, Multiclass, Multilabel, Task
from attn_audit.quoting import quoted
from attn_audit.settings import TaskName


@dataclass(frozen=True, slots=True)
class Head:
    """What is on top of a model, and what `transformers` calls it."""

    words: str
    auto_class: str
    known: str
    """The library's table of the models that there are with it."""
    endings: tuple[str, ...]
    """Of the names of such models' classes; empty: any that is none of token classifiers."""
    advice: str
    """What to do where a model's files are of another."""

    @property
    def loader(self) -> Any:
        """The library's class that makes a model with it."""
        return getattr(import_module("transformers"), self.auto_class)


CLASSIFIER = Head(
    "classifier",
    "AutoModelForSequenceClassification",
    "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING",
    (),
    "Give a model that was fine-tuned to classify texts; a language model is asked: "
    "--prompt 'Review: {text}\\nSentiment:' --options ' negative, positive'.",
)
LANGUAGE_MODEL = Head(
    "language model",
    "AutoModelForCausalLM",
    "MODEL_FOR_CAUSAL_LM_MAPPING",
    ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration"),
    "Give a causal language model; a classifier is audited without --prompt.",
)


def head_for(options: ModelOptions) -> Head:
    """What the options ask a model to be loaded with."""
    return CLASSIFIER if options.question is None else LANGUAGE_MODEL


CONFIG = "config.json"
MAX_BYTES = 2**26
"""Of a file that says what a checkpoint holds."""


def read_configuration(checkpoint: Checkpoint, head: Head = CLASSIFIER) -> Any:
    """Read `config.json`.

    Raises:
        UnreadableCheckpointError: It is damaged.
        UnsupportedModelError: There is none, or it is of no model with such a head, or of one with
            code of its own.
    """
    from transformers import AutoConfig

    if not checkpoint.holds(CONFIG):
        raise UnsupportedModelError(
            f"{checkpoint.location} holds no model: no {CONFIG}, as of HuggingFace, and if it is a "
            "folder of the original code, it has no dec.th"
        )
    written = read_json(checkpoint, CONFIG)
    require_possible(checkpoint.location, written)
    code = written.get("auto_map") or {}
    _require_known_type(checkpoint, written.get("model_type"), "AutoConfig" in code)
    with loading(checkpoint.location, f"its {CONFIG}"):
        config = AutoConfig.from_pretrained(checkpoint.name, **checkpoint.arguments)
    _require_head(checkpoint, config, head, head.auto_class in code)
    return config


def read_json(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    """One of the files that say what a checkpoint holds.

    Raises:
        UnreadableCheckpointError: It cannot be read, or it is no JSON object.
    """
    try:
        file = checkpoint.folder / name
        if file.stat().st_size > MAX_BYTES:
            raise ValueError(f"longer than {MAX_BYTES >> 20} MiB")
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise UnreadableCheckpointError(
            checkpoint.location, f"its {name} is damaged or cannot be read ({error})"
        ) from None
    if not isinstance(content, dict):
        raise UnreadableCheckpointError(checkpoint.location, f"its {name} is no JSON object")
    return content


def _require_known_type(checkpoint: Checkpoint, model_type: object, has_code: bool) -> None:
    from transformers import CONFIG_MAPPING, __version__

    if model_type in CONFIG_MAPPING:
        return
    if has_code:
        _require_trust(checkpoint)
        return
    if model_type is None:
        raise UnreadableCheckpointError(
            checkpoint.location, f"its {CONFIG} names no model_type: it is no transformers model"
        )
    raise UnsupportedModelError(
        f"{checkpoint.location} is of type {quoted(model_type)}, which transformers {__version__} "
        "does not know"
    )


def _require_head(checkpoint: Checkpoint, config: Any, head: Head, has_code: bool) -> None:
    import transformers

    if type(config) not in getattr(transformers, head.known):
        if not has_code:
            of_texts = "causal language model" if head.endings else "classifier of texts"
            raise UnsupportedModelError(
                f"{checkpoint.location} is of type {quoted(config.model_type)}, of which "
                f"transformers has no {of_texts}"
            )
        _require_trust(checkpoint)
    # A decoder's token classifier has weights of the same names and shapes.
    names = config.architectures if isinstance(config.architectures, (list, tuple)) else ()
    if names and head.endings and not any(str(name).endswith(head.endings) for name in names):
        raise UnsupportedModelError(
            f"{checkpoint.location} is a {names[0]}, which is no causal language model",
            hint=head.advice,
        )
    other = next((name for name in map(str, names) if "TokenClassif" in name), None)
    if other is not None:
        raise UnsupportedModelError(
            f"{checkpoint.location} is a {other}: it labels tokens, and only classifiers of whole "
            "texts can be audited"
        )


def _require_trust(checkpoint: Checkpoint) -> None:
    if not checkpoint.runs_code:
        raise UnsupportedModelError(
            f"{checkpoint.location} is a model with code of its own, which is not run unasked",
            hint="Read the code; if you trust it, add --trust-remote-code.",
        )


MAX_LAYERS, MAX_LABELS = 10_000, 10**6
"""The deepest transformers have 1,000 layers, the largest label sets some 100,000."""

PER_BYTE, ALWAYS_ALLOWED = 8, 2**24
"""Numbers for each byte of the files, where weights are packed to one bit each; and 16 million
beside them, for tables that no file holds."""

MAX_TENSORS = 200_000


def require_possible(location: str, content: Mapping[str, Any]) -> None:
    """Refuse what makes a configuration itself, or a model without weights, fill all memory.

    Raises:
        UnreadableCheckpointError: More layers or labels than any model has.
    """
    for key, value in _numbers(content):
        limit = MAX_LABELS if "num_labels" in key else MAX_LAYERS if "layer" in key else None
        if limit is not None and value > limit:
            problem = f"its config.json announces {value} as {quoted(key)}, more than {limit:,}"
            raise UnreadableCheckpointError(location, problem)


def _numbers(content: Any) -> Iterator[tuple[str, float]]:
    """Every number that has a name, at any depth that the JSON library reads."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield from ((k, v) for k, v in part.items() if isinstance(v, (int, float)))
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


@contextmanager
def bounded(announcing: str, checkpoint: Checkpoint, *others: Checkpoint) -> Iterator[None]:
    """Count what every module made within asks for, and refuse more than the files can hold.

    Raises:
        UnreadableCheckpointError: The configuration announces far more than there is.
    """
    folders = {each.folder for each in (checkpoint, *others)}
    files = [file for folder in folders for file in folder.glob("*.safetensors")]
    n_bytes = sum(file.stat().st_size for file in files)
    left = {"numbers": PER_BYTE * n_bytes + ALWAYS_ALLOWED, "tensors": MAX_TENSORS}

    def count(module: nn.Module, name: str, tensor: Tensor | None) -> None:
        if tensor is None:
            return
        left["numbers"] -= tensor.numel()
        left["tensors"] -= 1
        short = next((kind for kind, n in left.items() if n < 0), None)
        if short is not None:
            raise UnreadableCheckpointError(
                checkpoint.location,
                f"its {announcing} announces more {short} than its {n_bytes:,} bytes of weights "
                f"can hold: {type(module).__name__}.{name} of shape {tuple(tensor.shape)}",
            )

    hooks = [
        register_module_parameter_registration_hook(count),
        register_module_buffer_registration_hook(count),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


MULTILABEL = "multi_label_classification"
REGRESSION = "regression"

UNNAMED = "LABEL_0"
"""What `transformers` calls the first label where nobody named it."""


RELEVANCE = ("not relevant", "relevant")
"""What a reranker says of a pair."""


def task_of(config: Any, name: str, said: TaskName | None) -> Task:
    """The kind and names of a classifier's labels.

    Args:
        said: What a head of one output is.

    Raises:
        ConfigurationError: The head has more outputs than that.
        UnsupportedModelError: A regression head, or labels that cannot be told apart.
    """
    labels = label_names(config, name)
    is_multilabel = config.problem_type == MULTILABEL
    most = 1 if said == "reranker" or is_multilabel else 2
    if said is not None and len(labels) > most:
        raise ConfigurationError(
            f"--task {said}: the model has {len(labels)} outputs"
            + (", each a label of its own" if is_multilabel else ""),
            hint="Leave --task out: the model's configuration says what it predicts.",
        )
    if config.problem_type == REGRESSION:
        raise UnsupportedModelError(
            f"{name} is a regression model (problem_type), and only classifiers can be audited"
        )
    if len(labels) == 1 and not is_multilabel and said is None:
        raise UnsupportedModelError(
            f"{name} has a head with one output, which is a regression head",
            hint="If it is one sigmoid, a yes or no, say so with --task binary; if it ranks the "
            "second text of a pair, with --task reranker, and --audited second for that text.",
        )
    if said == "reranker":
        return Binary(RELEVANCE)
    if len(labels) == 1 and said == "binary":
        return Binary(("0", "1") if labels[0] == UNNAMED else (f"not {labels[0]}", labels[0]))
    if is_multilabel:
        return Multilabel(labels)
    return Binary(labels) if len(labels) == 2 else Multiclass(labels)


def label_names(config: Any, name: str) -> tuple[str, ...]:
    """A classifier's labels, in the order of its outputs.

    Raises:
        UnsupportedModelError: They cannot be told apart.
    """
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
