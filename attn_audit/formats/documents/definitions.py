"""What numbers and measures are, where they come from, and which numbers a policy may bound."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite

from attn_audit.document import Bullets, Definitions, Details, Document, Phrase, Section, Tone
from attn_audit.findings.field import Field, Kind, Range, Shape
from attn_audit.findings.measure import Measure
from attn_audit.findings.metric import BESIDE_MEAN, MeanMetric, Statistic

JAIN = "Jain & Wallace (2019)"

DEFINITIONS = (
    (
        "Attention",
        "The model's weights over the audited units after the softmax, renormalised to sum to 1; "
        "of several heads or rows the mean. The share that lies elsewhere is not shown or moved.",
        JAIN,
    ),
    (
        "Gradient importance",
        "How much the log-odds of what is explained change with a unit's embedding, times "
        "that embedding, attention held constant; its size without the sign.",
        f"{JAIN}, section 4.1",
    ),
    (
        "Leave-one-out importance",
        "How far the output moves when the unit is left out of the text: total variation "
        "distance, for one sigmoid the change of its probability.",
        f"{JAIN}, section 4.1",
    ),
    (
        "Kendall's tau",
        "How alike two rankings of the same units are: 1 the same order, 0 unrelated, -1 "
        "reversed. Variant tau-b, which accounts for ties.",
        "Kendall (1945)",
    ),
    (
        "Yardstick",
        "Tau between the two importance measures: what two accepted measures reach on this model "
        "is what attention can be held against.",
        "this project",
    ),
    (
        "Permutation",
        "The median change of the output over random permutations of an example's attention. An "
        "output that stays did not depend on where attention was peaked; where it is too even to "
        "show anything, the output counts as not moved.",
        f"{JAIN}, section 4.2.1",
    ),
    (
        "Jensen-Shannon divergence (JSD)",
        "How different two distributions are, in nats: 0 the same, ln 2 = 0.69 nothing in common.",
        "Lin (1991)",
    ),
    (
        "Epsilon-max JSD",
        "The largest divergence between the model's attention and any other that keeps the output "
        "within epsilon; relative to the most that the example's attention allows.",
        f"{JAIN}, section 4.2.2",
    ),
    (
        "Uniform attention",
        "The output with equal attention on every unit of the trained model: a decision that "
        "changes depends on where attention lies; one that stays may change under other attention.",
        "Wiegreffe & Pinter (2019)",
    ),
    (
        "Margin",
        "By how much the model decides: the logit (the score before it becomes a probability) of "
        "what is explained minus that of the next label. Its whole is lost where the decision "
        "turns.",
        "this project",
    ),
    (
        "Neutral unit",
        "What takes the place of a word that is left out, and says nothing: the text keeps its "
        "length.",
        "this project",
    ),
    (
        "Words with hardly any attention",
        "The unattended ones: of a text the least attended words, which have a tenth of the "
        "attention together.",
        "this project",
    ),
    (
        "Integrated gradients",
        "What each unit adds to the output on the way from neutral units to the text, summed from "
        "the gradients along it.",
        "Sundararajan et al. (2017)",
    ),
    (
        "Gradient x input",
        "What each unit adds to the output by the gradient at the text itself, with its sign.",
        "Shrikumar et al. (2016)",
    ),
    (
        "AOPC",
        "By how much what is predicted becomes less probable as units are left out in some order, "
        "mean over how many are left out: the gain. Large: what comes first matters.",
        "DeYoung et al. (2020)",
    ),
    (
        "SaCo",
        "Whether units of larger scores have larger effects when each alone is left out: 1 always, "
        "0 as by chance, -1 never.",
        "Wu et al. (2024)",
    ),
    (
        "Gold label",
        "The label that people gave the text; the model's own prediction may be another.",
        "this project",
    ),
    (
        "95% interval",
        "Over examples: where the number would lie for other examples of the same kind. Bootstrap "
        "or normal for means and F1, Wilson (1927) for shares, DeLong (1988) for ROC AUC.",
        "Efron & Tibshirani (1993)",
    ),
)
"""Name, definition, source."""

TERMS = {
    "tau": "Kendall's tau",
    "yardstick": "Yardstick",
    "leave-one-out": "Leave-one-out importance",
    "permutations": "Permutation",
    "divergence": "Jensen-Shannon divergence (JSD)",
    "epsilon": "Epsilon-max JSD",
    "equal attention": "Uniform attention",
    "margin": "Margin",
    "neutral unit": "Neutral unit",
    "neutral units": "Neutral unit",
    "neutral word": "Neutral unit",
    "words with hardly any attention": "Words with hardly any attention",
    "integrated gradients": "Integrated gradients",
    "gradient x input": "Gradient x input",
    "AOPC": "AOPC",
    "SaCo": "SaCo",
    "gold label": "Gold label",
    "95% interval": "95% interval",
}
"""What sentences call some of them."""

SOURCES = (
    "Jain & Wallace (2019), Attention is not Explanation, NAACL.",
    "Wiegreffe & Pinter (2019), Attention is not not Explanation, EMNLP.",
    "Kendall (1945), The treatment of ties in ranking problems, Biometrika 33.",
    "Lin (1991), Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37.",
    "Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22.",
    "Efron & Tibshirani (1993), An Introduction to the Bootstrap.",
    "Shrikumar et al. (2016), Not Just a Black Box.",
    "Sundararajan, Taly & Yan (2017), Axiomatic Attribution for Deep Networks, ICML.",
    "DeYoung et al. (2020), ERASER: A Benchmark to Evaluate Rationalized NLP Models, ACL.",
    "Wu et al. (2024), On the Faithfulness of Vision Transformer Explanations, CVPR.",
    "DeLong, DeLong & Clarke-Pearson (1988), Comparing the areas under two or more correlated "
    "receiver operating characteristic curves, Biometrics 44.",
)


def section() -> Section:
    """All of it, for looking things up."""
    entries = tuple(
        (Phrase(name, Tone.STRONG), f"{text} ({source})") for name, text, source in DEFINITIONS
    )
    blocks = (Definitions(entries, TERMS), Details("Sources", (Bullets.of(SOURCES),)))
    return Section("definitions", "Definitions", blocks, is_reference=True)


NOTES = (
    "The bare name of a number of examples is its mean over them. Where a metric is marked with "
    f"~, its name may also end in {', '.join(f'.{suffix}' for suffix in BESIDE_MEAN)}.",
    "Of numbers marked with * bounds are judged on the 95% interval over examples, of others on "
    "the number itself.",
)


@dataclass(frozen=True)
class Listing:
    """Everything of a kind that has a name, defined: for people, and for programs."""

    document: Document
    content: Mapping[str, object]

    def to_json(self) -> str:
        """As programs read it."""
        return json.dumps(self.content, indent=2, ensure_ascii=False) + "\n"


def dictionary(statistics: Sequence[Statistic], fields: Sequence[Field[object]]) -> Listing:
    """Every metric with its range and definition, check by check, then the records' fields.

    What stands beside the mean of every distribution is said once.
    """
    sections = tuple(
        Section(check, check.capitalize(), (Definitions(tuple(map(_entry, of_check))),))
        for check, of_check in groupby(
            (statistic for statistic in statistics if not statistic.suffix),
            key=lambda statistic: statistic.check,
        )
    )
    notes = Section("notes", "How to read them", (Bullets.of(NOTES),))
    of_records = Definitions(tuple(map(_field, fields)))
    records = Section("records", "Fields of the records", (of_records,))
    subject = "by the names that policies, reports and records have them by"
    return Listing(
        Document("Metrics", "What a policy may bound", subject, (*sections, notes, records)),
        {
            "metrics": [statistic.as_dict() for statistic in statistics],
            "fields": [field.as_dict() for field in fields],
        },
    )


def _entry(statistic: Statistic) -> tuple[Phrase, str]:
    marks = "~" * isinstance(statistic.metric, MeanMetric) + "*" * statistic.has_interval
    said = f"{statistic.metric.definition}. ({_written(statistic.metric.range)})"
    return Phrase(f"{statistic.name} {marks}".rstrip(), Tone.CODE), said


def _written(range: Range) -> str:
    ends = f"{range.low:.3g} to {range.high:.3g}" if isfinite(range.high) else f"from {range.low:g}"
    return f"{range.unit}, {ends}"


def _field(field: Field[object]) -> tuple[Phrase, str]:
    range = field.range
    kind = _written(range) if field.kind is Kind.NUMBER and range.unit else field.kind.value
    values = "" if field.shape is Shape.ONE else f", {field.shape.value}"
    of_examples, of_sites = field.place.value
    where = ("; of each site too" if of_examples else "; of sites alone") if of_sites else ""
    null = f" Null: {field.null}." if field.null else ""
    return Phrase(field.name, Tone.CODE), f"{field.definition}. ({kind}{values}{where}){null}"


def measures(known: Sequence[Measure]) -> Listing:
    """Each with its definition."""
    entries = tuple((Phrase(m.name, Tone.CODE), _said(m)) for m in known)
    document = Document(
        kind="Measures",
        title="What attention is compared with",
        subject="by the names that --measures takes",
        sections=(Section("measures", "Measures", (Definitions(entries),)),),
    )
    return Listing(document, {"measures": [measure.as_dict() for measure in known]})


def _said(measure: Measure) -> str:
    cost, more = measure.passes(1), measure.passes(20)
    passes = f"{more} pass{'' if more == 1 else 'es'}{'' if cost == more else ' for 20 units'}"
    passes += " once it is fitted" * measure.is_fitted
    parts = [passes, "signed" if measure.is_signed else "without a sign"]
    parts += [f"needs {measure.needs}"] if measure.needs else []
    parts += ["for correlation alone"] if measure.is_of_correlation else []
    parts += [measure.source] if measure.source else []
    return f"{measure.field.definition}. ({'; '.join(parts)})"
