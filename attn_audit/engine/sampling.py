"""Which texts the checks are run on that take too long for all of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from attn_audit.checks.base import Check
from attn_audit.checks.erasure.check import Erasure
from attn_audit.checks.mosaic import Mosaic, partners_of
from attn_audit.checks.plausibility import Plausibility
from attn_audit.checks.registry import make_checks
from attn_audit.data.example import Example, sample_examples
from attn_audit.engine.inputs import AuditedData
from attn_audit.errors import ConfigurationError
from attn_audit.findings.measure import shown_measure
from attn_audit.models.contract import AuditedModel, Encoded
from attn_audit.process import is_out_of_memory, release_memory
from attn_audit.quoting import quoted
from attn_audit.settings import FIELDS, AuditSettings
from attn_audit.statistics.erasure import MAX_UNITS_OF_ALL_SIZES, MAX_UNITS_OF_TABLE

Measured = TypeVar("Measured")

N_MOSAICS = 200
"""Texts that are joined with others."""

N_SEARCHED = 50
"""Texts whose best order is searched for, since they are too long to try out all."""


def checks_of(settings: AuditSettings, model: AuditedModel, data: AuditedData) -> tuple[Check, ...]:
    """The checks that the settings ask for, with their samples of the texts that are audited.

    Raises:
        ConfigurationError: As `make_checks`.
    """
    checks = [
        _sampling(check, settings, model, data)
        for check in make_checks(settings, model)
        if data.has_rationales or not isinstance(check, Plausibility)
        if takes_mosaics(model) or not isinstance(check, Mosaic)
    ]
    read = {name for check in checks for name in getattr(check, "measures", ())}
    for field in settings.shown:
        if shown_measure(field).name not in read:
            raise ConfigurationError(
                f"--shown {field}: no check reads these scores",
                hint=f"Add --checks erasure or plausibility, or --measures shown.{field}.",
            )
    is_asked_for_alone = settings.rationale_field != FIELDS["rationale_field"].default or not checks
    if Plausibility.id in settings.checks and not data.has_rationales and is_asked_for_alone:
        raise ConfigurationError(
            f"--checks {Plausibility.id}: no row of the data has a rationale in its field "
            f"{quoted(settings.rationale_field)}",
            hint="Name the field of spans [start, end] that people marked with --rationale-field.",
        )
    if Mosaic.id in settings.checks and not takes_mosaics(model) and not checks:
        raise ConfigurationError(
            f"--checks {Mosaic.id}: of pairs, and of several labels a text, none is joined",
            hint="It takes a model of single texts with one label each.",
        )
    return tuple(checks)


def takes_mosaics(model: AuditedModel) -> bool:
    """Whether two texts make one, of one label."""
    return not (model.task.is_multilabel or model.describe().takes_pairs)


def _sampling(
    check: Check, settings: AuditSettings, model: AuditedModel, data: AuditedData
) -> Check:
    if isinstance(check, Mosaic):
        some = sample_examples(data.sampled(settings), N_MOSAICS, settings.seed)
        return replace(check, partners=partners_of(some, settings.seed))
    if not isinstance(check, Erasure):
        return check
    sample = sample_examples(data.sampled(settings), settings.erasure_sample, settings.seed)
    long = [
        item.example
        for item in encoded_of(model, sample)
        if MAX_UNITS_OF_TABLE < item.n_units <= MAX_UNITS_OF_ALL_SIZES
    ]
    searched = sample_examples(long, N_SEARCHED, settings.seed)
    ids, ids_searched = (frozenset(e.id for e in some) for some in (sample, searched))
    return replace(check, sample=ids, searched=ids_searched)


def measured_where_it_works(
    measure: Callable[[Sequence[Encoded]], Measured], encoded: Sequence[Encoded]
) -> Iterator[Measured]:
    """What is measured of the texts at which the model does not fail: of smaller batches, if so."""
    try:
        yield measure(encoded)
        return
    except Exception as error:
        is_memory = is_out_of_memory(error)
    if is_memory:
        release_memory()
    if len(encoded) > 1:
        half = len(encoded) // 2
        yield from measured_where_it_works(measure, encoded[:half])
        yield from measured_where_it_works(measure, encoded[half:])


def encoded_of(model: AuditedModel, examples: Sequence[Example]) -> list[Encoded]:
    """Those that the model takes; the audit meets the others again, and says so."""
    try:
        return model.encode(examples)
    except Exception:  # of a tokenizer, too
        if len(examples) == 1:
            return []
    return [item for example in examples for item in encoded_of(model, [example])]
