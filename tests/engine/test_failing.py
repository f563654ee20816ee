"""Examples at which a model fails, and what becomes of the others."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch

import attn_audit
from attn_audit.data.example import Example, choose_trial
from attn_audit.engine.in_process import LocalEngine, cut
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.errors import AuditFailedError
from attn_audit.findings import permutation
from attn_audit.findings.correlation_pairs import ATTENTION_GRADIENT
from attn_audit.findings.example import ATTENTION, FAILED, PREDICTION, REASON, STATUS
from attn_audit.models.contract import Batch, EncodedExample, Reading, Site
from attn_audit.progress import Watcher
from attn_audit.results.table import Row
from tests.engine.test_in_process import SMALL
from tests.models.custom.toys import Pooling, attend_plainly, custom_of
from tests.rows import RowsModel, texts

EXAMPLES = texts(*(5 + i % 7 for i in range(12)))
BAD = ("text-4", "text-11")
"""Neither is one of the short ones that the self-check reads."""

QUICK: dict[str, Any] = {"permutations": 5, "iterations": 5, "restarts": 1}


class Failing(RowsModel):
    """Raises, or gives NaN, wherever one of the bad examples is in the batch."""

    def __init__(self, how: str, bad: Sequence[str] = BAD) -> None:
        super().__init__()
        self.how, self.bad = how, frozenset(bad)

    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        if self.bad & {example.id for example in examples}:
            if self.how == "encode":
                raise AuditFailedError("no such token")
            if self.how == "tokenize":
                raise UnicodeError("a tokenizer's fault")
        return super().encode(examples)

    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        ids = [encoded.example.id for encoded in batch.encoded]
        if self.how == "read" and self.bad & set(ids):
            raise ZeroDivisionError("an adapter's fault\x1b[31m")
        if self.how == "memory" and self.bad & set(ids):
            raise torch.OutOfMemoryError("CUDA out of memory")
        readings = super().read(batch, sites)
        if self.how == "nan":
            for reading in readings:
                for i, name in enumerate(ids):
                    if name in self.bad:
                        reading.logits[i] = torch.nan
        return readings


def found(how: str, *, records_failures: bool) -> list[Row]:
    plan = replace(SMALL, sites=(Site(1), Site(0)), records_failures=records_failures)
    engine = LocalEngine(Failing(how), plan, Stopwatch(), Watcher())
    shards = engine.audit(cut(EXAMPLES, plan))
    return [record for shard in shards for record in shard.records.to_pylist()]


@cache
def undisturbed() -> list[Row]:
    return found("not at all", records_failures=False)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("encode", "no such token"),
        ("read", "an adapter's fault?[31m"),
        ("nan", "the model's output is not finite"),
        ("tokenize", "a tokenizer's fault"),
        ("memory", "out of memory, though it was audited alone"),
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
    plain = {record["id"]: record for record in undisturbed()}
    for record in records:
        if record not in failed:
            tau = plain[record["id"]][ATTENTION_GRADIENT.tau.name]
            assert record[ATTENTION_GRADIENT.tau.name] == pytest.approx(tau, abs=1e-9)


HOW = ("encode", "read", "nan", "tokenize", "memory")


@pytest.mark.parametrize("how", HOW)
def test_by_default_the_audit_ends_and_says_how_to_go_on(how: str) -> None:
    with pytest.raises((AuditFailedError, ZeroDivisionError, UnicodeError)) as caught:
        found(how, records_failures=False)
    notes = getattr(caught.value, "__notes__", ())
    assert "--on-error record" in f"{getattr(caught.value, 'hint', None)} {notes}"


@pytest.mark.parametrize(("how", "n_bad"), [("encode", 2), ("nan", 1), ("nan", 2), ("tokenize", 1)])
def test_texts_of_the_trial_may_be_those_that_fail(how: str, n_bad: int) -> None:
    bad = [example.id for example in choose_trial(EXAMPLES)[1 : 1 + n_bad]]
    report = attn_audit.audit(Failing(how, bad), EXAMPLES, on_error="record", **QUICK)
    assert (report.data.n_examples, report.data.n_failed) == (len(EXAMPLES) - n_bad, n_bad)


def test_a_tokenizer_may_refuse_a_text_that_a_module_is_tried_out_on() -> None:
    def tokenize(text: str) -> list[str]:
        if "w9" in text:
            raise ValueError("not in this language")
        return text.split()

    custom = custom_of(Pooling(attend_plainly), tokenize=tokenize)
    texts = [
        "w5 w6 w7 w8 w4 w5 w6 w7 w8",
        "w9 w4 w5 w6 w7 w8 w4 w5 w6",
        "w7 w8 w5 w5 w4 w5 w6 w7 w8",
    ]
    report = attn_audit.audit(custom, texts, on_error="record", checks="permutation")
    assert (report.data.n_examples, report.data.n_failed) == (2, 1)


def test_a_report_counts_what_failed_and_sums_up_the_others() -> None:
    report = attn_audit.audit(Failing("nan"), EXAMPLES, on_error="record", **QUICK)
    assert (report.data.n_examples, report.data.n_failed) == (len(EXAMPLES) - 2, 2)
    assert report[permutation.DISTANCE].n <= len(EXAMPLES) - 2
    assert {(entry.check, entry.n) for entry in report.degenerate if entry.status == FAILED} == {
        (check, 2) for check in ("correlation", "attended", "permutation", "adversarial")
    }
