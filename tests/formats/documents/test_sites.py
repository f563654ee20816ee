"""Layers and heads beside each other: sentences, grid or bars, table."""

import re
from collections.abc import Callable

from attn_audit.document import Places
from attn_audit.formats.documents import sites
from attn_audit.formats.documents.report import document
from attn_audit.results.report import Report
from attn_audit.statistics.summary import Interval, SiteMean, SiteSummary

Shown = Callable[..., str]


def with_sites(report: Report, *found: SiteSummary) -> Report:
    return report.model_copy(update={"sites": found})


def site(layer: int, head: int | None, **means: float | None) -> SiteSummary:
    return SiteSummary(
        layer=layer,
        head=head,
        means={name: SiteMean(n=9, mean=mean, interval=None) for name, mean in means.items()},
    )


def with_intervals(found: SiteSummary, width: float) -> SiteSummary:
    def ends(mean: SiteMean) -> SiteMean:
        assert mean.mean is not None
        interval = Interval(low=mean.mean - width, high=mean.mean + width, method="normal")
        return mean.model_copy(update={"interval": interval})

    return found.model_copy(update={"means": {k: ends(v) for k, v in found.means.items()}})


def section(report: Report, shown: Shown, width: int = 80) -> str:
    text = shown(document(report), width)
    return text[text.index(f"\n{sites.title(report.sites)} ─") : text.index("\nExamples ─")]


def test_the_strongest_and_the_weakest_head_are_named_where_they_are_apart(
    transformer: Report,
) -> None:
    found = (
        with_intervals(site(0, i, **{"correlation.attention_gradient": t}), 0.01)
        for i, t in enumerate((0, 0.4))
    )
    text = " ".join(sites.answer(with_sites(transformer, *found)))
    assert "Of 2 heads, head 1 of layer 0 agrees most with gradients (0.40 [0.39, 0.41])" in text
    assert "head 0 of layer 0 least (0.00 [-0.01, 0.01]); the yardstick is " in text
    assert "partly by chance" in text


def test_none_stands_out_where_even_the_ends_overlap(transformer: Report) -> None:
    text = " ".join(sites.answer(transformer))
    assert "Of 12 heads, " in text
    assert text.count("the yardstick is") == 2
    assert ", audited mass 0." in text  # beside what attention on it could move


def test_layers_are_called_layers(by_layer: Report) -> None:
    text = " ".join(sites.answer(by_layer))
    assert text.startswith("Of 3 layers, ")
    assert "head" not in text


def test_the_glance_has_a_line_for_each_tau(transformer: Report) -> None:
    lines = sites.in_short(transformer)
    assert [re.sub("-?[0-9.]+", "0", line) for line in lines] == [
        "tau with gradients 0 to 0 (head 0 of layer 0)",
        "tau with leave-one-out 0 to 0 (head 0 of layer 0)",
    ]


def test_the_glance_of_one_intervention_shows_its_number(transformer: Report) -> None:
    report = with_sites(
        transformer,
        site(0, 0, **{"adversarial.max_jsd": 0.5}),
        site(0, 1, **{"adversarial.max_jsd": 0.25}),
    )
    assert sites.in_short(report) == ("divergence 0.25 to 0.50 (head 0 of layer 0)",)


def test_the_glance_names_what_two_sites_have_where_one_alone_has_a_tau(
    transformer: Report,
) -> None:
    numbers = {"adversarial.max_jsd": 0.25, "correlation.attention_gradient": 0.2}
    report = with_sites(
        transformer, site(0, 0, **{"adversarial.max_jsd": 0.5}), site(0, 1, **numbers)
    )
    assert sites.in_short(report) == ("divergence 0.25 to 0.50 (head 0 of layer 0)",)


def test_one_site_alone_is_neither_most_nor_least(transformer: Report, shown: Shown) -> None:
    report = with_sites(transformer, site(0, 0, **{"correlation.attention_gradient": 0.2}))
    assert sites.answer(report) == ()
    assert "+.20" in section(report, shown)


def test_sites_where_nothing_could_be_measured_say_so(transformer: Report, shown: Shown) -> None:
    report = with_sites(
        transformer, *(site(0, i, **{"correlation.attention_gradient": None}) for i in range(2))
    )
    assert sites.NOTHING_MEASURED in section(report, shown).replace("\n    ", " ")


def test_every_head_has_a_cell_in_each_grid_and_a_row_in_the_table(
    transformer: Report, shown: Shown
) -> None:
    text = section(transformer, shown)
    assert "Mean tau with gradients" in text
    assert "Mean tau with leave-one-out" in text
    cells = re.findall(r"^ +\d(?: +[+-]?[.\d]+[▁-█ ]?){4}$", text, re.MULTILINE)
    assert len(cells) == 2 * 3
    rows = re.findall(r"^ +\d +\d  .*0\.\d\d$", text, re.MULTILINE)
    assert len(rows) == 12


def test_averaged_heads_are_bars_on_both_sides_of_zero(by_layer: Report, shown: Shown) -> None:
    values = [
        site(0, None, **{"correlation.attention_gradient": 0.3}),
        site(1, None, **{"correlation.attention_gradient": -0.3}),
    ]
    text = section(with_sites(by_layer, *values), shown)
    assert re.search(r"^ +0 +│━+ +0\.30$", text, re.MULTILINE)
    assert re.search(r"^ +1 +━+│ +-0\.30$", text, re.MULTILINE)


def test_interventions_have_the_audited_mass_beside_them(by_layer: Report, shown: Shown) -> None:
    values = [
        site(i, None, **{"adversarial.max_jsd": 0.1 * i, "audited_mass": 0.5}) for i in range(3)
    ]
    text = section(with_sites(by_layer, *values), shown)
    assert re.search(r"^ +2 +0\.20 +0\.50$", text, re.MULTILINE)


def test_of_very_many_sites_the_ends_are_shown(transformer: Report, shown: Shown) -> None:
    many = [
        site(i // 32, i % 32, **{"correlation.attention_gradient": (i * 37 % 1024) / 1024 - 0.5})
        for i in range(1024)
    ]
    text = section(with_sites(transformer, *many), shown)
    assert "The 12 lowest and the 12 highest of 1,024 by tau with gradients" in text
    assert text.count("\n") < 200


def test_taus_near_zero_stay_pale(transformer: Report) -> None:
    def limit(*taus: float) -> float:
        found = with_sites(
            transformer,
            *(site(0, i, **{"correlation.attention_gradient": t}) for i, t in enumerate(taus)),
        )
        (figure,) = (b for b in sites.section(found).blocks if isinstance(b, Places))
        return figure.limit

    assert limit(0.01, -0.02) == 0.5
    assert limit(-0.61, 0.3) == 0.7


def test_without_the_correlation_check_there_is_no_yardstick(transformer: Report) -> None:
    report = transformer.model_copy(update={"metrics": {}})
    assert "yardstick" not in " ".join(sites.answer(report))
