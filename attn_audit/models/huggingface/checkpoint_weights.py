"""A model's weights: there, complete, of the right shapes, and finite; and those of PEFT adapters.

An adapter is a few weights that change those of a base model. They are loaded by `peft` itself, and
held against their file: what the module then computes with is the base model's, or it stands in the
file, and nothing else stands there.
"""

import copy
import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from attn_audit.errors import (
    CheckpointError,
    UnreadableCheckpointError,
    UnsupportedModelError,
)
from attn_audit.models.huggingface.configuration import (
    CLASSIFIER,
    CONFIG,
    Head,
    bounded,
    head_for,
    read_json,
)
from attn_audit.models.huggingface.encoding import embedding_table
from attn_audit.models.huggingface.hub import Checkpoint, loading, locate, silenced
from attn_audit.models.options import ModelOptions
from attn_audit.models.state_dict import mismatch
from attn_audit.quoting import listed, quoted

WEIGHTS = "model*.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER_CONFIG = "adapter_config.json"

NO_ADAPTER: Mapping[str, Any] = {"subfolder": "no adapter", "local_files_only": True}
"""Where `transformers` is to look for an adapter: it would load what fits, and go on; and it would
ask the hub for one again, whose files are all here."""


def require_safetensors(checkpoint: Checkpoint, safe: str, pickled: str) -> None:
    """Refuse weights that are a pickle or are not there.

    Raises:
        UnreadableCheckpointError: There is no file of weights that can be loaded.
    """
    if checkpoint.holds(safe):
        return
    if checkpoint.holds(pickled):
        raise UnreadableCheckpointError(
            checkpoint.location,
            f"its weights are a pickle ({pickled.replace('*', '')}), which can run code: only "
            "safetensors are loaded",
            hint="If you trust it, load it with transformers and save it again: "
            "save_pretrained writes safetensors.",
        )
    raise UnreadableCheckpointError(
        checkpoint.location, f"it holds no weights ({safe.replace('*', '')})"
    )


def load_weights(
    checkpoint: Checkpoint, config: Any, options: ModelOptions, replaced: Collection[str] = ()
) -> tuple[nn.Module, set[str]]:
    """Build the module and load its weights.

    Args:
        replaced: Weights that an adapter replaces, whatever their shapes are here.

    Returns:
        The module, and the names of the weights that the files lack and that are random now.

    Raises:
        UnreadableCheckpointError: Damaged, or other shapes than the configuration says.
    """
    require_safetensors(checkpoint, WEIGHTS, "pytorch_model*.bin")
    _require_parts_inside(checkpoint)
    with loading(checkpoint.location, "its weights"), bounded(CONFIG, checkpoint):
        module, info = head_for(options).loader.from_pretrained(
            checkpoint.name,
            config=config,
            dtype=getattr(torch, options.dtype),
            attn_implementation=options.attention_implementation,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # to be refused by name
            output_loading_info=True,
            adapter_kwargs=dict(NO_ADAPTER),
            **checkpoint.arguments,
        )
    others = {each[0]: each for each in info["mismatched_keys"]}
    for name, found, expected in sorted(others[n] for n in others.keys() - set(replaced)):
        raise UnreadableCheckpointError(
            checkpoint.location,
            f"its {name} is {tuple(found)}, and its config.json says {tuple(expected)}",
        )
    wanted, found = info["missing_keys"], info["unexpected_keys"]
    if (told := mismatch(wanted, found))[1] is not None:
        problem = f"its weights do not fit its config.json: {told[0]}"
        raise UnreadableCheckpointError(checkpoint.location, problem, hint=told[1])
    return module, set(wanted) | others.keys()


def _require_parts_inside(checkpoint: Checkpoint) -> None:
    """The parts that an index names lie beside it."""
    if not checkpoint.holds(INDEX):
        return
    named = read_json(checkpoint, INDEX).get("weight_map")
    for part in named.values() if isinstance(named, dict) else (named,):
        if not isinstance(part, str) or Path(part).name != part or "\\" in part:
            raise UnreadableCheckpointError(
                checkpoint.location, f"its {INDEX} names {quoted(part)}, which is no file beside it"
            )


def require_complete(location: str, missing: Iterable[str], head: Head = CLASSIFIER) -> None:
    """Refuse a model part of which would be random.

    Raises:
        UnsupportedModelError: Weights are missing.
    """
    names = sorted(missing)
    if names:
        raise UnsupportedModelError(
            f"{location} is not a whole {head.words}: its files lack {listed(names)}, which would "
            "be random",
            hint=head.advice,
        )


ADAPTER = "adapter_model.safetensors"

CLASSIFIER_TASK = "SEQ_CLS"
OTHER_TASKS = {"TOKEN_CLS": "labels tokens", "QUESTION_ANS": "marks answers in texts"}
"""Their heads have the names and shapes of a classifier's."""

MORE_THAN_WEIGHTS = ("ADAPTION_PROMPT", "POLY", "SHADOW", "XLORA")
"""Kinds that are no prompts, and that also do more than change weights."""

UNSAVED = ("pissa_niter", "lora_ga", "corda")
"""Beginnings that change the base model at random, or by data, and do not save how."""

PREFIX = "base_model.model."
LONGEST_NAME = 120

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter's files, read and not yet loaded."""

    checkpoint: Checkpoint
    base: Checkpoint
    """The model that it changes; the adapter's own folder where that holds it as well."""
    kind: str
    """As `peft` calls it: LORA."""
    task: str | None
    """What it was trained for, in `peft`'s words."""
    shapes: Shapes
    """Of its weights, by their names in the file."""

    @property
    def brought(self) -> Shapes:
        """The weights of the base model that it replaces as a whole, by the model's names."""
        return {
            name.removeprefix(PREFIX)
            .replace(".token_adapter.", ".")
            .replace(".base_layer.", "."): n
            for name, n in self.shapes.items()
            if name.startswith(PREFIX)
        }

    def n_labels(self, config: Any) -> int:
        """As many as its classifier has; where it brings none, as the base's configuration says.

        They are read off the weights whose shapes depend on the number of labels.
        """
        more = copy.deepcopy(config)
        more.num_labels = config.num_labels + 1
        with loading(self.base.location, "its config.json"):
            few, many = (_shapes_of(self.base, each) for each in (config, more))
        for name, shape in few.items():
            axis = next((i for i, n in enumerate(shape) if n != many[name][i]), None)
            found = self.brought.get(name, ())
            if axis is not None and len(found) == len(shape):
                return found[axis]
        return int(config.num_labels)

    def require_classifier(self, missing: set[str]) -> None:
        """Refuse an adapter of a model that generates text, say, as the reason for a random head.

        Args:
            missing: Weights that neither the base model nor the adapter brings.

        Raises:
            UnsupportedModelError: There are some, and the adapter is of no classifier.
        """
        if missing and self.task not in (None, CLASSIFIER_TASK):
            raise UnsupportedModelError(
                f"{self.checkpoint.location} is an adapter for {quoted(self.task)}, and neither it "
                f"nor {self.base.location} is a classifier: {listed(sorted(missing))} would be "
                "random",
                hint="Give an adapter that was trained to classify texts (task_type SEQ_CLS).",
            )

    def load_into(self, module: nn.Module, missing: set[str]) -> None:
        """Change a base model in place as `peft` does, and leave no weight to chance.

        Args:
            missing: Weights that the base model's files lack, or hold in other shapes.

        Raises:
            UnreadableCheckpointError: The adapter does not fit the module.
            UnsupportedModelError: `peft` does not know what it asks for.
        """
        from safetensors.torch import load_file

        location = self.checkpoint.location
        with loading(location, "its adapter"), torch.random.fork_rng(devices=[]), silenced():
            peft = _peft()
            torch.manual_seed(0)  # some kinds draw numbers before they read their weights
            config = _configuration(self.checkpoint)
            weights = load_file(self.checkpoint.folder / ADAPTER)
            with torch.no_grad():  # wrappers keep what they replace beside their own
                for name, own in module.state_dict().items():
                    if name in missing:
                        own.zero_()
            table, model = embedding_table(module), cast(Any, module)
            names = (name for name, each in module.named_parameters() if each is table)
            n_tokens = self.brought.get(next(names, ""), (0,))[0]
            if table is not None and n_tokens not in (0, len(table)):
                # Tokens were added before the adapter was trained.
                model.resize_token_embeddings(n_tokens, mean_resizing=False)
            _require_known_tokens(location, config, module)
            with bounded(ADAPTER_CONFIG, self.checkpoint, self.base):
                is_classifier = config.task_type == CLASSIFIER_TASK
                # Of the others only the head differs: the module's.
                kind = peft.PeftModelForSequenceClassification if is_classifier else peft.PeftModel
                model = kind(module, config)
            problems = _load(model, weights)
        lacking = missing - self.brought.keys()
        if problems and lacking:
            problems.append(f"neither has {listed(sorted(lacking))}, which would be random")
        if problems:
            raise UnreadableCheckpointError(
                location,
                f"its {ADAPTER} does not fit its {ADAPTER_CONFIG} and {self.base.location}: "
                + "; ".join(problems),
                hint="Save it again with the peft and the base model that it was trained with.",
            )


def read_adapter(checkpoint: Checkpoint) -> Adapter | None:
    """Read what an adapter is, and find its base model; None where the checkpoint is no adapter.

    Raises:
        CheckpointError: The adapter or its base is not there or cannot be read.
        UnsupportedModelError: It changes more than weights, is of no classifier of texts, or
            `peft` is not installed.
    """
    if not checkpoint.holds(ADAPTER_CONFIG):
        return None
    if find_spec("peft") is None:
        raise UnsupportedModelError(
            f"{checkpoint.location} is a PEFT adapter, and the package peft is not installed",
            hint="Run pip install peft, or merge the adapter into its model and save that.",
        )
    written = read_json(checkpoint, ADAPTER_CONFIG)
    _require_weights_only(checkpoint.location, written)
    require_safetensors(checkpoint, ADAPTER, "adapter_model.bin")
    task = written.get("task_type")
    return Adapter(
        checkpoint,
        checkpoint if checkpoint.holds(WEIGHTS) else _base(checkpoint, written),
        str(written.get("peft_type")),
        None if task is None else str(task),
        _shapes_in(checkpoint),
    )


def _base(checkpoint: Checkpoint, written: Mapping[str, Any]) -> Checkpoint:
    """Found as `peft` finds it, or relative to the adapter."""
    named = written.get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise UnreadableCheckpointError(
            checkpoint.location, f"its {ADAPTER_CONFIG} names no base_model_name_or_path"
        )
    beside = checkpoint.folder / named
    location = str(beside) if not Path(named).is_dir() and beside.is_dir() else named
    revision = None if Path(location).is_dir() else written.get("revision")
    try:
        base = locate(location, revision, checkpoint.runs_code)
    except CheckpointError as error:
        raise UnreadableCheckpointError(
            checkpoint.location,
            f"its {ADAPTER_CONFIG} names a base model that cannot be found: {error.message}",
            hint="If it was moved, write where it is now as base_model_name_or_path.",
        ) from None
    if base.holds(ADAPTER_CONFIG):
        raise UnsupportedModelError(
            f"{checkpoint.location} is an adapter of {base.location}, which has an adapter itself",
            hint="Merge that one into its own base model, and save it (merge_and_unload).",
        )
    return base


def _require_weights_only(location: str, written: Mapping[str, Any]) -> None:
    kind, task = written.get("peft_type"), written.get("task_type")
    if task in OTHER_TASKS:
        raise UnsupportedModelError(
            f"{location} is an adapter for {task}: it {OTHER_TASKS[task]}, and only classifiers of "
            "whole texts can be audited"
        )
    # Only prompts have virtual tokens, whatever their kinds will be called.
    if written.get("num_virtual_tokens") is not None or kind in MORE_THAN_WEIGHTS:
        raise UnsupportedModelError(
            f"{location} is an adapter of type {quoted(kind)}, which does more than change weights "
            "(as putting tokens of its own beside each text's), and would not be audited as it runs"
        )
    if written.get("alora_invocation_tokens"):
        raise UnsupportedModelError(
            f"{location} is an adapter that works only after some tokens "
            "(alora_invocation_tokens), and would not be audited as it runs"
        )


def _shapes_in(checkpoint: Checkpoint) -> Shapes:
    from safetensors import safe_open

    with (
        loading(checkpoint.location, "its adapter"),
        safe_open(checkpoint.folder / ADAPTER, framework="pt") as weights,
    ):
        names = weights.keys()
        return {name: tuple(weights.get_slice(name).get_shape()) for name in names}


def _shapes_of(checkpoint: Checkpoint, config: Any) -> Shapes:
    """What a classifier would be made of."""
    from transformers import AutoModelForSequenceClassification

    with torch.device("meta"), bounded(CONFIG, checkpoint):
        module = AutoModelForSequenceClassification.from_config(
            config, trust_remote_code=checkpoint.runs_code
        )
    return {name: tuple(weights.shape) for name, weights in module.named_parameters()}


def _configuration(checkpoint: Checkpoint) -> Any:
    """Everything in the file is known to this version of `peft`, which would drop it unseen."""
    peft = _peft()
    written = read_json(checkpoint, ADAPTER_CONFIG)
    kind = written.get("peft_type")
    if not isinstance(kind, str) or kind not in peft.PEFT_TYPE_TO_CONFIG_MAPPING:
        raise UnsupportedModelError(
            f"{checkpoint.location} is an adapter of type {quoted(kind)}, which peft "
            f"{peft.__version__} does not know",
            hint="If it is newer: pip install --upgrade peft.",
        )
    fields = dataclasses.fields(peft.PEFT_TYPE_TO_CONFIG_MAPPING[kind])
    unknown = {key for key, value in written.items() if value} - {each.name for each in fields}
    if unknown:
        raise UnsupportedModelError(
            f"{checkpoint.location} is an adapter whose {ADAPTER_CONFIG} sets "
            f"{listed(sorted(unknown))}, which peft {peft.__version__} does not know",
            hint="If it is newer: pip install --upgrade peft.",
        )
    if str(written.get("init_lora_weights")).startswith(UNSAVED):
        raise UnsupportedModelError(
            f"{checkpoint.location} was trained on a base model that peft had changed at random or "
            f"by data (init_lora_weights {quoted(written['init_lora_weights'])}), and its files do "
            "not say how",
            hint="Save it with path_initial_model_for_weight_conversion, or merge it.",
        )
    config = peft.PeftConfig.from_pretrained(str(checkpoint.folder))
    config.inference_mode = True
    return config


def _peft() -> Any:
    """It is there for those who have adapters."""
    return import_module("peft")


def _require_known_tokens(location: str, config: Any, module: nn.Module) -> None:
    """Tokens that are trained one by one, of a vocabulary that was larger then."""
    named = getattr(config, "trainable_token_indices", getattr(config, "token_indices", None))
    lists = named.values() if isinstance(named, dict) else [named]
    highest = max((number for numbers in lists for number in numbers or ()), default=-1)
    table = embedding_table(module)
    n_tokens = highest + 1 if table is None else len(table)
    if highest >= n_tokens:
        raise UnreadableCheckpointError(
            location,
            f"it trains the token of number {highest}, its base model has a vocabulary of "
            f"{n_tokens}, and it brings no embeddings of the tokens that were added",
            hint="Save it with save_embedding_layers=True.",
        )


def _load(model: Any, weights: Mapping[str, Tensor]) -> list[str]:
    """Load an adapter's weights, and say what of them is missing, unused or of other shapes."""
    peft = _peft()

    def saved() -> dict[str, Tensor]:
        return dict(peft.get_peft_model_state_dict(model, save_embedding_layers=False))

    wanted = saved()
    misfits = {n for n in wanted.keys() & weights.keys() if wanted[n].shape != weights[n].shape}
    try:
        found = peft.set_peft_model_state_dict(model, dict(weights), ignore_mismatched_sizes=True)
        lacking = _not_loaded(wanted, model.state_dict(), set(found.missing_keys), weights)
        # Some are there twice, under a second name that is read or not: with the same numbers?
        now = model.state_dict() | saved()
        named = weights.keys() & (now.keys() | set(found.unexpected_keys))
        first = {n: n if n in now else n.replace(".modules_to_save.", ".") for n in named}
        unused = {n for n in named if not _holds(now.get(first[n]), weights[n])}
    except KeyError:  # it looks up what replaces whole modules, and says no more
        lacking = wanted.keys() - weights.keys()
        unused = weights.keys() - wanted.keys() - model.state_dict().keys()
    shapes = [
        f"{name} ({_size(weights[name])} instead of {_size(wanted[name])})"
        for name in sorted(misfits)
    ]
    groups = {
        "it lacks": lacking - misfits,
        "nothing uses": unused - misfits,
        "other shapes have": shapes,
    }
    return [f"{what} {listed(sorted(n), LONGEST_NAME)}" for what, n in groups.items() if n]


def _not_loaded(
    wanted: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    missing: set[str],
    given: Mapping[str, Tensor],
) -> set[str]:
    """What `peft` would save and did not load; it knows the same numbers by several names."""
    places = {name: tensor.data_ptr() for name, tensor in state.items()}
    loaded = {place for name, place in places.items() if name not in missing}
    random = set(places.values()) - loaded
    return {
        name
        for name, tensor in wanted.items()
        if tensor.data_ptr() in random
        or (name not in given and tensor.data_ptr() not in loaded)  # made for saving alone
    }


def _holds(own: Tensor | None, given: Tensor) -> bool:
    # What is no number is refused later, by its name.
    return own is not None and torch.equal(own.nan_to_num(), given.to(own).nan_to_num())


def _size(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
