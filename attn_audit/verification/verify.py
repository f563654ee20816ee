"""The use case: re-check a report's witnesses and numbers against the model and the data."""

import hashlib
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from attn_audit.checks.base import Check
from attn_audit.checks.registry import select_sites
from attn_audit.config import validate
from attn_audit.data.location import suffix_of
from attn_audit.engine import sampling
from attn_audit.engine.in_process import Plan
from attn_audit.engine.inputs import AuditedData, Item, LoadModel, described
from attn_audit.errors import ConfigurationError, RecordsError, UsageError
from attn_audit.findings import registry
from attn_audit.findings.example import HEAD, ID, LAYER
from attn_audit.measures.head_mix import Mixes
from attn_audit.models.capacity import BatchLimits
from attn_audit.models.contract import AuditedModel, Site
from attn_audit.models.self_check import self_check
from attn_audit.plugins import loaded_plugins
from attn_audit.process import full_precision
from attn_audit.progress import Watcher
from attn_audit.results.answers import Verification
from attn_audit.results.report import Report
from attn_audit.results.stored_records import (
    StoredRecords,
    open_records,
    open_site_records,
    read_records,
)
from attn_audit.results.table import Row, has_failed
from attn_audit.settings import AuditSettings, names_where
from attn_audit.verification.recomputation import (
    Rankings,
    Recomputation,
    Witnesses,
    checks_again,
    paired,
    summed_up,
)
from attn_audit.verification.tally import (
    Numbers,
    Tally,
    claims_of,
    compare_layers,
    compare_mixes,
    compare_summaries,
)


@dataclass(frozen=True)
class StoredAudit:
    """A report, and the records that it names."""

    path: Path
    report: Report
    _records: StoredRecords
    _site_records: StoredRecords | None

    @staticmethod
    def load(path: Path) -> "StoredAudit":
        """Read a report, and make sure that its records are those that were written with it.

        Raises:
            ReportError: It is no report.
            RecordsError: It has no records, they are not there, or are others.
        """
        return StoredAudit.of(Report.load(path), path)

    @staticmethod
    def of(report: Report, path: Path) -> "StoredAudit":
        """The same of a report that was read.

        Raises:
            RecordsError: It has no records, they are not there, hold no witnesses, or are others.
        """
        if report.records_file is None:
            raise RecordsError(
                f"{path} names no records, and the witnesses that would be checked stand there",
                hint="Audit with --records FILE beside --output, and verify that report.",
            )
        if report.sites and report.records_file.sites is None:
            raise RecordsError(f"{path} sums up several sites, and names no records of them")
        records, sites = open_records(report, path), open_site_records(report, path)
        return StoredAudit(path, report, records, sites)

    def as_audited(self) -> AbstractContextManager[None]:
        """Within: what was registered since the audit is left out."""
        files = filter(None, (self._records, self._site_records))
        return registry.as_of({*self.report.metrics, *chain(*(file.names() for file in files))})

    def records(self) -> Iterator[pa.Table]:
        """The records of the examples, some at a time.

        Raises:
            RecordsError: They cannot be read, or hold no witnesses.
        """
        return read_records(self._records.path, self._records.schema)

    def site_records(self) -> Iterator[pa.Table]:
        """The records of the examples at every other site, some at a time; none where there is one.

        Raises:
            RecordsError: They cannot be read.
        """
        sites = self._site_records
        return iter(()) if sites is None else read_records(sites.path, sites.schema)


def require_same(what: str, given: str, stored: str | None, found: str | None) -> str | None:
    """Refuse a model or data set that is not the one of the report.

    Args:
        stored: SHA-256 in the report; None where it was in memory or a stream.

    Returns:
        A sentence where there is nothing to compare; None where both are the same.

    Raises:
        UsageError: They differ.
    """
    if stored is None or found is None:
        where = "the report holds" if stored is None else f"{given} has"
        return f"{where} no hash of the {what}: only its numbers tell whether it is the same"
    if stored != found:
        raise UsageError(
            f"{given} is not the {what} of this report: its SHA-256 is {found[:12]}..., and the "
            f"report's is {stored[:12]}...",
            hint="Name the one that was audited; another needs an audit of its own.",
        )
    return None


def require_same_plugins(report: Report) -> None:
    """Refuse plugins that are not those of the report.

    Raises:
        UsageError: One is of another version, or another file.
    """
    loaded = loaded_plugins()
    for name, version in report.tool.plugins.items():
        if loaded[name] != version:
            raise UsageError(
                f"--plugin {name} is not the one of this report: that was {version}, and this is "
                f"{loaded[name]}",
                hint="Name the one that was audited with; another needs an audit of its own.",
            )


def settings_of_report(report: Report, said: dict[str, Any]) -> AuditSettings:
    """The settings that the audit was run with, and what the user says again.

    Args:
        said: `model` and `data`; `adapter` and `trust_remote_code`, which name code to run and are
            never taken from a file; what concerns this machine.

    Raises:
        ConfigurationError: The report names code, and the user does not.
    """
    _require_code_again(report, said)
    stored = {name: getattr(report.settings, name) for name in names_where(is_stored=True)}
    stored |= {f"{role}_field": name for role, name in report.settings.fields.items()}
    file, found = report.data.name, report.model.findings
    split_of_file = file[: len(file) - len(suffix_of(Path(file)) or "")]
    stored |= {
        "layer": "last" if report.settings.layer is None else report.settings.layer,
        "head": "mean" if report.settings.head is None else report.settings.head,
        "limit": report.data.limit,
        "split": report.data.split or split_of_file,
        "device": "cpu" if report.settings.device == "cpu" else "auto",
    }
    if report.model.format == "HuggingFace":
        asked = report.settings
        names_answers = bool(asked.options or asked.target or asked.zero_shot)
        stored |= {
            "dtype": report.model.dtype,
            "task": "binary" if report.model.task == "binary" and not names_answers else None,
            "removal": report.model.details.get("removal") if found is None else found.removal,
        }
    return validate(stored | said, said, None)


def _require_code_again(report: Report, said: dict[str, Any]) -> None:
    settings = report.settings
    if settings.adapter is not None and said.get("adapter") is None:
        raise ConfigurationError(
            f"the audit ran code of yours, --adapter {settings.adapter}: no file may name it",
            hint="If you trust it, give --adapter again.",
        )
    if settings.trust_remote_code and not said.get("trust_remote_code"):
        raise ConfigurationError(
            "the audit ran the Python code that comes with the model: no file may allow that",
            hint="If you trust it, give --trust-remote-code again.",
        )


SHARE = 0.1


def chosen(ids: Sequence[str], records_sha256: str, seed: int) -> frozenset[str]:
    """A tenth of the examples, and at least one.

    The draw depends on the records' own hash: whoever edits a record draws another tenth, and
    cannot place the edit outside of it beforehand.
    """
    prefix = f"verify\0{records_sha256}\0{seed}\0"

    def drawn(one: str) -> bytes:
        text = (prefix + one).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=16).digest()

    return frozenset(sorted(ids, key=drawn)[: math.ceil(SHARE * len(ids))])


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
        said: `model` and `data`, and what else the user says: `adapter`, `trust_remote_code`,
            `plugin`, `vocabulary`, `device`, `threads`, `batch_size`.

    Returns:
        What holds and what does not.

    Raises:
        UsageError: The report has no records or other ones, or model or data are not its own.
        AuditFailedError: The model fails the self-check, or its outputs are not numbers.
    """
    start = time.perf_counter()
    require_same_plugins(stored.report)
    settings = settings_of_report(stored.report, said)
    with stored.as_audited(), full_precision(settings.threads):
        data = AuditedData.of(settings, items)
        sha256 = data.dataset.fingerprint()
        notes = [require_same("data", data.source, stored.report.data.sha256, sha256)]
        model, trial = data.load_model(settings, load)
        data = data.checked(model, settings, has_halves=stored.report.data.n_choosing > 0)
        hashes = stored.report.model.hashes(described(model))
        notes.append(require_same("model", str(settings.model), *hashes))
        rankings, summary, ids = _check_records(stored)
        of_layers = sampling.texts_of(model, data, settings)
        table = stored.report.layers
        has_reach = table is not None and table.has_reach
        again = sampling.leverage_by_layer(model, of_layers, has_reach=has_reach)
        layers = compare_layers(table, again, stored.report.model.dtype)
        sample = chosen(
            ids, stored.report.records_file.sha256 if stored.report.records_file else "", seed
        )
        checks = sampling.checks_of(settings, model, data)
        mixes = None
        if sampling.is_fitted_for(checks):
            fitting = sampling.texts_to_fit(model, data, settings)
            mixes = sampling.fit_mixes(model, fitting, settings.seed)
            layers += compare_mixes(
                stored.report.head_mix, sampling.described(model, mixes), stored.report.model.dtype
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


def _batches(work: Recomputation) -> str:
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
) -> Recomputation:
    report = stored.report
    (main,) = select_sites(settings, model)
    sites = (main, *(Site(site.layer, site.head, main.rows) for site in report.sites))
    checks = checks_again(checks, has_several_sites=len(sites) > 1)
    dtype = report.model.dtype
    limits = model.batch_limits(settings.batch_size)
    plan = Plan(checks, sites, settings.seed, limits, no_texts=settings.no_texts, mixes=mixes)
    has_adversary = report.has("adversarial")
    return Recomputation(
        model=model,
        plan=plan,
        again=replace(
            plan, limits=model.batch_limits("auto") if limits.n_examples == 1 else BatchLimits(1)
        ),
        watcher=watcher,
        sample=sample,
        site_records=_of_sample(stored.site_records(), sample),
        witnesses=Witnesses(report.settings.epsilon, dtype),
        numbers=Numbers("sample", dtype, settings.permutations, searches_again=False),
        of_sites=Numbers("sites", dtype, settings.permutations, searches_again=True),
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
