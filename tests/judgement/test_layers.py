"""What the answer makes of a site that hardly matters: whether it does at any other."""

from collections.abc import Mapping

import pytest

from attn_audit.engine.summaries import share_of
from attn_audit.findings.permutation import REACH
from attn_audit.findings.thresholds import HALF_OF_BEST, LEAST_REACH
from attn_audit.formats import junit, sarif
from attn_audit.formats.documents import report as documents
from attn_audit.judgement.answer import answer_of
from attn_audit.judgement.gate import judge
from attn_audit.judgement.policy import load_policy
from attn_audit.results.model_description import Leverage, SiteLeverage
from attn_audit.results.report import Report
from attn_audit.results.verdict import Answer, MayShow
from tests.judged import with_number

N_TEXTS = 64


def site(layer: int | None, count: int, margin: float) -> SiteLeverage:
    return SiteLeverage(layer=layer, matters=share_of(count, N_TEXTS), margin=margin)


def leverage(layers: Mapping[int, tuple[int, float]], together: tuple[int, float]) -> Leverage:
    """By layer in how many of 64 texts cutting off matters, and how much of the margin it moves."""
    of_layers = tuple(site(layer, *effects) for layer, effects in layers.items())
    return Leverage(n_texts=N_TEXTS, layers=of_layers, together=site(None, *together))


NOWHERE = {0: (0, 0.0), 1: (0, 0.01), 2: (0, 0.0)}
AT_LAYER_1 = {0: (7, 0.1), 1: (40, 0.8), 2: (0, 0.01)}


def with_layers(report: Report, layers: Leverage | None, n_layers: int = 3) -> Report:
    """The report of a model of some layers, the last of which is audited."""
    model = report.model.model_copy(update={"layers": report.model.layers[:1] * n_layers})
    settings = report.settings.model_copy(update={"layer": n_layers - 1})
    changed = {"model": model, "settings": settings, "layers": layers}
    found = report.model_copy(update=changed)
    return found.model_copy(update={"answer": answer_of(found)})


def out_of_reach(report: Report) -> Report:
    return with_number(report, REACH.name, 0.02, (0.01, 0.04), n=500)


def answer(report: Report) -> Answer:
    assert report.answer is not None
    return report.answer


def test_where_other_layers_matter_it_cannot_be_told_at_this_one(report: Report) -> None:
    found = answer(with_layers(out_of_reach(report), leverage(AT_LAYER_1, (64, 1.2))))
    assert found.verdict is MayShow.UNKNOWN
    assert found.because == (REACH.name,)
    assert found.layers == (1, 0)
    assert found.said.startswith("Cannot be told at this layer. ")
    assert (
        "at layer 1 turns the decision, or makes the model surer or less sure by half, in 62%"
        in found.said
    )
    assert "in all layers together" in found.said
    assert found.said.endswith("Audit that one: --layer 1.")


def test_a_layer_that_other_texts_chose_is_not_chosen_anew_on_those_judged(
    report: Report,
) -> None:
    data = report.data.model_copy(update={"n_choosing": 40})
    chosen = out_of_reach(report.model_copy(update={"data": data}))
    found = answer(with_layers(chosen, leverage(AT_LAYER_1, (64, 1.2))))
    assert found.said.endswith(
        " 40 other texts chose layer 2: more texts would tell which matters more."
    )
    assert "--layer" not in found.said


def test_at_most_three_places_where_attention_matters_are_said(report: Report) -> None:
    everywhere = dict.fromkeys(range(4), (40, 0.8))
    found = answer(with_layers(out_of_reach(report), leverage(everywhere, (64, 1.2)), n_layers=5))
    assert found.layers == (0, 1, 2, 3)
    assert found.sentence.lower().count("cutting attention off") == 3


def test_where_only_all_layers_together_matter_none_is_named(report: Report) -> None:
    found = answer(with_layers(out_of_reach(report), leverage(NOWHERE, (64, 1.2))))
    assert (found.verdict, found.layers) == (MayShow.UNKNOWN, ())
    assert found.said.startswith("Cannot be told at this layer. ")
    assert "in all layers together turns the decision" in found.said
    assert "--layer" not in found.said


def test_where_no_layer_matters_the_output_hardly_depends_on_attention(report: Report) -> None:
    found = answer(with_layers(out_of_reach(report), leverage(NOWHERE, (0, 0.02))))
    assert found.verdict is MayShow.NO
    assert found.said.startswith("No. This output hardly depends on attention")
    assert found.layers == ()


def test_the_only_layer_is_all_there_is(report: Report) -> None:
    found = answer(with_layers(out_of_reach(report), None, n_layers=1))
    assert found.verdict is MayShow.NO
    assert found.said.startswith("No. This output hardly depends on attention")


def test_layers_that_are_not_known_leave_it_open(report: Report) -> None:
    found = answer(with_layers(out_of_reach(report), None))
    assert found.verdict is MayShow.UNKNOWN
    assert found.said.startswith("Cannot be told at this layer. ")
    assert found.said.endswith("Whether other layers matter is not known.")


@pytest.mark.parametrize(("count", "is_named"), [(1, False), (2, True), (3, True)])
def test_a_layer_hardly_matters_where_its_whole_interval_lies_below_a_tenth(
    report: Report, count: int, is_named: bool
) -> None:
    layers = leverage({**NOWHERE, 1: (count, 0.1)}, (0, 0.0))
    found = answer(with_layers(out_of_reach(report), layers))
    assert (found.verdict is MayShow.UNKNOWN, found.layers == (1,)) == (is_named, is_named)


def test_a_layer_that_decided_none_of_a_few_texts_is_not_named(report: Report) -> None:
    none, one = share_of(0, 6), share_of(1, 6)
    together = SiteLeverage(layer=None, matters=one, margin=0.5)
    of_layers = tuple(SiteLeverage(layer=i, matters=none, margin=0.1 * i) for i in range(3))
    layers = Leverage(n_texts=6, layers=of_layers, together=together)
    found = answer(with_layers(out_of_reach(report), layers))
    assert found.verdict is MayShow.UNKNOWN
    assert "in all layers together turns the decision" in found.said
    assert "at layer" not in found.said.removeprefix("Cannot be told at this layer.")
    assert "--layer" not in found.said
    nowhere = together.model_copy(update={"matters": none})
    layers = layers.model_copy(update={"together": nowhere})
    assert "cutting" not in answer(with_layers(out_of_reach(report), layers)).said.lower()


def test_the_limit_is_the_rules() -> None:
    (rule,) = (bound for bound in load_policy().bounds if bound.metric == REACH.name)
    assert rule.min == LEAST_REACH


def test_a_layer_of_less_than_half_the_leverage_names_the_best(report: Report) -> None:
    whole = with_number(report, REACH.name, 0.98, (0.95, 0.99), n=500)
    for margin, is_named in ((0.39, True), (0.41, False)):
        layers = leverage({0: (0, 0.0), 1: (40, 0.8), 2: (9, margin)}, (64, 1.2))
        found = answer(with_layers(whole, layers))
        assert ("attention off at layer 1" in found.sentence.lower()) == is_named
        assert ("14% at the audited layer 2" in found.sentence) == is_named
        assert found.layers == ()
    assert HALF_OF_BEST == 0.5


def test_a_layer_that_reach_chose_stands_beside_one_of_more_leverage(report: Report) -> None:
    whole = with_number(report, REACH.name, 0.98, (0.95, 0.99), n=500)
    data = whole.data.model_copy(update={"n_choosing": 40})
    layers = leverage({0: (0, 0.0), 1: (40, 0.8), 2: (9, 0.1)}, (64, 1.2))
    found = answer(with_layers(whole.model_copy(update={"data": data}), layers))
    assert "cutting attention off" not in found.sentence.lower()


Measured = Mapping[int, tuple[int | None, float]]


@pytest.mark.parametrize(
    ("layers", "chosen"),
    [
        ({0: (2, 0.1), 1: (9, 0.2), 2: (3, 0.9)}, 1),
        ({0: (9, 0.1), 1: (9, 0.2), 2: (3, 0.9)}, 1),
        ({0: (9, 0.2), 1: (9, 0.2), 2: (3, 0.9)}, 1),
        ({0: (None, 0.2), 1: (None, 0.9), 2: (None, 0.9)}, 2),
    ],
)
def test_most_reach_chooses_a_layer_then_leverage_then_the_later_one(
    layers: Measured, chosen: int
) -> None:
    found = leverage({layer: (0, margin) for layer, (_, margin) in layers.items()}, (0, 0.0))
    reaching = tuple(
        site.model_copy(update={"reach": None if count is None else share_of(count, 13)})
        for site, (count, _) in zip(found.layers, layers.values(), strict=True)
    )
    found = found.model_copy(update={"layers": reaching})
    assert found.chosen.layer == chosen
    assert found.best.layer == 2


def test_every_format_and_the_exit_go_by_the_answer(report: Report) -> None:
    found = with_layers(out_of_reach(report), leverage(AT_LAYER_1, (64, 1.2)))
    judged = judge(found, load_policy())
    assert judged.outcome.value == "inconclusive"
    for text in (junit.render(found, judged), sarif.render(found, judged)):
        assert "Cannot be told at this layer." in text
    document = documents.document(found, judged)
    assert document.answer is not None
    assert "Cannot be told at this layer." in document.answer.text
    assert "changes nothing here" not in document.answer.text
    nothing = with_layers(out_of_reach(report), leverage(NOWHERE, (0, 0.0)))
    assert judge(nothing, load_policy()).outcome.value == "fail"
