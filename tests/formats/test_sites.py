"""Layers and heads beside each other: sentences, table, grid or bars."""

from collections.abc import Callable

import pytest
from attn_audit.formats.sentences import sites
from attn_audit.formats.sentences.overview import in_short
from attn_audit.formats.terminal.site_table import MAX_SITES

from attn_audit.formats import terminal
from attn_audit.results.report import Report
from attn_audit.results.summary import SiteMean, SiteSummary, Summaries

Shown = Callable[..., str]


def with_sites(report: Report, *found: SiteSummary) -> Report:
    return report.model_copy(update={"sites": found})


def site(layer: int, head: int | None, **means: float | None) -> SiteSummary:
    return SiteSummary(
        layer=layer,
        head=head,
        means={name: SiteMean(n=9, mean=mean, interval=None) for name, mean in means.items()},
    )


def section(report: Report, shown: Shown, width: int = 80) -> str:
    text = shown(terminal.render, report, width)
    return text[text.index(f"\n{sites.title(report.sites)} ─") : text.index("Degenerate examples")]


def test_the_strongest_and_the_weakest_head_are_named(transformer: Report) -> None:
    text = " ".join(sites.answer(transformer))
    assert "Of 72 heads, head 8 of layer 5 agrees most with gradients (0.35 [0.34, 0.36])" in text
    assert "head 4 of layer 5 least (-0.15 [-0.16, -0.14]); the yardstick is 0.30." in text
    assert "partly by chance" in text


def test_interventions_stand_beside_the_audited_mass(transformer: Report) -> None:
    text = " ".join(sites.answer(transformer))
    assert "moves the output most when shuffled (0.036 [0.024, 0.048], audited mass 0.35)" in text
    assert "can differ most for the same output (0.66 [0.65, 0.67], audited mass" in text


def test_layers_are_called_layers(by_layer: Report) -> None:
    text = " ".join(sites.answer(by_layer))
    assert text.startswith("Of 6 layers, layer 4 agrees most with gradients")


def test_the_glance_has_a_line_for_each_tau(transformer: Report, report: Report) -> None:
    found = dict(in_short(transformer))
    assert found["By head"] == (
        "tau with gradients -0.15 to 0.35 (head 8 of layer 5)",
        "tau with leave-one-out -0.07 to 0.33 (head 8 of layer 5)",
    )
    assert [name for name, _ in in_short(report)][-1] == "Adversarial"


def test_the_glance_of_one_intervention_shows_its_number(transformer: Report) -> None:
    report = with_sites(transformer, site(0, 0, max_jsd=0.5), site(0, 1, max_jsd=0.25))
    assert dict(in_short(report))["By head"] == ("divergence 0.25 to 0.50 (head 0 of layer 0)",)


def test_one_site_alone_is_neither_most_nor_least(transformer: Report, shown: Shown) -> None:
    report = with_sites(transformer, site(0, 0, tau_attention_gradient=0.2))
    assert sites.answer(report) == ()
    assert "+.20" in section(report, shown)


def test_sites_where_nothing_could_be_measured_say_so(transformer: Report, shown: Shown) -> None:
    report = with_sites(transformer, *(site(0, i, tau_attention_gradient=None) for i in range(2)))
    assert sites.NOTHING_MEASURED in section(report, shown).replace("\n    ", " ")


def test_every_head_has_a_cell_in_each_grid_and_a_row_in_the_table(
    transformer: Report, shown: Shown
) -> None:
    text = section(transformer, shown)
    assert "Mean tau with gradients: layers down, heads across" in text
    assert "Mean tau with leave-one-out: layers down, heads across" in text
    assert "      5     8     0.35 [0.34, 0.36]     0.33 [0.32, 0.34]  0.032  0.56  0.30" in text
    rows = [line for line in text.split("\n") if line.count(" [") == 2 and line.count("0.") > 6]
    assert len(rows) == 72


def test_the_last_column_of_a_grid_ends_where_80_columns_end(
    transformer: Report, shown: Shown
) -> None:
    lines = section(transformer, shown).split("\n")
    heads = next(line for line in lines if line.startswith("  layer     0"))
    assert heads.split() == ["layer", *map(str, range(12))]


def test_averaged_heads_are_bars_on_both_sides_of_zero(by_layer: Report, shown: Shown) -> None:
    text = section(by_layer, shown)
    assert "      4     0.16 [0.15, 0.17]       │━━" in text
    assert "      5  -0.15 [-0.16, -0.14]     ━━│" in text
    assert "heads across" not in text


def test_interventions_of_averaged_heads_have_a_table(by_layer: Report, shown: Shown) -> None:
    values = [site(i, None, max_jsd=0.1 * i, audited_mass=0.5) for i in range(3)]
    text = section(with_sites(by_layer, *values), shown)
    assert "      2  0.20  0.50" in text
    assert "│" not in text


def test_interventions_alone_have_room_for_their_intervals(
    transformer: Report, shown: Shown
) -> None:
    kept = {"median_permutation_distance", "audited_mass"}
    alone = [
        found.model_copy(update={"means": {k: v for k, v in found.means.items() if k in kept}})
        for found in transformer.sites
    ]
    lines = section(with_sites(transformer, *alone), shown).split("\n")
    row = next(line for line in lines if line.startswith("      5     9 "))
    assert row.split() == ["5", "9", "0.036", "[0.024,", "0.048]", "0.35"]


def test_of_very_many_sites_the_ends_are_shown(transformer: Report, shown: Shown) -> None:
    many = [
        site(i // 32, i % 32, tau_attention_gradient=(i * 37 % 1024) / 1024 - 0.5)
        for i in range(1024)
    ]
    assert len(many) > MAX_SITES
    text = section(with_sites(transformer, *many), shown)
    assert "The 12 lowest and the 12 highest of 1,024 by tau with gradients" in text
    assert text.count("\n") < 200


@pytest.mark.parametrize("width", [20, 40, 60])
def test_narrow_terminals_do_not_crash(transformer: Report, shown: Shown, width: int) -> None:
    assert "By head" in shown(terminal.render, transformer, width)


def test_without_the_correlation_check_there_is_no_yardstick(transformer: Report) -> None:
    nothing = Summaries(correlation=None, permutation=None, adversarial=None)
    report = transformer.model_copy(update={"checks": nothing})
    assert "yardstick" not in " ".join(sites.answer(report))
