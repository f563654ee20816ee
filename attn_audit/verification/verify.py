"""The use case: re-check a report's witnesses and numbers against the model and the data."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from attn_audit.checks.base import Check
from attn_audit.checks.registry import select_sites
from attn_audit.engine.in_process import Plan
from attn_audit.engine.inputs import AuditedData, Item, LoadModel
from attn_audit.engine.leverage import N_TEXTS, leverage_by_layer
from attn_audit.engine.sampling import checks_of, described, fit_mixes, is_fitted_for, texts_to_fit
from attn_audit.findings.example import HEAD, ID, LAYER
from attn_audit.measures.head_mix import Mixes
from attn_audit.models.capacity import BatchLimits
from attn_audit.models.contract import AuditedModel, Site
from attn_audit.models.self_check import self_check
from attn_audit.process import full_precision
from attn_audit.progress import Watcher
from attn_audit.results.answers import Verification
from attn_audit.results.table import Row, has_failed
from attn_audit.settings import AuditSettings
from attn_audit.verification.layers import compare_layers, compare_mixes
from attn_audit.verification.recomputation import (
    Rankings,
    Replaying,
    Witnesses,
    checks_again,
    compare_summaries,
    paired,
    summed_up,
)
from attn_audit.verification.stored_audit import (
    StoredAudit,
    chosen,
    require_same,
    require_same_plugins,
    settings_of_report,
)
from attn_audit.verification.tally import Expected, Numbers, Tally, claims_of


def verify_report(
    stored: StoredAudit,
    said: dict[str, Any],
    *,
    seed: int = 0,
    load: LoadModel | None = None,
    items: Iterable[Item] | None = None,
    watcher: Watcher,
) -> Verification:
    """Re-check every witness, summary and layer, and all numbers of a tenth of the examples.

    Args:
        stored: The report, and its records.
        said: `model` and `data`, and what else the user says: `adapter`, `trust_remote_code`,
            `plugin`, `vocabulary`, `device`, `threads`, `batch_size`.
        load: Loads a model in memory; None: the one that is named.
        items: Data in memory, in place of what is named.

    Returns:
        What holds and what does not.

    Raises:
        UsageError: The report has no records or other ones, or model or data are not its own.
        AuditFailedError: The model fails the self-check, or its outputs are not numbers.
    """
    start = time.perf_counter()
    require_same_plugins(stored.report)
    settings = settings_of_report(stored.report, said)
    with full_precision(settings.threads):
        data = AuditedData.of(settings, items)
        sha256 = data.dataset.fingerprint()
        notes = [require_same("data", data.source, stored.report.data.sha256, sha256)]
        model, trial = data.load_model(settings, load)
        data = data.checked(model, settings, has_halves=stored.report.data.n_choosing > 0)
        name, sha256 = str(settings.model), model.describe().sha256
        notes.append(require_same("model", name, stored.report.model.sha256, sha256))
        rankings, summary, ids = _check_records(stored)
        again = leverage_by_layer(model, data.sampled_for_layers(N_TEXTS, settings.seed))
        layers = compare_layers(stored.report.layers, again, stored.report.model.dtype)
        sample = chosen(
            ids, stored.report.records_file.sha256 if stored.report.records_file else "", seed
        )
        checks = checks_of(settings, model, data)
        mixes = None
        if is_fitted_for(checks):
            mixes = fit_mixes(model, texts_to_fit(model, data, settings), settings.seed)
            layers += compare_mixes(
                stored.report.head_mix, described(model, mixes), stored.report.model.dtype
            )
        work = _replaying(stored, settings, model, checks, mixes, sample, watcher)
        self_check(model, model.encode(trial), work.plan.sites[0])
        order = Tally("records", "examples are those of the data")
        work.run(paired(data.sampled(settings), stored.records(), order))
        notes.append(_batches(work))
        if stored.report.labels:
            notes.append(
                "no records hold the answers for each label: verify an audit with --explain-label "
                "NAME for those of one"
            )
    tallies = (
        *work.witnesses.tallies, *work.numbers.tallies, *work.of_sites.tallies, order,
        *rankings.tallies, *layers, summary,
    )  # fmt: skip
    claims = claims_of(tallies)
    return Verification(
        report=str(stored.path),
        model=str(settings.model),
        data=settings.data_in_words,
        n_examples=len(ids),
        n_witnesses=work.witnesses.n_replayed,
        n_not_kept=work.witnesses.n_not_kept,
        n_sampled=len(sample),
        seed=seed,
        notes=tuple(note for note in notes if note is not None),
        claims=tuple(claims),
        holds=all(claim.holds for claim in claims),
        seconds=round(time.perf_counter() - start, 3),
    )


def _batches(work: Replaying) -> str:
    """In which batches the sample was computed again."""
    if not work.model.batches_texts:
        return "this model's texts may not share a batch: the sample was computed as in the audit"
    how = "each alone" if work.again.limits.n_examples == 1 else "several together"
    return f"in other batches than the audit's: {work.n_again} of the sample, {how}"


def _check_records(stored: StoredAudit) -> tuple[Rankings, Tally, list[str]]:
    """What the records say of themselves, and whether the report sums them up."""
    rankings, ids = Rankings(stored.report.model.dtype), list[str]()

    def read() -> Iterator[pa.Table]:
        for records in stored.records():
            audited = records.filter(~has_failed(records))
            rankings.check(audited)
            ids.extend(audited[ID.name].to_pylist())
            yield records

    found = summed_up(stored.report, read(), stored.site_records())
    return rankings, compare_summaries(stored.report, found), ids


def _replaying(
    stored: StoredAudit,
    settings: AuditSettings,
    model: AuditedModel,
    checks: Sequence[Check],
    mixes: Mixes | None,
    sample: frozenset[str],
    watcher: Watcher,
) -> Replaying:
    report = stored.report
    (main,) = select_sites(settings, model)
    sites = (main, *(Site(site.layer, site.head, main.rows) for site in report.sites))
    checks = checks_again(checks, has_several_sites=len(sites) > 1)
    dtype = report.model.dtype
    limits = model.batch_limits(settings.batch_size)
    plan = Plan(checks, sites, settings.seed, limits, mixes=mixes)
    has_adversary = report.has("adversarial")
    return Replaying(
        model=model,
        plan=plan,
        again=replace(
            plan, limits=model.batch_limits("auto") if limits.n_examples == 1 else BatchLimits(1)
        ),
        watcher=watcher,
        sample=sample,
        site_records=_of_sample(stored.site_records(), sample),
        witnesses=Witnesses(report.settings.epsilon, dtype),
        numbers=Numbers("sample", Expected(dtype, settings.permutations, searches_again=False)),
        of_sites=Numbers("sites", Expected(dtype, settings.permutations, searches_again=True)),
        n_total=report.data.n_examples * has_adversary + len(sample),
    )


def _of_sample(
    site_records: Iterable[pa.Table], sample: frozenset[str]
) -> dict[tuple[str, int, int | None], Row]:
    ids, place = pa.array(sorted(sample), pa.string()), [field.name for field in (ID, LAYER, HEAD)]
    return {
        tuple(record[name] for name in place): record
        for some in site_records
        for record in some.filter(pc.is_in(some[ID.name], ids)).to_pylist()
    }
