"""Records and data side by side: every witness is replayed, and some examples audited again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.base import Check
from attn_audit.checks.reading import read_sites
from attn_audit.data.batching import shards
from attn_audit.data.example import Example
from attn_audit.engine.batch import Plan
from attn_audit.engine.running import MAX_SHARD_CHARACTERS, LocalEngine, batches_of, cut
from attn_audit.engine.stopwatch import Meter, Stopwatch
from attn_audit.findings.example import HEAD, LAYER, N_UNITS
from attn_audit.models.base import AuditedModel
from attn_audit.progress import Progress, Watcher
from attn_audit.results.record import Record
from attn_audit.verification.numbers import Numbers
from attn_audit.verification.tally import Tally
from attn_audit.verification.witnesses import Witnesses

Pair = tuple[Example, Record]

N_IN_OTHER_BATCHES = 100
"""Examples of the sample that are computed in other batches than the audit's: one at a time, as
far as the audit did not do that. What a batch does to its texts shows there."""


def paired(
    examples: Iterable[Example], records: Iterable[Sequence[Record]], order: Tally
) -> Iterator[Pair]:
    """Each example with its record, as far as they belong together.

    Args:
        examples: Of the data, as the audit read them.
        records: In the same order.
        order: Counts them; from the first that does not fit on, nothing can be compared.
    """
    waiting = (record for some in records for record in some)
    for example in examples:
        record = next(waiting, None)
        found = None if record is None else record.id
        order.require(example.id, "id", found, example.id, found == example.id)
        if record is None or record.id != example.id:
            return
        if not record.has_failed:
            yield example, record
    beyond = next(waiting, None)
    if beyond is not None:
        order.require(beyond.id, "id", beyond.id, None, False)


@dataclass
class Replaying:
    """What is compared with the model, shard by shard."""

    model: AuditedModel
    plan: Plan
    again: Plan
    """The same in other batches, for the first of the sample."""
    watcher: Watcher
    sample: frozenset[str]
    site_records: dict[str, list[Record]]
    """Of the sample."""
    witnesses: Witnesses
    numbers: Numbers
    of_sites: Numbers
    n_total: int
    """Examples to replay and to audit again, for the bar."""
    n_finished: int = 0
    n_again: int = 0
    """Examples of the sample that were computed in other batches."""

    def run(self, pairs: Iterable[Pair]) -> None:
        """Compare everything."""
        by_id: dict[str, Record] = {}
        examples = _noting(pairs, by_id)
        for shard in shards(examples, self.plan.shard_size, MAX_SHARD_CHARACTERS):
            records = [by_id[example.id] for example in shard]
            self._replay(shard, records)
            self._audit_again([example for example in shard if example.id in self.sample], by_id)
            for example in shard:
                del by_id[example.id]

    def _replay(self, shard: Sequence[Example], records: Sequence[Record]) -> None:
        kept = [i for i, record in enumerate(records) if self.witnesses.require_kept(record)]
        if not kept:
            return
        encoded = self.model.encode([shard[i] for i in kept])
        of_id = {records[i].id: records[i] for i in kept}
        sites = self.plan.sites[:1]
        for indices in batches_of(self.model, encoded, sites, self.plan.limits):
            batch = self.model.collate([encoded[i] for i in indices])
            (audited,) = read_sites(self.model, batch, sites, self.plan.seed)
            self.witnesses.replay(audited, [of_id[name] for name in audited.ids])
            self.n_finished += len(indices)
            self._tell(self.n_finished)

    def _audit_again(self, examples: Sequence[Example], by_id: dict[str, Record]) -> None:
        n = max(0, min(N_IN_OTHER_BATCHES - self.n_again, len(examples)))
        self.n_again += n
        for some, plan in ((examples[:n], self.again), (examples[n:], self.plan)):
            engine = LocalEngine(self.model, plan, self._stopwatch(plan), Watcher())
            for findings in engine.audit(cut(some, plan)):
                for finding in findings:
                    stored, found = by_id[finding.record.id], finding.record
                    self.numbers.compare(stored, found, n_units=found[N_UNITS])
                    self._compare_sites(found, finding.site_records)
                self.n_finished += len(findings)

    def _compare_sites(self, record: Record, found: Sequence[Record]) -> None:
        stored = {(one[LAYER], one[HEAD]): one for one in self.site_records.get(record.id, [])}
        for site in found:
            layer, head = site[LAYER], site[HEAD]
            where = f" at layer {layer}" + ("" if head is None else f", head {head}")
            one = stored.get((layer, head))
            if one is None:
                self.of_sites.tallies[0].require(record.id, f"record{where}", None, "one", False)
            else:
                self.of_sites.compare(one, site, where, record[N_UNITS])

    def _stopwatch(self, plan: Plan) -> Stopwatch:
        if self.watcher.on_progress is None:
            return Stopwatch()
        before = self.n_finished

        def tell(meter: Meter) -> None:
            self._tell(before + int(min(spent.examples for spent in meter.spent().values())))

        return Stopwatch(meter=Meter(plan.checks, len(set(plan.sites)), tell))

    def _tell(self, n_finished: int) -> None:
        if self.watcher.on_progress is not None:
            self.watcher.on_progress(Progress(n_finished, self.n_total))


def _noting(pairs: Iterable[Pair], by_id: dict[str, Record]) -> Iterator[Example]:
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
