"""The model and the data that an audit's settings name, and what of them a report keeps."""

import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from attn_audit import demo
from attn_audit.checks.base import Check
from attn_audit.checks.registry import epsilon_for
from attn_audit.data.example import (
    N_PEEKED,
    N_SEARCHED,
    Example,
    Peekable,
    choose_trial,
    sample_examples,
)
from attn_audit.data.location import resolve
from attn_audit.data.reading import examples_in_memory, look_over, read_examples
from attn_audit.data.source import DataSource, FieldNames
from attn_audit.errors import ConfigurationError
from attn_audit.models.contract import AuditedModel, Site
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.interception.classifier import or_probes
from attn_audit.models.interception.observation import AttentionOutOfReachError
from attn_audit.models.loading import ModelOptions, load_model, resolve_device
from attn_audit.plugins import loaded_plugins
from attn_audit.results.report import DEFINITIONS_VERSION, DataDescription, Settings, Tool
from attn_audit.settings import AuditSettings, Panel, names_where
from attn_audit.version import __version__

MODEL_SETTINGS = (
    *(name for name in names_where(panel=Panel.LOADING) if name != "vocabulary"),
    *("unit", "removal"),
)
"""Settings that a model is loaded with."""


def load_named_model(settings: AuditSettings, trial: Sequence[Example]) -> AuditedModel:
    """The model that the settings name, on the device that they name.

    Args:
        trial: A few of the examples, for models whose attention is found by trying it out; of
            the paper's models all is known.

    Raises:
        CheckpointError: Missing, unreadable, unsafe or not supported.
        DeviceError: There is no such device.
        InvalidWeightsError: The weights are not numbers.
    """
    assert settings.model is not None, "settings.require_inputs() comes first"
    options = ModelOptions(
        vocabulary=None if settings.vocabulary is None else Path(settings.vocabulary),
        **{name: getattr(settings, name) for name in MODEL_SETTINGS},
    )
    location = demo.or_packaged(settings.model, demo.MODEL)
    return load_model(location, resolve_device(settings.device), options, trial)


def load_in_memory(
    model: AuditedModel | CustomModel | nn.Module,
    tokenizer: Any,
    settings: AuditSettings,
    trial: Sequence[Example],
) -> AuditedModel:
    """A model that the caller holds, made ready.

    Args:
        model: That `wrap` made, of a user's own, or of `transformers`.
        trial: A few of the examples.

    Raises:
        ConfigurationError: A setting does not fit the model, or the tokenizer is missing.
        UnsupportedModelError: Its attention cannot be seen.
    """
    if isinstance(model, AuditedModel):
        return model
    if isinstance(model, CustomModel):
        from attn_audit.models.custom.encoding import Splitter
        from attn_audit.models.custom.model import build_custom_model

        return build_custom_model(
            model,
            or_probes(trial, as_pairs=model.takes_pairs),
            resolve_device(settings.device),
            Splitter(model, settings.unit, settings.max_length),
            removal=settings.removal,
        )
    if tokenizer is None:
        raise ConfigurationError(
            f"model: a {type(model).__name__} alone says nothing of texts",
            hint="Give a model of transformers with tokenizer=..., or say in a CustomModel how "
            "texts become its inputs.",
        )
    from attn_audit.models.huggingface.loading import wrap

    if settings.device != "auto":
        model = model.to(resolve_device(settings.device))
    return wrap(
        model,
        tokenizer,
        examples=trial,
        unit=settings.unit,
        max_length=settings.max_length,
        task=settings.task,
        removal=settings.removal,
        dtype=None if settings.dtype == "float32" else settings.dtype,
    )


LoadModel = Callable[[AuditSettings, Sequence[Example]], AuditedModel]
"""Loads the model of an audit, and tries it out on some texts."""


def load_tried_model(
    settings: AuditSettings,
    trial: Sequence[Example],
    others: Callable[[], Sequence[Example]],
    load: LoadModel | None = None,
) -> tuple[AuditedModel, tuple[Example, ...]]:
    """The model that the settings name, and texts in which its attention can be tried out.

    Args:
        trial: A few of the examples.
        others: More of them, for where attention reaches the output in none of the trial's.
        load: Loads a model in memory; None: the one that the settings name.

    Raises:
        UsageError: As `load_named_model`; attention reaches the output in no text at all.
    """
    try:
        return (load or load_named_model)(settings, trial), tuple(trial)
    except AttentionOutOfReachError as error:
        tried = {example.id for example in trial}
        found = error.texts_in_reach([e for e in others() if e.id not in tried])
    more = (*choose_trial(found), *trial)
    return (load or load_named_model)(settings, more), more


Item = Example | Mapping[str, object] | str
"""An example that the caller holds: a text alone stands for one."""


@dataclass(frozen=True)
class AuditedData:
    """Examples, and what is known of where they come from."""

    examples: Iterable[Example]
    source: str
    name: str
    split: str | None
    sha256: str | None
    expected: int | None
    """About how many examples there are, where that shows without reading them."""

    @staticmethod
    def of(settings: AuditSettings, items: Iterable[Item] | None = None) -> "AuditedData":
        """The data that the settings name, or texts, rows or examples that the caller holds.

        Raises:
            DataError: It is not there, or cannot be read; an item is wrong, or there is none.
        """
        if items is not None:
            return _in_memory(items, settings)
        assert settings.data is not None, "settings.require_inputs() comes first"
        source = DataSource(
            location=demo.or_packaged(settings.data, demo.DATA),
            split=settings.split,
            fields=FieldNames(**settings.fields),
            label_map=settings.label_map,
            max_unpacked_mb=settings.max_unpacked_mb,
            quoting=settings.quoting,
        )
        found = resolve(source)
        content = look_over(found)
        return AuditedData(
            examples=read_examples(source),
            source=settings.data,
            name=found.name,
            split=found.split,
            sha256=content.fingerprint,
            expected=content.n_rows,
        )

    def take_trial(self) -> tuple[tuple[Example, ...], "AuditedData"]:
        """A few texts to try a model out on, and the same data with none of them missing.

        Raises:
            DataError: The first examples cannot be read, or a data file holds none.
        """
        examples = Peekable(self.examples)
        return choose_trial(examples.first(N_PEEKED)), replace(self, examples=examples)

    def load_model(
        self,
        settings: AuditSettings,
        trial: Sequence[Example],
        load: LoadModel | None = None,
    ) -> tuple[AuditedModel, tuple[Example, ...]]:
        """The model that the settings name, and the texts that it was tried out on.

        Args:
            trial: From `take_trial`, which gave this data as well.
            load: Loads a model in memory; None: the one that the settings name.

        Raises:
            UsageError: As `load_tried_model`.
        """
        examples = self.examples
        assert isinstance(examples, Peekable), "take_trial() comes first"
        return load_tried_model(settings, trial, lambda: examples.first(N_SEARCHED), load)

    def sampled(self, settings: AuditSettings) -> Iterable[Example]:
        """The examples, or the random sample of them that the settings ask for."""
        if settings.limit is None:
            return self.examples
        return sample_examples(self.examples, settings.limit, settings.seed)

    def count(self) -> int | None:
        """How many examples there are, as far as that is known by now."""
        read = self.examples.number if isinstance(self.examples, Peekable) else None
        return self.expected if read is None else read

    def describe(self, settings: AuditSettings) -> DataDescription:
        """The data as the report names it, with nothing counted in it yet."""
        return DataDescription(
            source=self.source,
            name=self.name,
            split=self.split,
            sha256=self.sha256,
            n_examples=0,
            limit=settings.limit,
            n_labelled=0,
            n_truncated=0,
        )


def _in_memory(items: Iterable[Item], settings: AuditSettings) -> AuditedData:
    examples = examples_in_memory(items, FieldNames(**settings.fields), settings.label_map)
    number = len(examples) if isinstance(examples, Sequence) else None
    return AuditedData(examples, "examples in memory", "examples in memory", None, None, number)


def describe_tool() -> Tool:
    """This program and the libraries that its numbers depend on."""
    libraries = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }
    if "transformers" in sys.modules:  # only where the model is one of its own
        libraries |= {"transformers": version("transformers")}
    return Tool(
        name="attn-audit",
        version=__version__,
        libraries=libraries,
        definitions=DEFINITIONS_VERSION,
        plugins=dict(loaded_plugins()),
    )


def describe_settings(
    settings: AuditSettings, checks: Sequence[Check], site: Site, model: AuditedModel
) -> Settings:
    """Everything that changes a number, as it was decided.

    Args:
        settings: As the user gave them.
    """
    given = {name: getattr(settings, name) for name in names_where(is_stored=True)}
    given |= {name: getattr(settings, name) for name in names_where(names_code=True)}
    decided = {
        "checks": tuple(check.id for check in checks),
        "epsilon": epsilon_for(settings, model),
        "layer": site.layer,
        "head": site.head,
        "rows": site.rows.value,
        "unit": model.unit,
        "batch_size": str(settings.batch_size),
        "threads": torch.get_num_threads(),
        "device": model.device.type,
    }
    return Settings(
        fields=settings.fields,
        **(given | decided),
    )
