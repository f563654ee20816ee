"""What stands beside a number in the tables of a check."""

import pyarrow.compute as pc

from attn_audit import audit
from attn_audit.document import Details, Table
from attn_audit.findings.attended import FINDINGS, POLARITY
from attn_audit.findings.correlation_pairs import (
    ATTENTION_GRADIENT,
    ATTENTION_MARGIN,
    OF_TWINS,
    YARDSTICK,
    metrics_of,
)
from attn_audit.formats.documents.report import document
from attn_audit.numbers import mean, share
from attn_audit.results.report import Report
from attn_audit.statistics.summary import GroupedDistribution


def tables_of(report: Report, check: str) -> list[Table]:
    """Of one section."""
    section = next(s for s in document(report).sections if s.id == check)
    (folded,) = [block for block in section.blocks if isinstance(block, Details)]
    return [block for block in folded.blocks if isinstance(block, Table)]


def test_ties_and_chance_stand_beside_tau(report: Report) -> None:
    ties, significant, *_ = tables_of(report, "correlation")
    of = {row[0]: row for row in ties.rows}
    for name, pair in (
        ("attention with gradients", ATTENTION_GRADIENT),
        ("the yardstick", YARDSTICK),
        ("attention with effects on the margin", ATTENTION_MARGIN),
    ):
        tau = report.metrics[pair.tau.name]
        largest = report.metrics[f"{pair.tau.name}.largest"]
        assert isinstance(tau, GroupedDistribution)
        assert isinstance(largest, GroupedDistribution)
        assert of[name][1:] == (f"{tau.n:,}", mean(tau), mean(largest))
        assert (largest.mean or 0) >= (tau.mean or 0)
    assert sum(str(name).startswith("  p ") for name in of) == len(
        report[OF_TWINS[ATTENTION_MARGIN]].by_confidence
    )
    assert significant.columns[2:] == ("corrected +", "corrected -", "raw +", "raw -", "by chance")
    assert "the order within each text were random, text by text" in significant.note


def test_the_papers_second_table_is_counted_from_the_records() -> None:
    report = audit("demo", "demo", limit=60, checks="correlation", measures="gradient")
    found = metrics_of(ATTENTION_GRADIENT)
    table = next(t for t in tables_of(report, "correlation") if "Table 2" in t.title)
    rows = {str(row[0]).strip(): row for row in table.rows if len(row) > 1}
    for part in report[found.significant].by_prediction:
        of_it = report.records.filter(pc.equal(report.records["prediction"], part.name))
        p_values = of_it[ATTENTION_GRADIENT.p_value.name].drop_null().to_pylist()
        assert part.n == len(p_values) > 0
        assert part.count == sum(p <= 0.05 for p in p_values)
        assert rows[part.name][4] == share(part)
    assert rows["all"][4] == share(report[found.significant])


def test_what_rules_read_is_given_by_confidence(report: Report) -> None:
    of = {table.title: table for table in tables_of(report, "attended")}
    strata = report[POLARITY].by_confidence
    assert sum(part.n for part in strata) == report[POLARITY].n
    shown = {row[0]: row[3] for row in of["By confidence"].rows}
    assert {f"p {part.name}": share(part) for part in strata}.items() <= shown.items()
    assert "by confidence" in [row[0] for row in of["By group"].rows]


def test_a_share_of_fewer_texts_than_stand_beside_it_says_of_how_many(report: Report) -> None:
    first, *others = report[POLARITY].by_confidence
    strata = (first.model_copy(update={"n": first.n - 1, "count": 0}), *others)
    fewer = report[POLARITY].model_copy(
        update={"n": report[POLARITY].n - 1, "by_confidence": strata}
    )
    changed = report.model_copy(update={"metrics": {**report.metrics, POLARITY.name: fewer}})
    (table,) = (t for t in tables_of(changed, "attended") if t.title == "By confidence")
    assert f"against it at p {first.name} is of {first.n - 1}" in table.note
    assert f" of the {fewer.n} texts in which it does anything" in " ".join(
        FINDINGS.in_short(changed)
    )
