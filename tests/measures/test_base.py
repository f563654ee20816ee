import time

import pytest

from attn_audit.checks.base import read_batch
from attn_audit.findings.measure import INTEGRATED_GRADIENTS
from attn_audit.measures import integrated_gradients as module
from attn_audit.measures.base import Costs, counting
from attn_audit.models.contract import AuditedModel, Batch, WholeAttention
from attn_audit.models.interception.model import InterceptedModel
from tests.measures.brute import Loaded
from tests.tiny import tiny_examples, tiny_model

MODEL = tiny_model()
EXAMPLES = tiny_examples(4, lengths=(6, 9))


def costs_of(model: AuditedModel, *measures: str) -> Costs:
    batch = model.collate(model.encode(EXAMPLES))
    importances = read_batch(model, batch, model.default_site, seed=0).importances
    costs: Costs = {}
    with counting(costs):
        for name in measures:
            importances.scores(name)
    return costs


def test_passes_are_those_of_each_text_and_time_is_taken() -> None:
    costs = costs_of(MODEL, "gradient_x_input", "leave_one_out")
    assert (costs["gradient_x_input"].n_texts, costs["gradient_x_input"].passes) == (4, 8)
    n_units = sum(len(example.text.split()) for example in EXAMPLES)
    assert costs["leave_one_out"].passes == n_units + 4
    assert all(spent.seconds > 0 for spent in costs.values())


def test_what_is_known_already_is_not_counted_again() -> None:
    measures = ("gradient_x_input", "gradient", "leave_one_out")
    assert costs_of(MODEL, *measures, *measures).keys() == set(measures)
    assert costs_of(MODEL, *measures, *measures)["gradient"].n_texts == len(EXAMPLES)


def test_measures_of_one_pass_each_cost_it(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = loaded("bert")
    passes, read_whole = list[int](), InterceptedModel.read_whole

    def slow(self: InterceptedModel, batch: Batch, **named: bool) -> WholeAttention:
        passes.append(len(batch))
        time.sleep(0.05)
        return read_whole(self, batch, **named)

    monkeypatch.setattr(InterceptedModel, "read_whole", slow)
    costs = costs_of(model, "attention_all_layers", "rollout")
    assert passes == [len(EXAMPLES)]
    assert all(spent.seconds >= 0.05 for spent in costs.values())
    assert [spent.passes for spent in costs.values()] == [4, 4]


def test_integrated_gradients_that_do_not_add_up_cost_all_that_was_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_a_rule = INTEGRATED_GRADIENTS.passes(9)
    monkeypatch.setattr(module, "MAX_GAP", -1.0)
    monkeypatch.setattr(module, "LOGIT_NOISE", -1.0)
    monkeypatch.setattr(module, "STEPS", (1, 2, 4))
    costs = costs_of(MODEL, "integrated_gradients")
    more = (2 * 2 + 2) + (2 * 4 + 2)
    assert costs["integrated_gradients"].passes == len(EXAMPLES) * (as_a_rule + more)


def test_nothing_is_counted_where_nobody_asks() -> None:
    batch = MODEL.collate(MODEL.encode(EXAMPLES))
    importances = read_batch(MODEL, batch, MODEL.default_site, seed=0).importances
    assert importances.scores("gradient_x_input").isfinite().all()
