"""Examples at which a model fails, and what becomes of the others."""

from collections.abc import Sequence

import pytest
import torch

import attn_audit
from attn_audit.data.example import Example
from attn_audit.engine.batch import Plan
from attn_audit.errors import AuditFailedError, InvalidOutputError
from attn_audit.findings import permutation
from attn_audit.findings.correlation.pairs import ATTENTION_GRADIENT
from attn_audit.findings.example import ATTENTION, FAILED, PREDICTION, REASON, STATUS
from attn_audit.models.contract import Batch, Encoded, Reading, Site
from attn_audit.results.table import Row
from tests.engine.test_in_process import EXAMPLES, PLAN, audited
from tests.rows import RowsModel

BAD = ("text-4", "text-20")
"""Neither is one of the short ones that the self-check reads."""


class Failing(RowsModel):
    """Raises, or gives NaN, wherever one of the bad examples is in the batch."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        if self.how == "encode" and any(example.id in BAD for example in examples):
            raise AuditFailedError("no such token")
        return super().encode(examples)

    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        ids = [encoded.example.id for encoded in batch.encoded]
        if self.how == "read" and set(ids) & set(BAD):
            raise ZeroDivisionError("an adapter's fault\x1b[31m")
        readings = super().read(batch, sites)
        if self.how == "nan":
            for reading in readings:
                for i, name in enumerate(ids):
                    if name in BAD:
                        reading.logits[i] = torch.nan
        return readings


def found(how: str, *, records_failures: bool) -> list[Row]:
    plan = Plan(PLAN.checks, PLAN.sites, 0, records_failures=records_failures)
    shards = audited(Failing(how), plan)
    return [record for shard in shards for record in shard.records.to_pylist()]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("encode", "no such token"),
        ("read", "an adapter's fault?[31m"),
        ("nan", "the model's output is not finite"),
    ],
)
def test_failures_are_recorded_and_the_others_audited(how: str, reason: str) -> None:
    records = found(how, records_failures=True)
    assert [record["id"] for record in records] == [example.id for example in EXAMPLES]
    failed = [record for record in records if record[STATUS.name] == FAILED]
    assert [record["id"] for record in failed] == list(BAD)
    assert all(reason in record[REASON.name] for record in failed)
    for record in failed:
        assert (record[PREDICTION.name], record[ATTENTION.name]) == (None, [])
    plain = {record["id"]: record for record in found("not at all", records_failures=False)}
    for record in records:
        if record not in failed:
            tau = plain[record["id"]][ATTENTION_GRADIENT.tau.name]
            assert record[ATTENTION_GRADIENT.tau.name] == pytest.approx(tau, abs=1e-9)


@pytest.mark.parametrize("how", ["encode", "read", "nan"])
def test_by_default_the_audit_ends(how: str) -> None:
    with pytest.raises((AuditFailedError, ZeroDivisionError, InvalidOutputError)):
        found(how, records_failures=False)


def test_a_report_counts_what_failed_and_sums_up_the_others() -> None:
    report = attn_audit.audit(Failing("nan"), EXAMPLES, on_error="record", permutations=5)
    assert (report.data.n_examples, report.data.n_failed) == (len(EXAMPLES) - 2, 2)
    assert report[permutation.DISTANCE].n <= len(EXAMPLES) - 2
    assert {(entry.check, entry.n) for entry in report.degenerate if entry.status == FAILED} == {
        (check, 2) for check in ("correlation", "permutation", "adversarial")
    }
