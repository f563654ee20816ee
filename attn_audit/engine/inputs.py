"""The model and the data that an audit's settings name, and what of them a report keeps."""

import platform
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from attn_audit import __version__, demo
from attn_audit.checks.base import Check
from attn_audit.checks.plausibility import Plausibility
from attn_audit.checks.registry import epsilon_for
from attn_audit.data.example import N_SEARCHED, Example, choose_trial, is_judged, sample_examples
from attn_audit.data.labels import Labelling
from attn_audit.data.prompts import TEXT, USER, Prompt
from attn_audit.data.reading import DataSet, data_in_memory, find_data
from attn_audit.data.skipped_rows import MEANINGS, MOST_LABELS, SkippedRows, quoting_no_text
from attn_audit.data.source import N_PEEKED, DataSource, FieldNames
from attn_audit.errors import (
    AttnAuditError,
    BadRowError,
    ConfigurationError,
    Fault,
    IncompatibleDataError,
    nearest,
)
from attn_audit.models.contract import AuditedModel, Site
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.interception.observation import AttentionOutOfReachError
from attn_audit.models.loading import load_model, require_first, resolve_device
from attn_audit.models.options import ModelOptions
from attn_audit.models.state_dict import sha256_of_weights
from attn_audit.models.task import match_labels, place
from attn_audit.numbers import counted
from attn_audit.plugins import loaded_plugins
from attn_audit.quoting import quoted
from attn_audit.results import report
from attn_audit.results.model_description import HeadMix, Leverage, ModelDescription
from attn_audit.settings import EACH, FIELDS, NEXT, AuditSettings, Panel, names_where

MODEL_SETTINGS = (
    *(name for name in names_where(panel=Panel.LOADING) if name != "vocabulary"),
    *(name for name in names_where(panel=Panel.PROMPT) if name != "prompt_file"),
    *("unit", "removal", "without_attention"),
)
"""Settings that a model is loaded with."""

OF_FILES = ("dtype", "attention_implementation", "revision", "trust_remote_code", "adapter")
"""Those of them that a model in memory is not simply given: it is loaded already."""


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
    location = demo.or_packaged(settings.model, demo.MODEL)
    return load_model(location, resolve_device(settings.device), _options(settings), trial)


def _options(settings: AuditSettings) -> ModelOptions:
    return ModelOptions(
        vocabulary=None if settings.vocabulary is None else Path(settings.vocabulary),
        **{name: getattr(settings, name) for name in MODEL_SETTINGS},
    )


def described(model: AuditedModel) -> ModelDescription:
    """What is known of a model, with what tells it from others that are in memory."""
    found = model.describe()
    if found.sha256 is not None:
        return found
    return found.model_copy(update={"weights_sha256": sha256_of_weights(model.module)})


def explaining(model: AuditedModel, settings: AuditSettings) -> AuditedModel:
    """The model, of which the label is explained that the settings name; a caller's stays as it is.

    Raises:
        ConfigurationError: The model has no such label.
    """
    label = settings.explain_label
    if label is None or label == EACH:
        return model
    if model.task.is_vocabulary:
        label = model.task.own_name(label) or label
    if label not in model.task.labels:
        raise ConfigurationError(
            f"--explain-label: the model has no label {label!r}",
            hint=nearest(label, model.task.labels),
        )
    twin = copy(model)
    twin.task = replace(model.task, explained=label)
    return twin


def load_in_memory(
    model: AuditedModel | CustomModel | nn.Module,
    tokenizer: Any,
    settings: AuditSettings,
    trial: Sequence[Example],
) -> AuditedModel:
    """A model that the caller holds, made ready.

    Raises:
        ConfigurationError: A setting does not fit the model, or the tokenizer is missing.
        UnsupportedModelError: Its attention cannot be seen.
    """
    if isinstance(model, AuditedModel):
        return model
    if settings.attention_implementation is not None:
        raise ConfigurationError(
            "--attention-implementation: the model is loaded already",
            hint="Load it so: from_pretrained(..., attn_implementation=...).",
        )
    if isinstance(model, CustomModel):
        require_first(settings.audited_texts, "a model of your own")
        if settings.window_overlap is not None:
            raise ConfigurationError("--window-overlap means nothing to a module of your own")
        from attn_audit.models.custom.intercepted_model import build_custom_model

        device = resolve_device(settings.device)
        return build_custom_model(model, trial, device, _options(settings))
    if tokenizer is None:
        raise ConfigurationError(
            f"model: a {type(model).__name__} alone says nothing of texts",
            hint="Give a model of transformers with tokenizer=..., or say in a CustomModel how "
            "texts become its inputs.",
        )
    from attn_audit.models.huggingface.loading import wrap

    if settings.device != "auto":
        model = model.to(resolve_device(settings.device))
    given = {name: getattr(settings, name) for name in MODEL_SETTINGS if name not in OF_FILES}
    if settings.dtype != "float32":
        given["dtype"] = settings.dtype
    wrapped: AuditedModel = wrap(model, tokenizer, examples=trial, **given)
    return wrapped


def fields_of_prompt(settings: AuditSettings) -> tuple[str, ...] | None:
    """The fields that stand beside the text in the prompt; None: there is none, and no chat.

    Raises:
        ConfigurationError: It has no place for the text.
    """
    if settings.prompt is None:
        return () if settings.is_of_chats else None
    return Prompt(settings.prompt, settings.audited or TEXT).beside


LoadModel = Callable[[AuditSettings, Sequence[Example]], AuditedModel]
"""Loads the model of an audit, one in memory say, and tries it out on some texts."""


def load_tried_model(
    settings: AuditSettings,
    trial: Sequence[Example],
    others: Callable[[], Sequence[Example]],
    load: LoadModel | None = None,
) -> tuple[AuditedModel, tuple[Example, ...]]:
    """The model that the settings name, and texts in which its attention can be tried out.

    Args:
        others: More of them, for where attention reaches the output in none of the trial's.
        load: None: the one that the settings name.

    Raises:
        UsageError: As `load_named_model`; attention reaches the output in no text at all.
    """
    load = load or load_named_model
    try:
        return explaining(load(settings, trial), settings), tuple(trial)
    except AttentionOutOfReachError as error:
        tried = {example.id for example in trial}
        found = error.texts_in_reach([e for e in others() if e.id not in tried])
    more = (*choose_trial(found, settings.audited_texts), *trial)
    return explaining(load(settings, more), settings), more


Item = Example | Mapping[str, object] | str
"""An example that the caller holds: a text alone stands for one."""


N_AT_FAULT = (1, 2, 3)
"""Texts of a trial that may be at fault together, where failures are recorded."""


@dataclass(frozen=True)
class AuditedData:
    """A data set, and which of its rows are audited."""

    dataset: DataSet
    source: str
    model: AuditedModel | None = None
    """That the data was checked against; None until it was."""
    left_out: SkippedRows = field(default_factory=SkippedRows)
    """By the check."""
    has_halves: bool = False
    """Whether one half of the texts chooses the layer, and only the other is judged."""
    n_choosing: int = 0
    """Texts of the half that chooses."""
    has_rationales: bool = False
    """Whether people marked something in one of them."""
    has_prompt: bool = False
    """Whether each text stands in a prompt."""
    _drawn: dict[tuple[int, int | None, int], list[Example]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """Samples by size, limit and seed: each takes a look at all of the data."""

    @staticmethod
    def of(settings: AuditSettings, items: Iterable[Item] | None = None) -> "AuditedData":
        """The data that the settings name, or texts, rows or examples that the caller holds.

        Raises:
            DataError: It is not there, or cannot be read; or there are no items.
        """
        is_named = settings.rationale_field != FIELDS["rationale_field"].default
        is_read = is_named or Plausibility.id in settings.checks
        is_field = settings.target not in (None, NEXT)
        fields = FieldNames(
            **settings.fields,
            # What follows is no label, whatever it is called.
            ignored=(*settings.ignore_field, *(["label"] if is_field else [])),
            rationale=settings.rationale_field if is_read else None,
            shown=settings.shown,
            audited=settings.audited_texts,
            prompt=fields_of_prompt(settings),
            role=(settings.audited or USER) if settings.is_of_chats else None,
        )
        has_prompt = settings.chat or settings.prompt is not None
        if items is not None:
            dataset = data_in_memory(items, fields, settings.label_map)
            return AuditedData(dataset, dataset.name, has_prompt=has_prompt)
        assert settings.data, "settings.require_inputs() comes first"
        location, *more = (demo.or_packaged(each, demo.DATA) for each in settings.data)
        source = DataSource(
            location=location,
            more=tuple(more),
            split=settings.split,
            fields=fields,
            label_map=settings.label_map,
            max_unpacked_mb=settings.max_unpacked_mb,
            quoting=settings.quoting,
        )
        return AuditedData(find_data(source), settings.data_in_words, has_prompt=has_prompt)

    def load_model(
        self, settings: AuditSettings, load: LoadModel | None = None
    ) -> tuple[AuditedModel, tuple[Example, ...]]:
        """The model as `load` or the settings have it, and a few texts that it was tried out on.

        Raises:
            AttnAuditError: What the first texts that were tried have failed at.
        """
        first, audited = self._first(N_PEEKED), settings.audited_texts
        problem: AttnAuditError | None = None
        while problem is None:
            trial = choose_trial(first, audited)
            try:
                return load_tried_model(settings, trial, lambda: self._first(N_SEARCHED), load)
            except AttnAuditError as error:
                left = _beside_bad_row(first, error) if settings.on_bad_row == "skip" else []
                first, problem = left or first, None if left else error
        at_fault = (few for n in N_AT_FAULT for few in combinations(trial, n))
        others = (choose_trial([e for e in first if e not in few], audited) for few in at_fault)
        may_fail = settings.on_error == "record" or settings.on_bad_row == "skip"
        for tried in others if may_fail else ():
            with suppress(AttnAuditError):
                return load_tried_model(settings, tried, lambda: self._first(N_SEARCHED), load)
        raise problem

    def _first(self, n: int) -> list[Example]:
        """Of the first examples their texts: what their labels are called, no model has said."""
        left_out = SkippedRows()
        first = list(islice(self.dataset.examples(left_out), n))
        if not first:
            raise left_out.error(self.dataset.name)
        return _unlabelled(first)

    def unlabelled(self, n: int, seed: int) -> list[Example]:
        """A random sample of all texts, whatever their labels are called."""
        return _unlabelled(sample_examples(self.dataset.examples(SkippedRows()), n, seed))

    def checked(
        self, model: AuditedModel, settings: AuditSettings, *, has_halves: bool = False
    ) -> "AuditedData":
        """The data of which only rows are read that can be audited, after all were looked at.

        Args:
            has_halves: Whether one half chose the layer, as a report says; `--layer best` asks for
                it where there is a choice.

        Raises:
            BadRowError: A row cannot be audited, and none may be left out; or none is left.
            BadRowsError: The same of several.
            ConfigurationError: There are too few texts for two halves, or a label is renamed to one
                that the model does not have.
        """
        has_halves = has_halves or (settings.layer == "best" and len(model.layers) > 1)
        left_out = SkippedRows()
        checked = replace(self, model=model, left_out=left_out)
        halves, shown, has_rationales = Counter[bool](), set[str](), False
        for example in checked._fitting(left_out):
            halves[is_judged(example.id)] += 1
            shown.update(example.shown)
            has_rationales = has_rationales or bool(example.rationale or example.rationale_pair)
        _require_names_of_labels(settings, model, left_out)
        if (left_out.n_bad and settings.on_bad_row == "stop") or not halves:
            raise left_out.error(self.dataset.name)
        for name in settings.shown:
            if name not in shown:
                raise ConfigurationError(f"--shown {name}: no row of the data has scores there")
        checked = replace(checked, has_rationales=has_rationales)
        if not has_halves:
            return checked
        if len(halves) < 2:
            raise ConfigurationError(
                f"--layer best: one half of the texts chooses the layer and the other is judged, "
                f"and there are too few ({counted(halves.total(), 'text')})",
                hint="Name a layer, or give more texts.",
            )
        return replace(checked, has_halves=True, n_choosing=halves[False])

    def examples(self) -> Iterator[Example]:
        """Those that are audited."""
        found = self._fitting(SkippedRows())
        return (e for e in found if is_judged(e.id)) if self.has_halves else found

    def sampled_for_layers(self, n: int, seed: int) -> list[Example]:
        """A random sample of the texts, of the half that chooses where there is one."""
        found = self._fitting(SkippedRows())
        chosen = (e for e in found if not is_judged(e.id)) if self.has_halves else found
        return sample_examples(chosen, n, seed)

    def _fitting(self, left_out: SkippedRows) -> Iterator[Example]:
        assert self.model is not None, "checked() comes first"
        takes_pairs = self.model.describe().takes_pairs
        for example in self.dataset.examples(left_out):
            if len(left_out.labels) < MOST_LABELS:
                left_out.labels.update(example.labels or ())
            try:
                if takes_pairs and example.text_pair is None:
                    raise IncompatibleDataError(
                        place(example),
                        "the model takes pairs of texts, and this example has no second text",
                        hint="Name the field that holds it with --text-pair-field.",
                        fault=Fault.NO_SECOND_TEXT,
                    )
                match_labels(self.model.task, [example])
                _require_a_score_each(example, self.model)
                if self.has_prompt:  # one that is too long is never cut: whether it is, tokens say
                    self.model.encode([example])
            except BadRowError as error:
                left_out.add(error, example.where)
            else:
                yield example

    def sampled(self, settings: AuditSettings) -> Iterable[Example]:
        """The examples, or the random sample of them that the settings ask for."""
        if settings.limit is None:
            return self.examples()
        return self.sample(settings.limit, replace(settings, limit=None))

    def sample(self, n: int, settings: AuditSettings) -> list[Example]:
        """A random sample of those."""
        drawn = (n, settings.limit, settings.seed)
        if drawn not in self._drawn:
            self._drawn[drawn] = sample_examples(self.sampled(settings), n, settings.seed)
        return self._drawn[drawn]

    @property
    def n_examples(self) -> int:
        """How many are audited, of a sample at most."""
        return self.left_out.n_rows - self.left_out.n - self.n_choosing

    def subject(
        self,
        model: AuditedModel,
        settings: AuditSettings,
        checks: Sequence[Check],
        site: Site,
        self_checks: Sequence[report.SelfCheck],
        layers: Leverage | None = None,
        head_mix: HeadMix | None = None,
    ) -> report.Subject:
        """All that a report is of, with no example counted in it yet."""
        data = report.DataDescription(
            source=self.source,
            name=self.dataset.name,
            split=self.dataset.split,
            sha256=self.dataset.fingerprint(),
            n_rows=self.left_out.n_rows,
            left_out=tuple(
                report.RowsLeftOut(
                    fault=fault.value, meaning=MEANINGS[fault], n=rows.n, first=tuple(rows.places)
                )
                for fault, rows in self.left_out.found.items()
            ),
            n_choosing=self.n_choosing,
            n_examples=0,
            limit=settings.limit,
            n_labelled=0,
            n_truncated=0,
        )
        return report.Subject(
            tool=_tool(),
            model=described(model),
            data=data,
            settings=_settings(settings, checks, site, model),
            self_checks=tuple(self_checks),
            layers=layers,
            head_mix=head_mix,
        )


def _require_names_of_labels(
    settings: AuditSettings, model: AuditedModel, left_out: SkippedRows
) -> None:
    """Of rows that no label fits: not because of a slip where labels are renamed."""
    unknown = left_out.found.get(Fault.UNKNOWN_LABEL)
    for label, new in settings.label_map.items():
        if unknown is not None and new in unknown.labels:
            raise ConfigurationError(
                f"--label-map {label}={new}: the model has no label {quoted(new)}",
                hint=nearest(new, model.task.labels),
            )


def _beside_bad_row(examples: Sequence[Example], error: AttnAuditError) -> list[Example]:
    """The examples but for one that is at fault; none where no one is.

    Of too long ones, those that are shorter: to try each in its turn would load the model as often.
    """
    if not isinstance(error, BadRowError):
        return []
    bad = [example for example in examples if place(example) == error.where]
    others = [example for example in examples if bad and example not in bad]
    if error.fault is not Fault.TOO_LONG:
        return others
    return [each for each in others if len(each.text) < len(bad[0].text)] or others


@quoting_no_text
def checked_data(settings: AuditSettings) -> AuditedData:
    """The data that the settings name, of which every row was looked at, with their model.

    Raises:
        UsageError: As `AuditedData.of`, `load_model` and `checked`.
    """
    data = AuditedData.of(settings)
    model, _ = data.load_model(settings)
    return data.checked(model, settings)


def _unlabelled(examples: Sequence[Example]) -> list[Example]:
    """The texts alone, or the pairs, as the first of them is."""
    is_pair = examples[0].text_pair is not None
    alike = (example for example in examples if (example.text_pair is not None) == is_pair)
    return [replace(each, labels=None, on=None, labelling=Labelling()) for each in alike]


def _require_a_score_each(example: Example, model: AuditedModel) -> None:
    """Of scores without places: one for each unit that the model makes of the text, or word."""
    by_unit = {name: shown for name, shown in example.shown.items() if shown.by_unit}
    if not by_unit:
        return
    (encoded,) = model.encode([example])
    for name, shown in by_unit.items():
        if not shown.fit(encoded.n_units):
            scores = shown.by_unit or ()
            cut = ", for it cuts the text" if encoded.truncated else ""
            found = counted(len(scores), "score"), counted(encoded.n_units, "unit")
            raise IncompatibleDataError(
                place(example),
                f"{quoted(name)} holds {found[0]}, and the model reads {found[1]}{cut}",
                hint="Give one for each of the units that --records holds, one for each word "
                "between blanks, or spans [start, end, score].",
                fault=Fault.WRONG_SCORES,
            )


def _tool() -> report.Tool:
    """This program and the libraries that its numbers depend on."""
    libraries = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }
    if "transformers" in sys.modules:  # only where the model is one of its own
        libraries |= {"transformers": version("transformers")}
    return report.Tool(
        name="attn-audit",
        version=__version__,
        libraries=libraries,
        definitions=report.DEFINITIONS_VERSION,
        plugins=dict(loaded_plugins()),
    )


def _settings(
    settings: AuditSettings, checks: Sequence[Check], site: Site, model: AuditedModel
) -> report.Settings:
    """Everything that changes a number, as it was decided."""
    given = {name: getattr(settings, name) for name in names_where(is_stored=True)}
    given |= {name: getattr(settings, name) for name in names_where(names_code=True)}
    decided = {
        "checks": tuple(check.id for check in checks),
        "explain_label": model.task.explained,
        "epsilon": epsilon_for(settings, model),
        "layer": site.layer if model.layers else None,
        "head": site.head,
        "rows": site.rows.value,
        "unit": model.unit,
        "batch_size": str(settings.batch_size),
        "threads": torch.get_num_threads(),
        "device": model.device.type,
    }
    return report.Settings(fields=settings.fields, **(given | decided))
