"""From settings to checks, and to the sites whose attention they look at."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from attn_audit.checks.adversarial.check import Adversarial, Method
from attn_audit.checks.attended import AttendedUnits
from attn_audit.checks.base import Check
from attn_audit.checks.correlation import Correlation
from attn_audit.checks.decision_flip import DecisionFlip
from attn_audit.checks.erasure import Erasure
from attn_audit.checks.mosaic import Mosaic
from attn_audit.checks.permutation import Permutation
from attn_audit.checks.plausibility import Plausibility
from attn_audit.checks.replacement import Replacement
from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.findings import registry
from attn_audit.findings.check import CheckFindings
from attn_audit.findings.measure import Measure, correlated, measure
from attn_audit.measures.registry import applicable, require_applicable
from attn_audit.models.contract import AuditedModel, EncodedExample, RowChoice, Site
from attn_audit.settings import AuditSettings

EPSILON_SINGLE, EPSILON_PAIR = 0.01, 0.05
"""Defaults for single texts and for pairs: Jain & Wallace (2019), section 4.2.2."""


_REGISTERED: list[Check] = []


def register_check(check: Check, findings: CheckFindings) -> None:
    """Run a check of one's own, too, until the process ends.

    Args:
        check: How it measures; its own settings are made.

    Raises:
        ValueError: They are of two checks, or a name is taken.
    """
    if check.id != findings.check:
        raise ValueError(f"the findings of {check.id!r} are those of {findings.check!r}")
    registry.add(findings)
    _REGISTERED.append(check)


def applying(settings: AuditSettings, model: AuditedModel) -> AuditSettings:
    """The settings with the checks that can be asked of a model: without attention not all can.

    Where none was named and none of the usual ones applies, erasure is run in their place.

    Raises:
        UnsupportedModelError: All checks that are named need attention.
    """
    if model.no_attention_because is None:
        return settings
    able = {found.check for found in registry.checks() if not found.needs_attention}
    checks = tuple(check for check in settings.checks if check in able)
    if not checks and settings.checks == registry.usual_checks():
        checks = (Erasure.id,)
    if not checks:
        raise no_attention(f"{', '.join(settings.checks)}: it takes attention", model)
    return replace(settings, checks=checks)


def no_attention(what: str, model: AuditedModel) -> UnsupportedModelError:
    """The error for what cannot be done with a model without attention."""
    advice = "`attn-audit recommend MODEL DATA` judges what needs none."
    return UnsupportedModelError(
        f"{what}, and none is seen: {model.no_attention_because}",
        hint=" ".join(filter(None, (model.no_attention_hint, advice))),
    )


def make_checks(settings: AuditSettings, model: AuditedModel) -> tuple[Check, ...]:
    """The checks that the settings ask for, in the order in which they are reported.

    Raises:
        ConfigurationError: The model has no such layers to replace, or no scores of a measure.
    """
    if {Correlation.id, Erasure.id, Plausibility.id, Mosaic.id} & set(settings.checks):
        require_applicable(settings.measures or (), model)
    epsilon = epsilon_for(settings, model)
    every: tuple[Check, ...] = (
        Correlation(correlated(settings.measures)),
        AttendedUnits(),
        Permutation(epsilon, settings.permutations),
        Adversarial(epsilon, Method(settings.method), settings.iterations, settings.restarts),
        Replacement(_replaced_layers(settings, model)),
        DecisionFlip(),
        _erasure(settings, model),
        Plausibility(_with_shown(settings, _compared(settings, model))),
        Mosaic(_of_models(correlated(settings.measures)), settings.explain_label),
        *_REGISTERED,
    )
    return tuple(check for check in every if check.id in settings.checks)


def _erasure(settings: AuditSettings, model: AuditedModel) -> Erasure:
    """Of what is asked for, or of every measure that the model has scores of: it takes a trial."""
    if Erasure.id not in settings.checks:
        return Erasure(())
    asked = applicable(model) if settings.measures is None else settings.measures
    names = _with_shown(settings, asked)
    every = (each for each in registry.measures() if not each.is_of_correlation)
    judged = tuple(each.name for each in every if each.name in names)
    by_others = correlated(settings.measures) if Correlation.id in settings.checks else ()
    return Erasure(judged, recorded=tuple(name for name in judged if name not in by_others))


def _compared(settings: AuditSettings, model: AuditedModel) -> tuple[str, ...]:
    """What attention is correlated with; without any, as much of that as the model has."""
    names = correlated(settings.measures)
    if model.no_attention_because is None:
        return names
    return tuple(name for name in names if name in applicable(model))


def _with_shown(settings: AuditSettings, asked: Sequence[str]) -> tuple[str, ...]:
    """Scores that come with the data are judged wherever they are named."""
    shown = (found.name for found in registry.measures() if found.shown in settings.shown)
    return tuple(dict.fromkeys((*asked, *shown)))


def _of_models(names: Sequence[str]) -> tuple[str, ...]:
    """Those whose scores neither come with the data nor are fitted to it: a join has others."""
    every = map(measure, names)
    return tuple(found.name for found in every if found.shown is None and not found.is_fitted)


def _replaced_layers(settings: AuditSettings, model: AuditedModel) -> tuple[int, ...]:
    there, named = len(model.layers), settings.replace_layers
    if named == "all":
        return tuple(range(there))
    first, last = map(int, named.split("-"))
    if not first <= last < there:
        raise ConfigurationError(
            f"--replace-layers {named}: the model has {_numbered(there, 'layer')}"
        )
    return tuple(range(first, last + 1))


def measures_of(check: Check) -> tuple[str, ...]:
    """The importance measures that a check reads."""
    return check.measures if isinstance(check, Correlation | AttendedUnits | Plausibility) else ()


def measured_by(checks: Sequence[Check]) -> dict[str, tuple[Measure, ...]]:
    """The importance measures that each check, by its id, is the first of these to read.

    They are computed there, once for all sites and all checks behind it.
    """
    found: dict[str, tuple[Measure, ...]] = {}
    for i, check in enumerate(checks):
        known = {name for earlier in checks[:i] for name in measures_of(earlier)}
        found[check.id] = tuple(measure(n) for n in measures_of(check) if n not in known)
    return found


def epsilon_for(settings: AuditSettings, model: AuditedModel) -> float:
    """Epsilon as set, or the paper's default for single texts or pairs."""
    if settings.epsilon is not None:
        return settings.epsilon
    return EPSILON_PAIR if model.describe().takes_pairs else EPSILON_SINGLE


def passes_of(
    check: Check, measures: Sequence[Measure], item: EncodedExample, sites: Sequence[Site]
) -> tuple[int, int]:
    """Passes of an example at the audited site, with measures that it reads first, and beside."""
    if isinstance(check, Erasure | Mosaic):
        return check.passes_of(item), 0
    n_units = item.n_units
    passes = check.passes(n_units)
    audited = sum(m.passes(n_units) for m in measures) + passes
    if not registry.findings_of(check.id).is_of_sites:
        return audited, 0
    if isinstance(check, Permutation) and any(site.head is not None for site in sites[1:]):
        return audited, check.passes_at_head(n_units)
    return audited, passes


def select_sites(settings: AuditSettings, model: AuditedModel) -> tuple[Site, ...]:
    """The audited site, then every layer and head to show beside it.

    Where all layers or all heads are asked for, the audited site is the default layer or the mean
    of the heads, and each of those asked for follows by itself.

    Raises:
        ConfigurationError: The model has no such layer or head.
        UnsupportedModelError: No attention is seen, and one is named.
    """
    if model.no_attention_because is not None:
        for name in ("layer", "head"):
            if isinstance(getattr(settings, name), int):
                raise no_attention(f"--{name} names attention", model)
        return (model.default_site,)
    last = model.default_site.layer
    layers = _indices("layer", settings.layer, len(model.layers), last, "the model")
    heads = {}
    for layer in layers:
        n_heads, of = model.layers[layer].n_heads, f"layer {layer} of the model"
        heads[layer] = _indices("head", settings.head, n_heads, None, of)
    main = last if settings.layer == "all" else layers[0]
    head = settings.head if isinstance(settings.head, int) else None
    rows = RowChoice(settings.rows)
    audited = Site(main, head, rows)
    if "all" not in (settings.layer, settings.head):
        return (audited,)
    return (audited, *(Site(layer, head, rows) for layer in layers for head in heads[layer]))


Usual = TypeVar("Usual", int, None)


def _indices(option: str, asked: object, n: int, usual: Usual, of: str) -> list[int | Usual]:
    """The layers or heads that are asked for; of which `best` is, is known before."""
    if asked == "all":
        return list(range(n))
    if not isinstance(asked, int):
        return [usual]
    if asked >= n:
        raise ConfigurationError(f"--{option} {asked}: {of} has {_numbered(n, option)}")
    return [asked]


def _numbered(n: int, what: str) -> str:
    """How many there are, and their numbers.

    Example:
        >>> _numbered(6, "layer"), _numbered(1, "head")
        ('6 layers, 0 to 5', '1 head, 0')
    """
    return f"{n} {what}s, 0 to {n - 1}" if n > 1 else f"1 {what}, 0"
