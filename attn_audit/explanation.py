"""The use case: everything that an audit measures, for one text."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.checks.adversarial.witness import restored
from attn_audit.checks.base import (
    AuditedBatch,
    read_batch,
    replayed_probabilities,
    uniform_attention,
)
from attn_audit.checks.registry import epsilon_for, make_checks, no_attention, select_sites
from attn_audit.data.example import Example
from attn_audit.data.reading import problem_of_text
from attn_audit.data.skipped_rows import quoting_no_text
from attn_audit.data.source import content_id
from attn_audit.engine import sampling
from attn_audit.engine.in_process import Plan, audit_batch
from attn_audit.engine.inputs import LoadModel, described, fields_of_prompt, load_tried_model
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.errors import ConfigurationError, Fault, IncompatibleDataError
from attn_audit.findings import adversarial
from attn_audit.findings.example import N_UNITS, UNITS, places
from attn_audit.findings.measure import LEAVE_ONE_OUT, correlated, measure
from attn_audit.findings.permutation import UNIFORM_DISTANCE_FIELD
from attn_audit.findings.registry import usual_checks
from attn_audit.measures.head_mix import Mixes
from attn_audit.models.contract import AuditedModel, Site
from attn_audit.models.interception.classifier import or_probes
from attn_audit.models.self_check import self_check
from attn_audit.numbers import short
from attn_audit.process import full_precision
from attn_audit.quoting import listed
from attn_audit.randomness import n_permutations
from attn_audit.results.answers import Explanation, ModelOutput
from attn_audit.results.model_description import ModelDescription
from attn_audit.results.report import Report
from attn_audit.settings import EACH, AuditSettings


@quoting_no_text
def explain_text(
    settings: AuditSettings,
    text: str,
    text_pair: str | None = None,
    load: LoadModel | None = None,
    report: Report | None = None,
) -> Explanation:
    """Audit one text by all usual checks and measures, and by others where they are named.

    And see what the model says under each attention; first what a report of it recommends.

    Raises:
        ConfigurationError: A text is blank, a setting needs many texts or another attention, or
            the report is of another model, of other units, or recommends nothing.
    """
    for flag, given in (("--text", text), ("--text-pair", text_pair)):
        if given is not None and (problem := problem_of_text(given)) is not None:
            said = problem.partition(":")[0] if settings.no_texts else problem
            raise ConfigurationError(f"{flag} {said}")
    beside = fields_of_prompt(settings)
    if beside or (beside is not None and text_pair is not None):
        more = f"and the prompt names {listed(beside)} too" if beside else "and not --text-pair"
        raise ConfigurationError(
            f"--prompt: one text is explained in it, {more}",
            hint="Write into the prompt what else stands there.",
        )
    if settings.explain_label == EACH:
        raise ConfigurationError(
            f"--explain-label {EACH}: one text is explained for one label",
            hint="Name it; an audit answers for each.",
        )
    mix = None if report is None else report.head_mix
    for name in settings.measures or ():
        if measure(name).is_fitted and mix is None:
            raise ConfigurationError(
                f"--measures {name}: it is fitted to many texts, and here is one",
                hint="An audit of a data set fits it; `--report` of such an audit has it.",
            )
    show_instead, instead = (None, "") if report is None else _recommended(report)
    named = (*correlated(None), *(settings.measures or ()), *filter(None, [show_instead]))
    settings = replace(settings, checks=usual_checks(), measures=tuple(dict.fromkeys(named)))
    example = Example(content_id(text, text_pair), text, text_pair)
    with full_precision(settings.threads), _asking_for_its_pair():
        probes = or_probes((), as_pairs=text_pair is not None)
        model, trial = load_tried_model(settings, probes, lambda: [example], load)
        if model.no_attention_because is not None:
            raise no_attention("an explanation shows attention beside the rest", model)
        description = described(model)
        if report is not None:
            _require_same(report, model, description)
        tried = model.encode(trial)
        if settings.layer == "best":  # by texts that are not explained
            layers = sampling.leverage_by_layer(model, tried, has_reach=True)
            settings = sampling.with_layer(settings, layers)
        site, *others = select_sites(settings, model)
        if others or settings.layer == "best":
            raise ConfigurationError(
                "all layers or heads, or the best: one text is explained by one attention",
                hint="Name a layer and a head, or leave both out for the default.",
            )
        self_check(model, tried, site)
        mixes = None if mix is None else sampling.restored(model, mix)
        found = _explain(model, description, example, site, settings, mixes)
    found = found.model_copy(update={"show_instead": show_instead, "instead": instead})
    return _without_texts(found) if settings.no_texts else found


@contextmanager
def _asking_for_its_pair() -> Iterator[None]:
    """Of one text no field of data holds the second."""
    try:
        yield
    except IncompatibleDataError as error:
        if error.fault is not Fault.NO_SECOND_TEXT:
            raise
        raise ConfigurationError(
            "--text-pair: the model takes pairs of texts, and here is one", hint="Give the second."
        ) from None


def _without_texts(found: Explanation) -> Explanation:
    """The same without a word of the text, or of what was written around it."""
    model = found.model
    told = {name: value for name, value in model.details.items() if name != "prompt"}
    return found.model_copy(
        update={
            "model": model.model_copy(update={"details": told}),
            "text": "",
            "text_pair": None if found.text_pair is None else "",
            "record": found.record | {UNITS.name: places(found.record[N_UNITS.name])},
        }
    )


def _recommended(report: Report) -> tuple[str | None, str]:
    """What a report shows instead of attention, where that can be computed of any text."""
    found = report.recommendation
    if found is None:
        raise ConfigurationError(
            "the report says nothing of what to show instead: the erasure check was not run",
            hint="`attn-audit recommend MODEL DATA` asks that.",
        )
    if found.show_instead is None:
        return None, found.short
    shown = measure(found.show_instead)
    if shown.shown is not None:
        return None, f"The report shows {shown.words}: they come with the data, not with this text."
    return shown.name, found.short


def _require_same(report: Report, model: AuditedModel, description: ModelDescription) -> None:
    """What holds of one model, or of words, need not hold of another, or of tokens."""
    was, now = report.model.hashes(description)
    if None not in (was, now) and was != now:
        raise ConfigurationError(
            f"the report is of another model ({short(was)}, and this one is {short(now)})",
            hint="Audit this one: `attn-audit recommend MODEL DATA`.",
        )
    if report.settings.unit != model.unit:
        raise ConfigurationError(
            f"the report judged the order of {report.settings.unit}s, and here {model.unit}s are "
            "shown",
            hint=f"Explain with `--unit {report.settings.unit}`.",
        )


def _explain(
    model: AuditedModel,
    description: ModelDescription,
    example: Example,
    site: Site,
    settings: AuditSettings,
    mixes: Mixes | None,
) -> Explanation:
    encoded = model.encode([example])
    plan = Plan(make_checks(settings, model), (site,), settings.seed, mixes=mixes)
    (record,) = audit_batch(model, encoded, plan, Stopwatch()).records.to_pylist()
    audited = read_batch(model, model.collate(encoded), site, settings.seed)
    left_out = int(np.argmax(record[LEAVE_ONE_OUT.name] or (0.0,)))
    witness, uniform = record[adversarial.ATTENTION.name], record[UNIFORM_DISTANCE_FIELD.name]
    return Explanation(
        model=description,
        text=example.text,
        text_pair=example.text_pair,
        audited=settings.audited_texts,
        layer=site.layer,
        head=site.head,
        rows=site.rows.value,
        unit=model.unit,
        explain_label=settings.explain_label,
        seed=settings.seed,
        epsilon=epsilon_for(settings, model),
        permutations=int(
            n_permutations(np.array([record[N_UNITS.name]]), settings.permutations)[0]
        ),
        record=record,
        own=_outcome(audited, audited.probabilities, audited.probabilities),
        adversarial=None
        if witness is None
        else _replayed(audited, restored(audited, [witness], [record[adversarial.ROWS.name]])),
        uniform=None if uniform is None else _replayed(audited, uniform_attention(audited)),
        left_out=left_out,
        without=_without(audited, left_out),
    )


def _replayed(
    audited: AuditedBatch, weights: Float64[Tensor, "batch row unit"]
) -> ModelOutput | None:
    """None where weights were not kept."""
    if bool(weights.isnan().any()):
        return None
    with torch.no_grad():
        probabilities = replayed_probabilities(audited, weights.unsqueeze(1)).squeeze(1)
    return _outcome(audited, probabilities, audited.probabilities)


def _without(audited: AuditedBatch, unit: int) -> ModelOutput:
    """Of the text without a unit, beside the whole text by the same computation."""
    keep = audited.batch.unit_mask.unsqueeze(1).repeat(1, 2, 1)
    keep[:, 1, unit] = False
    with torch.no_grad():
        logits = audited.model.erase(audited.batch, keep)
    probabilities = audited.model.task.probabilities(logits)
    return _outcome(audited, probabilities[:, 1], probabilities[:, 0])


def _outcome(
    audited: AuditedBatch,
    probabilities: Float64[Tensor, "batch label"],
    own: Float64[Tensor, "batch label"],
) -> ModelOutput:
    task = audited.model.task
    (found,) = task.recorded(probabilities)
    values = found if isinstance(found, tuple) else (found,)
    if task.n_logits == 1 and len(task.labels) == 2:
        values = (1 - values[0], values[0])
    return ModelOutput(
        prediction=task.predictions(probabilities)[0],
        probabilities=values,
        likeliest=task.likeliest(probabilities)[0],
        distance=task.distance(probabilities, own)[0].item(),
    )
