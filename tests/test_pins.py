"""Numbers that decide others, each held by what a report, a record or a verification says.

`python -m tests.mutation` changes them one at a time; what nothing else notices is noticed here.
"""

import json
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import attn_audit
from attn_audit import Example
from attn_audit.findings import adversarial, permutation
from attn_audit.findings import correlation_pairs as correlation
from attn_audit.models.paper.network import EncoderKind
from attn_audit.results.report import Report
from attn_audit.statistics.kendall import exact_chance
from attn_audit.verification.tally import Numbers
from tests.rows import RowsModel, texts
from tests.tiny import WORDS, tiny_examples, tiny_model
from tests.verification.conftest import audit_into

LENGTHS = (1, 2, 3, 7, 7, 15, 15, 30, 30, 70, 130, 230)


def long_examples(*lengths: int) -> list[Example]:
    """Texts of so many words, which come again where there are not enough."""
    return [
        Example(str(i), " ".join(WORDS[(5 * i + j) % len(WORDS)] for j in range(n)))
        for i, n in enumerate(lengths)
    ]


def records_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def report() -> Report:
    """All checks on texts of all lengths."""
    model = tiny_model(EncoderKind.AVERAGE)
    return attn_audit.audit(model, long_examples(*LENGTHS), permutations=9)


# --- how a report describes numbers ---------------------------------------------------------------


def test_quantiles(report: Report) -> None:
    found = report[permutation.DISTANCE]
    assert found.quantiles == (found.q05, found.q25, found.median, found.q75, found.q95)
    assert sorted(found.quantiles) == list(found.quantiles)


def edges(low: float, high: float, n: int) -> tuple[float, ...]:
    """As decimals: borders are written as people write them."""
    return tuple(float(f"{low + (high - low) * i / n:.10f}") for i in range(n + 1))


def test_borders_of_histograms(report: Report) -> None:
    distance = report[permutation.DISTANCE]
    found = {
        "tau": report[correlation.metrics_of(correlation.ATTENTION_GRADIENT).tau].histogram,
        "unit": distance.histogram,
        "distance": distance.by_max_attention[0].distribution.histogram,
        "jsd": report[adversarial.MAX_JSD].histogram,
    }
    assert {name: None if h is None else h.edges for name, h in found.items()} == {
        "tau": edges(-1, 1, 20),
        "unit": edges(0, 1, 20),
        "distance": edges(0, 1, 40),
        "jsd": edges(0, 0.7, 21),
    }


def test_borders_of_lengths(report: Report) -> None:
    assert '"edges":[0.0,5.0,10.0,20.0,50.0,100.0,200.0,500.0,1000.0,5000.0]' in (
        report.model_dump_json()
    )


def test_groups_of_lengths(report: Report) -> None:
    names = [group.name for group in report[permutation.DISTANCE].by_length]
    assert names == [
        *("1 to 4", "5 to 9", "10 to 19", "20 to 49", "50 to 99", "100 to 199", "200 or more")
    ]


def test_groups_of_the_largest_weight() -> None:
    """Sharper and flatter attention, so that there is a largest weight of every size."""
    names, counts = set(), 0
    for scale in (0.5, 2.0, 4.0):
        examples = tiny_examples(40, lengths=(1, 9))
        model = tiny_model(EncoderKind.AVERAGE, scale=scale)
        found = attn_audit.audit(model, examples, checks="permutation", permutations=3)
        groups = found[permutation.DISTANCE].by_max_attention
        names |= {group.name for group in groups}
        counts += sum(group.distribution.n for group in groups)
    assert names == {"0.00 to 0.25", "0.25 to 0.50", "0.50 to 0.75", "0.75 to 1.00"}


# --- significance ---------------------------------------------------------------------------------


def test_significance(tmp_path: Path) -> None:
    """Counted by hand in the records: at most 0.05, with 0.05 to 0.1 left out."""
    model = tiny_model(EncoderKind.AVERAGE)
    path = tmp_path / "records.jsonl"
    found = attn_audit.audit(model, tiny_examples(80), checks="correlation", records=str(path))
    share = found[correlation.metrics_of(correlation.ATTENTION_GRADIENT).significantly_positive]
    pairs = [
        (r["correlation.attention_gradient"], r["correlation.attention_gradient_p_value"])
        for r in records_of(path)
    ]
    tested = [(tau, p) for tau, p in pairs if p is not None]
    assert any(0.05 < p <= 0.1 for tau, p in tested if tau > 0)
    assert share.count == sum(tau > 0 and p <= 0.05 for tau, p in tested)
    assert share.n == len(tested)
    lengths = [
        r["n_units"] for r in records_of(path) if r["correlation.attention_gradient"] is not None
    ]
    assert len(tested) == sum(n >= 5 for n in lengths) < len(lengths)
    assert min(lengths) < 5


def test_chance_is_exact_up_to_100_units() -> None:
    found = exact_chance(np.array([100, 101]))
    assert found[0] != 0.025
    assert found[1] == 0.025


def test_p_values_are_exact_up_to_33_units(tmp_path: Path) -> None:
    """Recomputed from the records' own lists by SciPy, told which rule to take."""
    from scipy.stats import kendalltau

    path = tmp_path / "records.jsonl"
    examples = [Example(str(n), " ".join(WORDS[:n])) for n in (32, 33, 34, 35, 36)]
    attn_audit.audit(
        tiny_model(EncoderKind.AVERAGE), examples, checks="correlation", records=str(path)
    )
    for row in records_of(path):
        rule: Literal["exact", "asymptotic"] = "exact" if row["n_units"] <= 33 else "asymptotic"
        one, other = np.array(row["attention"]), np.array(row["gradient"])
        expected = kendalltau(one, other, method=rule)
        assert row["correlation.attention_gradient_p_value"] == pytest.approx(
            expected.pvalue, rel=1e-9
        )


# --- examples that are shown ----------------------------------------------------------------------


def told(report: Report) -> list[tuple[str, int]]:
    return [(told.reason, int(told.record["n_units"])) for told in report.telling_examples]


def test_examples_that_are_shown() -> None:
    model = tiny_model(EncoderKind.AVERAGE)
    examples = long_examples(*(4, 5, 40, 41) * 6)
    found = told(attn_audit.audit(model, examples, checks="permutation", permutations=3))
    assert {n for _, n in found} == {5, 40}
    assert [reason for reason, _ in found].count("insensitive") == 8


# --- defaults and floors of the checks ------------------------------------------------------------


def test_epsilon_of_single_texts_and_pairs() -> None:
    for is_pair, epsilon in ((False, 0.01), (True, 0.05)):
        model, examples = tiny_model(is_pair=is_pair), tiny_examples(4, is_pair=is_pair)
        found = attn_audit.audit(model, examples, checks="permutation", permutations=3)
        assert found.settings.epsilon == epsilon


@pytest.mark.parametrize(("mass", "is_measured"), [(0.6e-6, False), (2e-6, True)])
def test_mass_that_is_rounding(mass: float, is_measured: bool, tmp_path: Path) -> None:
    """All attention of all rows but so much lies on the special token."""
    model = RowsModel()
    path = tmp_path / "records.jsonl"
    examples = texts(6, 7)
    with_mass(model, mass)
    attn_audit.audit(model, examples, checks="permutation", permutations=3, records=str(path))
    for row in records_of(path):
        assert row["audited_mass"] == pytest.approx(mass, rel=0.5)
        assert (row["permutation.distance"] is not None) == is_measured


def with_mass(model: RowsModel, mass: float) -> None:
    """Raise the special token's score until the words have so much of the attention."""
    network: Any = model.module
    network.query.mul_(0.0)
    network.of_rows.mul_(0.0)
    network.special_score.fill_(math.log(6.5 / mass))


# --- tolerances of a verification -----------------------------------------------------------------

CLAIMS = {
    "probability": 1e-4,
    "attention": 1e-3,
    "audited mass, largest weight": 1e-4,
    "gradient": 1e-3,
    "leave-one-out": 1e-4,
    "taus": 0.02,
    "permutations: output distance": 1e-4,
    "permutations: divergence": 1e-4,
    "permutations within epsilon": 0.03,
    "uniform: output distance": 1e-4,
    "relative divergence, bounds": 1e-3,
    "divergence, searched again": 0.02,
    "margin": 1e-2,
    "margins": 1e-2,
    "taus of margins": 0.02,
    "taus that ties allow": 0.02,
    "taus of shuffled attention": 0.02,
    "permutations: margin": 1e-2,
    "permutations that turn the decision": 0.03,
    "uniform: margin": 1e-2,
    "reach: output distance": 1e-4,
    "reach: margin": 1e-2,
    "leverage: output distance": 1e-4,
    "leverage: margin": 1e-2,
    "replacement: output distance": 1e-4,
    "replacement: margin": 1e-2,
    "decision flips": 0.03,
    "other measures": 1e-3,
    "plausibility": 0.02,
    "mosaics": 0.02,
    "erasure: mean gain": 0.02,
    "erasure: neutral": 0.02,
    "erasure: margin": 0.1,
    "erasure: sufficiency": 0.02,
    "erasure: comprehensiveness bins": 0.02,
    "erasure: sufficiency bins": 0.02,
    "erasure: above random": 0.1,
    "erasure: saco": 0.1,
    "erasure: limits": 0.02,
}
OF_RANKS = (
    *("taus", "taus of margins", "taus that ties allow", "taus of shuffled attention"),
    *("permutations within epsilon", "permutations that turn the decision"),
    *("decision flips", "plausibility", "mosaics"),
    *(name for name in CLAIMS if name.startswith("erasure: ")),
)
"""Of steps that do not grow with the rounding."""


def tolerances_of(dtype: str) -> dict[str, float]:
    tallies = Numbers("sample", dtype, 100, searches_again=True).tallies
    return {tally.name: tally.tolerance.limit for tally in tallies if tally.tolerance is not None}


def test_tolerances_of_numbers() -> None:
    assert tolerances_of("float32") == CLAIMS
    coarser = {name: v if name in OF_RANKS else 100 * v for name, v in CLAIMS.items()}
    for dtype in ("float16", "bfloat16"):
        assert tolerances_of(dtype) == pytest.approx(coarser, rel=1e-12)


def test_tolerances_of_a_verification(tmp_path: Path) -> None:
    found = audit_into(tmp_path).verify()
    by_name = {claim.name: claim.tolerance for claim in found.claims}
    assert by_name["taus and p-values"] == 1e-6
    assert by_name["every value"] == 1e-9
    assert by_name["is a distribution"] == 1e-5
    assert by_name["output stays within epsilon"] == 1e-4
    assert by_name["output distance"] == 1e-4
    assert by_name["divergence"] == 1e-4
    assert found.n_sampled == math.ceil(found.n_examples / 10)


@pytest.mark.parametrize(("off", "holds"), [(0.7e-6, True), (2e-6, False)])
def test_small_weights_are_measured_in_thousandths(off: float, holds: bool) -> None:
    """A weight of 1e-4 may be off by a thousandth of 0.001; another by one of itself."""
    same: dict[str, Any] = {"id": "e", "n_units": 2, "units": ("a", "b"), "probability": 0.7}
    numbers = Numbers("sample", "float32", 100, searches_again=False)
    stored = {**same, "prediction": "yes", "attention": [1e-4, 0.9999]}
    found = {**same, "prediction": "yes", "attention": [1e-4 + off, 0.9999 - off]}
    numbers.compare(stored, found, n_units=2)
    failed = {tally.name for tally in numbers.tallies if tally.claim().n_failed}
    assert failed == (set() if holds else {"attention"})
