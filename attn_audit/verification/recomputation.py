"""Records and data side by side: witnesses are replayed, and some examples audited again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.adversarial.witness import restored
from attn_audit.checks.base import (
    AuditedBatch,
    Check,
    effects_of,
    read_sites,
    replayed,
)
from attn_audit.checks.correlation import MIN_TESTABLE_UNITS
from attn_audit.checks.ties import ranks_of
from attn_audit.data.example import Example, shards
from attn_audit.distances import jensen_shannon_divergence
from attn_audit.engine.in_process import (
    MAX_SHARD_CHARACTERS,
    LocalEngine,
    Plan,
    RecordTables,
    batches_of,
    cut,
)
from attn_audit.engine.report import sum_up
from attn_audit.engine.stopwatch import Meter, Stopwatch
from attn_audit.errors import RecordsError
from attn_audit.findings import adversarial
from attn_audit.findings.correlation_pairs import Pair, pairs
from attn_audit.findings.example import FAILED, HEAD, ID, LAYER, N_UNITS, STATUS, UNITS
from attn_audit.findings.field import Field
from attn_audit.findings.tolerance import DERIVED, DISTRIBUTION, DIVERGENCE, MARGIN, MASS, OUTPUT
from attn_audit.models.contract import AuditedModel
from attn_audit.progress import Progress, Watcher
from attn_audit.results.report import Report, Subject
from attn_audit.results.table import Row, schemas
from attn_audit.statistics.kendall import kendall_tau_of_ranks
from attn_audit.verification.tally import Numbers, Tally


class Witnesses:
    """Every stored witness, against the model."""

    def __init__(self, epsilon: float, dtype: str) -> None:
        self._epsilon = epsilon
        self.n_replayed = self.n_not_kept = 0
        self._is_there = Tally("witnesses", "kept where one was found")
        self._is_distribution = Tally("witnesses", "is a distribution", DISTRIBUTION)
        self._is_within = Tally("witnesses", "output stays within epsilon", OUTPUT.at(dtype))
        self._distance = Tally("witnesses", "output distance", OUTPUT.at(dtype))
        self._margin = Tally("witnesses", "margin", MARGIN.at(dtype))
        self._jsd = Tally("witnesses", "divergence", DIVERGENCE.at(dtype))
        self._shown = Tally("witnesses", "rows give what is shown", MASS.at(dtype))
        self.tallies = (
            self._is_there, self._is_distribution, self._is_within, self._distance,
            self._margin, self._jsd, self._shown,
        )  # fmt: skip

    def require_kept(self, record: Row) -> bool:
        """Whether there is something to replay; counts a witness that is claimed and missing."""
        claimed = record[adversarial.MAX_JSD_FIELD.name] is not None
        is_there = record[adversarial.ATTENTION.name] is not None
        if claimed or is_there:
            stored = "a divergence" if claimed else "none"
            found = "weights" if is_there else "no weights"
            both = claimed and is_there
            self._is_there.require(record[ID.name], adversarial.ATTENTION.name, stored, found, both)
        return claimed and is_there

    def replay(self, audited: AuditedBatch, records: Sequence[Row]) -> None:
        """Give the model the stored weights, and compare."""
        stored = [record[adversarial.ATTENTION.name] for record in records]
        shown = [witness or () for witness in stored]
        weights = restored(audited, shown, [record[adversarial.ROWS.name] for record in records])
        errors = _distribution_errors(audited, weights)
        whole = weights.nan_to_num()
        with torch.no_grad():
            effects = effects_of(audited, replayed(audited, whole.unsqueeze(1)))
        distances, margins = effects.distance[:, 0].tolist(), effects.margin[:, 0].tolist()
        explained = audited.explain(whole.unsqueeze(1)).squeeze(1)
        jsd = jensen_shannon_divergence(explained, audited.explanation).tolist()
        n_rows = audited.reading.row_mask.sum(dim=-1).tolist()
        for i, record in enumerate(records):
            if n_rows[i] > 1 and record[adversarial.ROWS.name] is None:
                self._compare_shown_alone(audited, i, record)
                continue
            self.n_replayed += 1
            self._compare(record, errors[i], distances[i], jsd[i])
            self._compare_margin(record, margins[i])
            if record[adversarial.ROWS.name] is not None:
                self._compare_rows(record, explained[i].cpu().numpy())

    def _compare(self, record: Row, error: float, distance: float, jsd: float) -> None:
        name = adversarial.ATTENTION.name
        found = "weights of other units" if error == np.inf else f"off by {error:.3g}"
        self._is_distribution.compare(record[ID.name], name, "a distribution", found, error)
        if error == np.inf:
            return
        excess = max(0.0, distance - self._epsilon)
        self._is_within.compare(record[ID.name], name, self._epsilon, distance, excess)
        _compare_value(self._distance, record, adversarial.DISTANCE_FIELD, distance)
        _compare_value(self._jsd, record, adversarial.MAX_JSD_FIELD, jsd)

    def _compare_margin(self, record: Row, found: float) -> None:
        name = adversarial.MARGIN_FIELD.name
        stored = record.get(name)
        if stored is not None and np.isfinite(found):
            difference = abs(found - stored) / max(1.0, stored)
            self._margin.compare(record[ID.name], name, stored, found, difference)

    def _compare_rows(self, record: Row, explained: np.ndarray) -> None:
        shown = np.array(record[adversarial.ATTENTION.name])
        found = explained[: len(shown)]
        if len(found) == len(shown):
            error = float(np.abs(found - shown).max(initial=0.0))
            i = int(np.abs(found - shown).argmax())
            name = f"{adversarial.ATTENTION.name}[{i}]"
            self._shown.compare(record[ID.name], name, float(shown[i]), float(found[i]), error)

    def _compare_shown_alone(self, audited: AuditedBatch, i: int, record: Row) -> None:
        """What can be said without the rows: how far what is shown is from the model's own."""
        self.n_not_kept += 1
        own = audited.explanation[i, : record[N_UNITS.name]]
        shown = torch.tensor(
            record[adversarial.ATTENTION.name], dtype=torch.float64, device=own.device
        )
        if shown.shape == own.shape:
            jsd = jensen_shannon_divergence(shown, own).item()
            _compare_value(self._jsd, record, adversarial.MAX_JSD_FIELD, jsd)


def _compare_value(tally: Tally, record: Row, field: Field[float | None], found: float) -> None:
    stored = float("nan") if record[field.name] is None else record[field.name]
    tally.compare(record[ID.name], field.name, stored, found, abs(found - stored))


def _distribution_errors(audited: AuditedBatch, weights: Tensor) -> list[float]:
    """How far each example's rows are from distributions over what they may attend to.

    Infinite where they are not weights of these units at all.
    """
    reachable = audited.admissible.any(dim=-1) & (audited.row_share > 0)
    sums = ((weights.sum(dim=-1) - 1).abs() * reachable).amax(dim=-1)
    below = (-weights).clamp_min(0).amax(dim=(-1, -2))
    elsewhere = (weights.abs() * ~audited.admissible).amax(dim=(-1, -2))
    errors = torch.stack([sums, below, elsewhere]).amax(dim=0)
    return errors.nan_to_num(nan=torch.inf).tolist()


Paired = tuple[Example, Row]

N_IN_OTHER_BATCHES = 100
"""Examples of the sample that are computed in other batches than the audit's: one at a time, as
far as the audit did not do that. What a batch does to its texts shows there."""


def paired(
    examples: Iterable[Example], records: Iterable[pa.Table], order: Tally
) -> Iterator[Paired]:
    """Each example with its record, as far as they belong together.

    Args:
        order: Counts them; from the first that does not fit on, nothing can be compared.
    """
    waiting = (record for some in records for record in some.to_pylist())
    for example in examples:
        record = next(waiting, None)
        found = None if record is None else record[ID.name]
        order.require(example.id, "id", found, example.id, found == example.id)
        if record is None or record[ID.name] != example.id:
            return
        if record[STATUS.name] != FAILED:
            yield example, record
    beyond = next(waiting, None)
    if beyond is not None:
        order.require(beyond[ID.name], "id", beyond[ID.name], None, False)


@dataclass
class Recomputation:
    """What is compared with the model, shard by shard."""

    model: AuditedModel
    plan: Plan
    again: Plan
    """The same in other batches, for the first of the sample."""
    watcher: Watcher
    sample: frozenset[str]
    site_records: dict[tuple[str, int, int | None], Row]
    """Of the sample, by id, layer and head."""
    witnesses: Witnesses
    numbers: Numbers
    of_sites: Numbers
    n_total: int
    """Examples to replay and to audit again, for the bar."""
    n_finished: int = 0
    n_again: int = 0
    """Examples of the sample that were computed in other batches."""

    def run(self, pairs: Iterable[Paired]) -> None:
        """Compare everything."""
        by_id: dict[str, Row] = {}
        examples = _noting(pairs, by_id)
        for shard in shards(examples, self.plan.shard_size, MAX_SHARD_CHARACTERS):
            records = [by_id[example.id] for example in shard]
            self._replay(shard, records)
            self._audit_again([example for example in shard if example.id in self.sample], by_id)
            for example in shard:
                del by_id[example.id]

    def _replay(self, shard: Sequence[Example], records: Sequence[Row]) -> None:
        kept = [i for i, record in enumerate(records) if self.witnesses.require_kept(record)]
        if not kept:
            return
        encoded = self.model.encode([shard[i] for i in kept])
        of_id = {records[i][ID.name]: records[i] for i in kept}
        sites = self.plan.sites[:1]
        for indices in batches_of(self.model, encoded, sites, self.plan.limits):
            batch = self.model.collate([encoded[i] for i in indices])
            (audited,) = read_sites(self.model, batch, sites, self.plan.seed)
            self.witnesses.replay(audited, [of_id[name] for name in audited.ids])
            self.n_finished += len(indices)
            self._tell(self.n_finished)

    def _audit_again(self, examples: Sequence[Example], by_id: dict[str, Row]) -> None:
        n = max(0, min(N_IN_OTHER_BATCHES - self.n_again, len(examples)))
        self.n_again += n
        for some, plan in ((examples[:n], self.again), (examples[n:], self.plan)):
            engine = LocalEngine(self.model, plan, self._stopwatch(plan), Watcher())
            for found in engine.audit(cut(some, plan)):
                records = found.records.to_pylist()
                for record in records:
                    stored = by_id[record[ID.name]]
                    self.numbers.compare(stored, record, n_units=record[N_UNITS.name])
                if found.sites is not None:
                    n_units = {record[ID.name]: record[N_UNITS.name] for record in records}
                    self._compare_sites(found.sites, n_units)
                self.n_finished += len(records)

    def _compare_sites(self, sites: pa.Table, n_units: dict[str, int]) -> None:
        for found in sites.to_pylist():
            id_, layer, head = (found[field.name] for field in (ID, LAYER, HEAD))
            where = f" at layer {layer}" + ("" if head is None else f", head {head}")
            stored = self.site_records.get((id_, layer, head))
            if stored is None:
                self.of_sites.tallies[0].require(id_, f"record{where}", None, "one", False)
            else:
                self.of_sites.compare(stored, found, where, n_units[id_])

    def _stopwatch(self, plan: Plan) -> Stopwatch:
        if self.watcher.on_progress is None:
            return Stopwatch()
        before = self.n_finished

        def tell(meter: Meter) -> None:
            self._tell(before + int(min(spent.examples for spent in meter.spent().values())))

        return Stopwatch(meter=Meter(plan.checks, plan.sites, tell))

    def _tell(self, n_finished: int) -> None:
        if self.watcher.on_progress is not None:
            self.watcher.on_progress(Progress(n_finished, self.n_total))


def _noting(pairs: Iterable[Paired], by_id: dict[str, Row]) -> Iterator[Example]:
    for example, record in pairs:
        by_id[example.id] = record
        yield example


def checks_again(checks: Sequence[Check], *, has_several_sites: bool) -> tuple[Check, ...]:
    """The checks that the sample is audited with.

    The witness itself says more than a search for another: one step finds what else is stored, the
    bounds. Only the witnesses of other sites are not kept.
    """
    if has_several_sites:
        return tuple(checks)
    return tuple(
        Adversarial(check.epsilon, check.method, n_iterations=1, n_restarts=1)
        if isinstance(check, Adversarial)
        else check
        for check in checks
    )


def summed_up(
    report: Report, records: Iterable[pa.Table], site_records: Iterable[pa.Table]
) -> Report:
    """The report that these records give.

    Raises:
        RecordsError: They hold what no audit writes.
    """
    subject = Subject.of(report)
    nothing = schemas(subject.n_logits, subject.is_multilabel)[0].empty_table()
    found = chain(
        map(RecordTables, records), (RecordTables(nothing, some) for some in site_records)
    )
    try:
        return sum_up(subject, found, records_file=report.records_file)
    except (pa.ArrowException, ValueError, TypeError, LookupError, ArithmeticError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecordsError(f"these records cannot be summed up: {problem}") from None


class Rankings:
    """Every tau and p-value, against the rankings that the record itself holds."""

    def __init__(self, dtype: str) -> None:
        self._dtype = getattr(torch, dtype)
        self._taus = Tally("records", "taus and p-values", DERIVED)
        self.tallies = (self._taus,)

    def check(self, records: pa.Table) -> None:
        """Compare what can be ranked: examples whose lists are as long as their text."""
        n_units = np.array(pc.list_value_length(records[UNITS.name]))
        for pair in pairs():
            # Magnitudes are correlated; records keep signs.
            tables = [np.abs(_table(records[name], n_units)) for name in (pair.first, pair.second)]
            ranked = np.flatnonzero(np.isfinite(tables).all(axis=(0, 2)) & (n_units > 0))
            if len(ranked) == 0:
                continue
            lengths = n_units[ranked]
            first, second = (
                ranks_of(name, table[ranked], lengths, self._dtype)
                for name, table in zip((pair.first, pair.second), tables, strict=True)
            )
            found = kendall_tau_of_ranks(first, second, lengths)
            stored = records.select([ID.name, UNITS.name, pair.tau.name, pair.p_value.name])
            for i, record in enumerate(stored.take(ranked).to_pylist()):
                self._compare(record, pair, float(found.tau[i]), float(found.p_value[i]))

    def _compare(self, record: Row, pair: Pair, tau: float, p_value: float) -> None:
        id_, n_units = record[ID.name], len(record[UNITS.name])
        stored_tau, stored_p = record[pair.tau.name], record[pair.p_value.name]
        if stored_tau is None:  # attention without mass ranks nothing, whatever its list says
            return
        self._taus.compare(id_, pair.tau.name, stored_tau, tau, abs(stored_tau - tau))
        if stored_p is not None or n_units >= MIN_TESTABLE_UNITS:
            deviation = float("nan") if stored_p is None else abs(stored_p - p_value)
            self._taus.compare(id_, pair.p_value.name, stored_p, p_value, deviation)


def _table(
    column: pa.ChunkedArray, n_units: Int[np.ndarray, " example"]
) -> Float64[np.ndarray, "example unit"]:
    """Lists as rows, then zeros; NaN where there are not as many finite values as units."""
    column = column.combine_chunks()
    lengths = pc.list_value_length(column).fill_null(-1).to_numpy()
    fits = lengths == n_units
    table = np.where(fits, 0.0, np.nan)[:, None].repeat(max(n_units, default=0), axis=1)
    values = column.flatten().cast(pa.float64()).fill_null(np.nan).to_numpy()
    whole = np.repeat(fits, np.maximum(lengths, 0))
    table[fits[:, None] & (np.arange(table.shape[1]) < n_units[:, None])] = values[whole]
    return table
