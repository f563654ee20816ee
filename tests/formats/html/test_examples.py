"""What the example browser is given."""

from attn_audit.formats.html.examples import MEASURES, browser

from attn_audit.results.report import Report


def test_an_example_that_is_telling_and_drawn_is_there_once(full: Report) -> None:
    told = full.telling_examples[0].record
    both = full.model_copy(update={"sampled_examples": (told, *full.sampled_examples)})
    shown = browser(both)
    assert shown is not None
    (entry,) = [e for e in shown.data["examples"] if e["id"] == told["id"]]
    assert entry["sampled"]
    assert entry["reasons"] == ["adversarial"]
    assert "the 5 most telling, and 41 drawn at random" in shown.introduction


def test_the_telling_ones_stand_first_one_of_each_reason(full: Report) -> None:
    shown = browser(full)
    assert shown is not None
    reasons = [example["reasons"] for example in shown.data["examples"]]
    assert reasons[:4] == [["adversarial"], ["insensitive"], ["disagreeing"], ["agreeing"]]
    assert all(reasons == [] for reasons in reasons[5:])


def test_only_what_was_measured_can_be_sorted_by(full: Report) -> None:
    shown = browser(full)
    assert shown is not None
    assert "tau_attention_gradient" in shown.measures
    assert "uniform_distance" not in shown.measures
    assert set(shown.measures) <= set(MEASURES)


def test_filters_offer_what_occurs(full: Report) -> None:
    shown = browser(full)
    assert shown is not None
    assert shown.predictions == ("negative", "positive")
    assert shown.labels == ("positive",)
    assert {"right", "wrong", "moved"} <= set(shown.verdicts)


def test_several_labels_are_filtered_by_one_at_a_time(full: Report) -> None:
    record = {
        **full.telling_examples[0].record,
        "label": ["joy", "fear"],
        "prediction": ["fear"],
        "probability": [0.2, 0.9],
    }
    several = full.model_copy(update={"telling_examples": (), "sampled_examples": (record,)})
    shown = browser(several)
    assert shown is not None
    assert shown.labels == ("fear", "joy")
    assert shown.data["examples"][0]["said"] == "fear"


def test_without_examples_there_is_no_browser(nothing_measured: Report) -> None:
    assert browser(nothing_measured) is None
