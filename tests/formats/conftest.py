"""Reports with realistic numbers: those of a BiLSTM with additive attention on SST."""

from collections.abc import Callable, Sequence
from io import BytesIO, TextIOWrapper
from itertools import pairwise
from math import log
from statistics import NormalDist, fmean, quantiles, stdev
from typing import Any

import pytest
from rich.console import Console

from attn_audit.results.description import Findings, LayerDescription, ModelDescription
from attn_audit.results.report import (
    DataDescription,
    RecordsFile,
    Report,
    Run,
    SelfCheck,
    Settings,
    TellingExample,
    Tool,
)
from attn_audit.results.summary import (
    AdversarialSummary,
    CorrelationSummary,
    Degenerate,
    Distribution,
    Gap,
    Group,
    Histogram,
    Interval,
    Performance,
    PermutationSummary,
    Share,
    SiteMean,
    SiteSummary,
    Summaries,
    TauSummary,
    UniformSummary,
)

TAU_EDGES = tuple(round(-1 + 0.1 * i, 1) for i in range(21))
DISTANCE_EDGES = tuple(round(0.05 * i, 2) for i in range(21))
JSD_EDGES = tuple(round(0.7 * i / 21, 10) for i in range(22))
LENGTHS = ("5 to 9", "10 to 19", "20 to 49", "50 to 99")
BINS = ("0.00 to 0.25", "0.25 to 0.50", "0.50 to 0.75", "0.75 to 1.00")


def distribution(values: Sequence[float], edges: Sequence[float] = DISTANCE_EDGES) -> Distribution:
    """What an audit says of these numbers."""
    n = len(values)
    if n == 0:
        nothing: dict[str, Any] = dict.fromkeys(("mean", "sd", "interval", "minimum", "maximum"))
        return Distribution(n=0, quantiles={}, **nothing)
    mean = fmean(values)
    sd = stdev(values) if n > 1 else None
    half = 1.96 * sd / n**0.5 if sd is not None else 0
    cuts = quantiles(values, n=20, method="inclusive") if n > 1 else [mean] * 19
    counts = [
        sum(low <= v < high or (v == high == edges[-1]) for v in values)
        for low, high in pairwise(edges)
    ]
    return Distribution(
        n=n,
        mean=mean,
        sd=sd,
        interval=Interval(low=mean - half, high=mean + half, method="bootstrap") if n > 1 else None,
        minimum=min(values),
        quantiles=dict(
            zip(
                ("0.05", "0.25", "0.5", "0.75", "0.95"),
                (cuts[i] for i in (0, 4, 9, 14, 18)),
                strict=True,
            )
        ),
        maximum=max(values),
        histogram=Histogram(edges=tuple(edges), counts=tuple(counts)),
    )


def share(count: int, n: int) -> Share:
    """What an audit says of `count` examples of `n`."""
    if n == 0:
        return Share(count=0, n=0, share=None, interval=None)
    p = count / n
    half = 1.96 * (p * (1 - p) / n) ** 0.5
    interval = Interval(low=max(0, p - half), high=min(1, p + half), method="wilson")
    return Share(count=count, n=n, share=p, interval=interval)


def normal(mean: float, sd: float, n: int, low: float, high: float) -> list[float]:
    """As many values as asked for, spread normally between two ends."""
    spread = NormalDist(mean, sd)
    return [min(high, max(low, spread.inv_cdf((i + 0.5) / n))) for i in range(n)]


def falling(mean: float, n: int, high: float = 1.0) -> list[float]:
    """Values from 0 up, the fewer the larger."""
    return [min(high, -mean * log(1 - (i + 0.5) / n)) for i in range(n)]


def groups(
    names: Sequence[str], sizes: Sequence[int], make: Callable[[int, int], Distribution]
) -> tuple[Group, ...]:
    """One part for each name, made from its number and size."""
    return tuple(
        Group(name=name, distribution=make(i, n))
        for i, (name, n) in enumerate(zip(names, sizes, strict=True))
    )


def tau_summary(
    mean: float, classes: Sequence[str], sizes: Sequence[int], positive: float, n: int
) -> TauSummary:
    """Kendall's tau over n examples."""

    def make(i: int, size: int) -> Distribution:
        return distribution(normal(mean + 0.04 * (i % 4) - 0.02, 0.21, size, -1, 1), TAU_EDGES)

    n_tested = max(0, n - 62)
    return TauSummary(
        **distribution(normal(mean, 0.21, n, -1, 1), TAU_EDGES).model_dump(),
        n_undefined=3,
        n_untestable=n - n_tested,
        significantly_positive=share(round(positive * n_tested), n_tested),
        significantly_negative=share(round(0.002 * n_tested), n_tested),
        expected_by_chance=0.0231 if n_tested else None,
        positive_after_correction=share(round(positive / 3 * n_tested), n_tested),
        negative_after_correction=share(0, n_tested),
        by_prediction=groups(classes, sizes, make),
        by_length=groups(LENGTHS, (232, 871, 540, 175), make) if n else (),
    )


def correlation_summary(
    classes: Sequence[str] = ("negative", "positive"),
    sizes: Sequence[int] = (882, 936),
    n: int = 1818,
) -> CorrelationSummary:
    return CorrelationSummary(
        attention_gradient=tau_summary(0.201, classes, sizes, 0.217, n),
        attention_leave_one_out=tau_summary(0.225, classes, sizes, 0.253, n),
        gradient_leave_one_out=tau_summary(0.296, classes, sizes, 0.394, n),
        gap=Gap(
            attention_gradient=distribution(normal(0.096, 0.258, n, -2, 2)),
            attention_leave_one_out=distribution(normal(0.071, 0.244, n, -2, 2)),
        ),
    )


def permutation_summary(
    classes: Sequence[str] = ("negative", "positive"),
    sizes: Sequence[int] = (882, 936),
    n: int = 1818,
) -> PermutationSummary:
    def make(i: int, size: int) -> Distribution:
        return distribution(falling(0.09 + 0.02 * (i % 4), size))

    return PermutationSummary(
        distance=distribution(falling(0.122, n)),
        jsd=distribution(normal(0.35, 0.12, n, 0, log(2)), JSD_EDGES),
        within_epsilon=distribution(normal(0.44, 0.3, n, 0, 1)),
        moved=share(round(0.377 * n), n),
        too_even=share(round(0.05 * n), n),
        uniform=UniformSummary(
            distance=distribution(falling(0.11, n)),
            unchanged=share(round(0.932 * n), n),
            accuracy=share(round(0.741 * n), n),
            accuracy_change=distribution(
                [0.0] * (n - n // 15) + [-1.0] * (n // 25) + [1.0] * (n // 15 - n // 25)
            ),
        ),
        audited_mass=distribution([1.0] * n),
        by_max_attention=groups(BINS, (31, 460, 620, 707), make) if n else (),
        by_prediction=groups(classes, sizes, make),
        by_length=groups(LENGTHS, (232, 871, 540, 175), make) if n else (),
    )


def adversarial_summary(
    classes: Sequence[str] = ("negative", "positive"),
    sizes: Sequence[int] = (882, 936),
    n: int = 1818,
    n_gradient: int = 0,
) -> AdversarialSummary:
    def make(i: int, size: int) -> Distribution:
        values = [log(2) - value for value in falling(0.1 - 0.02 * (i % 4), size, log(2))]
        return distribution(values, JSD_EDGES)

    return AdversarialSummary(
        max_jsd=make(1, n),
        relative_jsd=distribution([1 - value for value in falling(0.09, n)]),
        upper_bound=distribution([log(2) - v for v in falling(0.05, n, log(2))], JSD_EDGES),
        distance=distribution([0.05 - v for v in falling(0.005, n, 0.05)]),
        audited_mass=distribution([1.0] * n),
        n_exact=n - n_gradient,
        n_gradient=n_gradient,
        by_max_attention=groups(BINS, (31, 460, 620, 707), make) if n else (),
        by_prediction=groups(classes, sizes, make),
        by_length=groups(LENGTHS, (232, 871, 540, 175), make) if n else (),
    )


def self_checks() -> tuple[SelfCheck, ...]:
    found = (
        ("evaluation mode", 0.0),
        ("two passes agree", 0.0),
        ("padding changes nothing", 5.96e-8),
        ("rows sum to 1", 1.2e-7),
        ("own attention reproduces the output", 3.1e-8),
    )
    return tuple(
        SelfCheck(name=name, error=error, tolerance=1e-5, passed=True) for name, error in found
    )


@pytest.fixture
def telling_examples() -> tuple[TellingExample, ...]:
    units = "if you sometimes like to go to the movies to have fun wasabi is a good place to start"
    n = len(units.split())
    own = [0.01] * n
    own[3], own[11], own[15] = 0.05, 0.2, 0.58
    other = [0.0] * n
    other[12], other[16] = 0.93, 0.07
    gradient = [0.05 * (i % 4) for i in range(n)]
    record: dict[str, Any] = {
        "id": "sst-test-00002",
        "label": "positive",
        "prediction": "positive",
        "probability": 0.994827343,
        "n_units": n,
        "truncated": False,
        "audited_mass": 1.0,
        "max_attention": 0.58,
        "tau_attention_gradient": 0.251461988,
        "tau_attention_leave_one_out": 0.134502924,
        "tau_gradient_leave_one_out": 0.50877193,
        "median_permutation_distance": 0.193005779,
        "median_permutation_jsd": 0.41,
        "share_permutations_within_epsilon": 0.24,
        "max_jsd": 0.664252632,
        "relative_jsd": 0.971,
        "adversarial_distance": 0.0499,
        "adversarial_method": "exact",
        "units": units.split(),
        "attention": own,
        "gradient": gradient,
        "leave_one_out": gradient,
        "adversarial_attention": other,
    }
    reasons = ("adversarial", "adversarial", "insensitive", "disagreeing", "agreeing")
    return tuple(
        TellingExample(reason=reason, record={**record, "id": f"sst-{id_}"})
        for reason, id_ in zip(reasons, "abcde", strict=True)
    )


@pytest.fixture
def report(telling_examples: tuple[TellingExample, ...]) -> Report:
    return Report(
        tool=Tool(
            name="attn-audit",
            version="0.1.0",
            libraries={"python": "3.11.7", "torch": "2.9.1", "numpy": "2.4.6"},
        ),
        model=ModelDescription(
            source="models/sst_bilstm/model.pt",
            sha256="1f0c9a7be2d4" + "0" * 52,
            format="attn-audit checkpoint",
            architecture="BiLSTM encoder, additive attention, single texts",
            task="binary",
            labels=("negative", "positive"),
            sites=("attention over the text's tokens, read out once",),
            layers=(LayerDescription(name="attention", n_heads=1),),
            default_layer=0,
            n_parameters=952_085,
            dtype="float32",
            linear_readout=True,
            takes_pairs=False,
            details={
                "tokenizer": "whitespace",
                "vocabulary": 7172,
                "embedding size": 100,
                "hidden size": 128,
                "state size": 256,
            },
        ),
        data=DataDescription(
            source="data/sst_paper",
            name="data/sst_paper/test.jsonl",
            split="test",
            sha256="77ab01c2d3e4" + "0" * 52,
            n_examples=1821,
            limit=None,
            n_labelled=1821,
            n_truncated=0,
        ),
        settings=Settings(
            fields={role: role for role in ("id", "text", "text_pair", "label", "labels")},
            label_map={},
            checks=("correlation", "permutation", "adversarial"),
            measures=("gradient", "leave_one_out"),
            epsilon=0.05,
            permutations=100,
            method="auto",
            iterations=500,
            restarts=5,
            layer=0,
            head=None,
            rows="readout",
            unit="token",
            max_length=None,
            revision=None,
            trust_remote_code=False,
            adapter=None,
            seed=0,
            batch_size="auto",
            threads=2,
            device="cpu",
        ),
        self_checks=self_checks(),
        performance=Performance(
            n=1821,
            is_multilabel=False,
            accuracy=share(1369, 1821),
            macro_f1=0.7516,
            macro_f1_interval=Interval(low=0.7317, high=0.7713, method="bootstrap"),
            micro_f1=None,
            micro_f1_interval=None,
            roc_auc=0.8281,
            roc_auc_interval=Interval(low=0.8087, high=0.8459, method="delong"),
            majority_share=912 / 1821,
        ),
        n_units=distribution(normal(17, 8, 1821, 1, 52), tuple(range(0, 60, 5))).model_copy(
            update={"minimum": 1.0, "maximum": 52.0}
        ),
        checks=Summaries(
            correlation=correlation_summary(),
            permutation=permutation_summary(),
            adversarial=adversarial_summary(),
        ),
        degenerate=(
            Degenerate(
                check="correlation",
                status="untestable_fewer_than_5_units",
                meaning="fewer than 5 units: tau counts, but no p-value could reach 0.05",
                n=62,
            ),
            Degenerate(
                check="correlation",
                status="untestable_single_unit",
                meaning="a single unit: there is no other place that attention could go to",
                n=3,
            ),
            Degenerate(
                check="permutation",
                status="untestable_single_unit",
                meaning="a single unit: there is no other place that attention could go to",
                n=3,
            ),
            Degenerate(
                check="adversarial",
                status="untestable_single_unit",
                meaning="a single unit: there is no other place that attention could go to",
                n=3,
            ),
        ),
        telling_examples=telling_examples,
        records=RecordsFile(path="report.records.parquet", sha256="5e" * 32),
        run=Run(
            started="2026-01-05T10:12:44+00:00",
            seconds=14.23,
            seconds_by_stage={"correlation": 6.0, "permutation": 3.1, "adversarial": 2.2},
        ),
    )


Shown = Callable[..., str]


@pytest.fixture
def shown() -> Shown:
    """Print with a function of (value, console) on a console without a terminal; give the text."""

    def show(
        render: Callable[[Any, Console], None], value: Any, width: int = 80, encoding: str = "utf-8"
    ) -> str:
        buffer = BytesIO()
        with TextIOWrapper(buffer, encoding=encoding, write_through=True) as file:
            render(value, Console(file=file, width=width, _environ={}))
            return buffer.getvalue().decode(encoding)

    return show


@pytest.fixture
def unlabelled(report: Report) -> Report:
    permutation = report.checks.permutation
    assert permutation is not None
    uniform = permutation.uniform.model_copy(update={"accuracy": None, "accuracy_change": None})
    return report.model_copy(
        update={
            "performance": None,
            "data": report.data.model_copy(update={"n_labelled": 0}),
            "checks": report.checks.model_copy(
                update={"permutation": permutation.model_copy(update={"uniform": uniform})}
            ),
        }
    )


@pytest.fixture
def multilabel(report: Report) -> Report:
    """28 labels, as GoEmotions has; the readout allows no exact adversary."""
    labels = tuple(f"emotion {i:02}" for i in range(1, 29))
    sizes = tuple(40 + 37 * i % 400 for i in range(28))
    performance = Performance(
        n=1821,
        is_multilabel=True,
        accuracy=share(830, 1821),
        macro_f1=0.4012,
        macro_f1_interval=Interval(low=0.382, high=0.419, method="bootstrap"),
        micro_f1=0.5518,
        micro_f1_interval=Interval(low=0.533, high=0.570, method="bootstrap"),
        roc_auc=0.8904,
        roc_auc_interval=Interval(low=0.882, high=0.898, method="delong"),
        majority_share=0.29,
    )
    return report.model_copy(
        update={
            "model": report.model.model_copy(update={"task": "multilabel", "labels": labels}),
            "performance": performance,
            "checks": Summaries(
                correlation=correlation_summary(labels, sizes),
                permutation=permutation_summary(labels, sizes),
                adversarial=adversarial_summary(labels, sizes, n_gradient=1818),
            ),
        }
    )


def site(layer: int, head: int | None, **means: float) -> SiteSummary:
    """A layer or head with these means, of every example."""

    def summed(mean: float) -> SiteMean:
        interval = Interval(low=mean - 0.012, high=mean + 0.012, method="normal")
        return SiteMean(n=1821, mean=mean, interval=interval)

    return SiteSummary(
        layer=layer, head=head, means={name: summed(mean) for name, mean in means.items()}
    )


def taus_at(layer: int, head: int) -> dict[str, float]:
    """Numbers that differ from head to head, and grow with the layer."""
    tau = 0.012 * (layer + 2) * ((head * 5 + layer * 3) % 7 - 1.8)
    return {"tau_attention_gradient": tau, "tau_attention_leave_one_out": 0.8 * tau + 0.05}


@pytest.fixture
def transformer(report: Report) -> Report:
    """MiniLM on the same texts, every layer and head asked for."""
    shuffled, attacked = report.checks.permutation, report.checks.adversarial
    assert shuffled is not None
    assert attacked is not None
    mass = distribution(normal(0.31, 0.11, 1818, 0.02, 0.9))
    layers = tuple(
        LayerDescription(name=f"bert.encoder.layer.{i}.attention.self", n_heads=12)
        for i in range(6)
    )
    model = report.model.model_copy(
        update={
            "source": "minilm_sst",
            "format": "HuggingFace",
            "architecture": "BertForSequenceClassification, 6 layers, 12 heads, hidden size 384",
            "sites": (),
            "layers": layers,
            "default_layer": 5,
            "n_parameters": 22_713_986,
            "linear_readout": False,
            "details": {"model type": "bert", "vocabulary": 30_522, "max length": 512},
            "findings": Findings(
                readout="first token",
                replay="row",
                replay_error=3.4e-7,
                special_share=0.69,
                masking_leaks=False,
                removal="mask",
            ),
        }
    )
    records = RecordsFile(
        path="report.records.parquet",
        sha256="5e" * 32,
        sites=RecordsFile(path="report.records.sites.parquet", sha256="a7" * 32),
    )
    return report.model_copy(
        update={
            "model": model,
            "settings": report.settings.model_copy(update={"layer": 5, "max_length": 512}),
            "data": report.data.model_copy(update={"n_truncated": 4}),
            "checks": report.checks.model_copy(
                update={
                    "permutation": shuffled.model_copy(update={"audited_mass": mass}),
                    "adversarial": attacked.model_copy(
                        update={"audited_mass": mass, "n_exact": 0, "n_gradient": 1818}
                    ),
                }
            ),
            "sites": tuple(
                site(
                    layer,
                    head,
                    **taus_at(layer, head),
                    median_permutation_distance=0.004 * (layer + head % 5),
                    max_jsd=0.66 - 0.02 * layer,
                    audited_mass=0.2 + 0.05 * (head % 6),
                )
                for layer in range(6)
                for head in range(12)
            ),
            "records": records,
        }
    )


@pytest.fixture
def by_layer(transformer: Report) -> Report:
    """The correlation check alone, heads averaged in every layer."""
    taus = [taus_at(layer, 4) for layer in range(6)]
    return transformer.model_copy(
        update={
            "checks": Summaries(
                correlation=transformer.checks.correlation, permutation=None, adversarial=None
            ),
            "settings": transformer.settings.model_copy(update={"checks": ("correlation",)}),
            "sites": tuple(site(layer, None, **means) for layer, means in enumerate(taus)),
        }
    )


@pytest.fixture
def nothing_measured(report: Report) -> Report:
    """Every check was run, and no example could be measured."""
    return report.model_copy(
        update={
            "checks": Summaries(
                correlation=correlation_summary((), (), 0),
                permutation=permutation_summary((), (), 0),
                adversarial=adversarial_summary((), (), 0),
            ),
            "telling_examples": (),
        }
    )


@pytest.fixture
def only_correlation(report: Report) -> Report:
    """One check with one measure."""
    correlation = report.checks.correlation
    assert correlation is not None
    summary = correlation.model_copy(
        update={"attention_leave_one_out": None, "gradient_leave_one_out": None, "gap": None}
    )
    settings = {"checks": ("correlation",), "measures": ("gradient",)}
    return report.model_copy(
        update={
            "checks": Summaries(correlation=summary, permutation=None, adversarial=None),
            "settings": report.settings.model_copy(update=settings),
            "degenerate": (),
            "records": None,
            "run": None,
        }
    )
