"""What a page does in Chromium."""

from base64 import b64decode
from importlib.resources import files
from typing import Any

import pytest

from attn_audit.findings.rule import Outcome
from attn_audit.judgement.gate import judge
from attn_audit.judgement.policy import load_policy
from attn_audit.results.report import Report
from tests.formats.html.conftest import Opened

EVERY_REPORT = (
    "report", "unlabelled", "multilabel", "transformer", "by_layer", "nothing_measured",
    "only_correlation",
)  # fmt: skip


@pytest.mark.parametrize("name", EVERY_REPORT)
def test_runs_without_an_error_asks_for_nothing_and_is_never_wider_than_a_phone(
    request: pytest.FixtureRequest, opened: Opened, name: str
) -> None:
    page = opened(request.getfixturevalue(name), width=390)
    page.run("for (const details of document.querySelectorAll('details')) details.open = true")
    assert page.run("return document.documentElement.scrollWidth") <= 390
    assert page.console() == []
    assert page.requests() == {page.url}


def test_draws_every_figure(report: Report, opened: Opened) -> None:
    page = opened(report)
    holders = "document.querySelectorAll('[data-figure]')"
    names = page.run(f"return [...{holders}].map((holder) => holder.dataset.figure)")
    assert names == [
        "tau_pairs",
        "tau_by_class",
        "output_moves",
        "output_change",
        "jsd",
        "jsd_by_weight",
    ]
    drawn = f"return [...{holders}].every((holder) => holder.querySelector('svg path'))"
    assert page.run(drawn)


def test_says_a_marks_numbers_under_the_pointer(report: Report, opened: Opened) -> None:
    page = opened(report)
    page.run(
        "const bar = document.querySelector('[data-figure=jsd] .mark-rect path');"
        "const at = bar.getBoundingClientRect();"
        "bar.dispatchEvent(new PointerEvent('pointermove', {bubbles: true, "
        "clientX: at.x + at.width / 2, clientY: at.y + at.height / 2}));"
    )
    page.wait("return document.querySelector('#vg-tooltip-element.visible') !== null")
    (said,) = page.texts("#vg-tooltip-element")
    assert "divergence" in said
    assert "examples" in said


def shown_by(report: Report) -> dict[str, dict[str, Any]]:
    """The records that the page shows, by id."""
    return {str(record["id"]): record for record in report.shown_records}


def test_searches_words_and_ids(report: Report, opened: Opened) -> None:
    page = opened(report)
    one = str(report.sampled_examples[0]["id"])
    page.set("search", one.upper())
    assert page.ids() == [one]
    first, second = sorted(report.sampled_examples[0]["units"], key=len)[-2:]
    page.set("search", f"{first.upper()} {second}")
    both = {
        id_
        for id_, record in shown_by(report).items()
        if all(word.lower() in " ".join(record["units"]).lower() for word in (first, second))
    }
    assert set(page.ids()) == both
    assert one in both
    page.set("search", "nowhere-at-all")
    assert page.texts("#found") == ["No example matches."]


def test_filters_by_prediction_label_verdict_and_kind(report: Report, opened: Opened) -> None:
    page = opened(report)
    telling = {str(example.record["id"]) for example in report.telling_examples}
    page.set("kind", "telling")
    assert page.texts("#found") == [f"{len(telling)} examples, 10 shown."]
    assert set(page.ids()) <= telling
    page.set("kind", "sampled")
    page.set("predicted", "troubled")
    page.set("gold", "glad")
    page.set("verdict", "wrong")
    wrong = {
        str(record["id"])
        for record in report.sampled_examples
        if (record["prediction"], record["label"]) == ("troubled", "glad")
    }
    assert set(page.ids()) == wrong
    assert wrong
    page.set("verdict", "right")
    assert page.ids() == []


def test_sorts_by_any_measure(report: Report, opened: Opened) -> None:
    page = opened(report)
    every = shown_by(report)
    for order, direction in (("-1", -1), ("1", 1)):
        page.set("sort", "adversarial.max_jsd")
        page.set("order", order)
        values = [every[id_]["adversarial.max_jsd"] for id_ in page.ids()]
        rounded = [float(f"{value:.3g}") for value in values]
        assert rounded == sorted(rounded, key=lambda value: direction * value)
    while not page.run("return document.getElementById('more').hidden"):
        page.run("document.getElementById('more').click()")
    assert len(page.ids()) == len(every)


def test_shows_each_example_shaded_five_times_with_words_under_each(
    report: Report, opened: Opened
) -> None:
    page = opened(report)
    record = report.telling_examples[0].record
    page.set("search", record["id"])
    assert page.texts(".example .row .name") == [
        "the model's attention",
        "gradient importance",
        "leave-one-out importance",
        "for and against",
        "adversarial attention",
        "equal attention",
    ]
    under = page.texts(".example .row .under")
    assert all(f"redicts {record['prediction']}" in text for text in under[:3])
    first = max(range(len(record["units"])), key=record["attention"].__getitem__)
    word = f"const word = document.querySelectorAll('.example .word')[{first}];"
    level = page.run(word + "return word.computedStyleMap().get('--level').toString()")
    assert float(level) == 1


def test_reads_weights_to_the_keyboard(report: Report, opened: Opened) -> None:
    page = opened(report)
    page.run(
        "const rows = document.querySelector('.example .rows'); rows.focus();"
        "for (const key of ['ArrowRight', 'ArrowRight', 'ArrowLeft', 'ArrowRight'])"
        "  rows.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));"
    )
    record = report.telling_examples[0].record
    weight = f"{record['attention'][1]:.3g}"
    (said,) = page.texts("#weights")
    assert said.startswith(f"“{record['units'][1]}”: the model's attention ")
    assert float(said.split(" attention ")[1].split(",")[0]) == float(weight)
    assert page.run("return document.querySelectorAll('.word.chosen').length") == 5


def test_everything_that_does_something_can_be_focused(report: Report, opened: Opened) -> None:
    page = opened(report)
    page.run("for (const details of document.querySelectorAll('details')) details.open = true")
    scrolling = page.run(
        "return [...document.querySelectorAll('.scroll, .rows')].every((e) => e.tabIndex === 0)"
    )
    named = page.run(
        "return [...document.querySelectorAll('input, select')].every((e) => e.labels.length === 1)"
    )
    assert scrolling
    assert named


def test_a_term_leads_to_its_definition(report: Report, opened: Opened) -> None:
    page = opened(report)
    links = "[...document.querySelectorAll('a.term')].map((e) => e.getAttribute('href').slice(1))"
    targets = page.run(f"return {links}")
    assert {"term-kendall-s-tau", "term-yardstick"} <= set(targets)
    assert page.run(f"return {links}.every((id) => document.getElementById(id) !== null)")


def test_those_without_a_number_stand_last(transformer: Report, opened: Opened) -> None:
    record = transformer.sampled_examples[0]
    without = {**record, "id": "none", "correlation.attention_gradient": None}
    more = transformer.model_copy(
        update={"sampled_examples": (without, *transformer.sampled_examples)}
    )
    page = opened(more)
    page.set("sort", "correlation.attention_gradient")
    for order in ("-1", "1"):
        page.set("order", order)
        while not page.run("return document.getElementById('more').hidden"):
            page.run("document.getElementById('more').click()")
        assert page.ids()[-1] == "none"


CONTRAST = """
const channel = (c) => c <= 10 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/g)
  .map((part) => parseInt(part, 16));
return (arguments[0]).map(([ink, ground]) => {
  const [one, two] = [light(colour(ink)), light(colour(ground))].sort((a, b) => b - a);
  return (one + 0.05) / (two + 0.05);
});
"""


def test_text_stands_out_from_its_ground(report: Report, opened: Opened) -> None:
    """As WCAG 2.2 asks for: 4.5 to 1."""
    page = opened(report)
    inks = ("--ink", "--faint", "--link", "--pass", "--fail", "--inconclusive")
    pairs = [(ink, ground) for ink in inks for ground in ("--ground", "--panel")]
    on_shades = [("--ink", shade) for shade in ("--low", "--high")]
    for scheme in ("light", "dark"):
        page.emulate(1280, scheme)
        assert min(page.run(CONTRAST, [*pairs, *on_shades])) >= 4.5


def test_prints_a_summary_on_two_pages_in_light_colours(report: Report, opened: Opened) -> None:
    page = opened(report)
    printed = page.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    pages = b64decode(printed["data"]).count(b"/Type /Page\n")
    assert 1 <= pages <= 2
    page.emulate(800, "dark", "print")
    shown = page.run(
        "return [...document.querySelectorAll('main > section')]"
        ".filter((e) => e.offsetHeight).map((e) => e.id)"
    )
    assert shown == ["glance", "answer"]
    ground = page.run("return getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    controls = page.run("return getComputedStyle(document.getElementById('controls')).display")
    assert controls == "none"


def test_a_long_text_is_cut_with_a_fade_until_all_of_it_is_asked_for(
    report: Report, opened: Opened
) -> None:
    first = report.telling_examples[0].record
    units = tuple(f"word{i}" for i in range(len(first["units"]) * 60))
    longer = {
        field: value * 60 if isinstance(value, list | tuple) and len(value) == len(first["units"])
        else value
        for field, value in first.items()
    }  # fmt: skip
    record = longer | {"units": units, "id": "long", "truncated": True}
    page = opened(report.model_copy(update={"sampled_examples": (record,)}))
    page.set("search", "long")
    words = "document.querySelector('.example .words')"
    assert page.run(f"return {words}.scrollHeight > {words}.clientHeight")
    assert "truncated" in page.texts(".example .chips li")
    page.run("document.querySelector('.example .all').click()")
    assert page.run(f"return {words}.scrollHeight <= {words}.clientHeight + 1")
    assert page.texts(".example .all") == []


def test_an_id_leads_to_its_example(report: Report, opened: Opened) -> None:
    judged = judge(report, load_policy())
    id_ = str(report.telling_examples[0].record["id"])
    first, *others = judged.judgements
    first = first.model_copy(update={"outcome": Outcome.FAIL, "look_at": f"The example {id_}."})
    page = opened(report, judged.model_copy(update={"judgements": (first, *others)}))
    page.run("document.querySelector('[data-example]').click()")
    assert page.ids() == [id_]


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        ("report", 1280, "dark"),
        ("multilabel", 390, "light"),
        ("by_layer", 1280, "light"),
    ],
)
def test_axe_finds_nothing_serious(
    request: pytest.FixtureRequest, opened: Opened, name: str, width: int, scheme: str
) -> None:
    """WCAG 2 A and AA, contrast among it, with everything unfolded."""
    report: Report = request.getfixturevalue(name)
    page = opened(report, width=width, scheme=scheme)
    page.set("search", str(report.sampled_examples[0]["id"]))
    page.run("for (const details of document.querySelectorAll('details')) details.open = true")
    page.run(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "const rules = ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice'];"
        "axe.run({runOnly: rules, resultTypes: ['violations']})"
        ".then((found) => done(found.violations));"
    )
    serious = [
        (violation["id"], node["target"], node["failureSummary"])
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"][:3]
    ]
    assert serious == []
