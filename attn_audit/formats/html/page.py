"""The page's parts, put into its template."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from attn_audit.formats.charts import FIGURES
from attn_audit.formats.charts.palette import PAGE
from attn_audit.formats.charts.writing import specification
from attn_audit.formats.html.checks import Section, sections
from attn_audit.formats.html.definitions import DEFINITIONS, SOURCES
from attn_audit.formats.html.degenerate import degenerate
from attn_audit.formats.html.examples import browser
from attn_audit.formats.html.gate import gate
from attn_audit.formats.html.glance import cards
from attn_audit.formats.html.scripts import content_security_policy, data, page_script, vega
from attn_audit.formats.safety import printable
from attn_audit.formats.sentences.overview import audited
from attn_audit.formats.sentences.provenance import made_with
from attn_audit.results.report import Report
from attn_audit.results.verdict import Verdict


def page(report: Report, verdict: Verdict | None) -> str:
    """The whole page.

    Args:
        report: Any report.
        verdict: What a policy says of it.
    """
    style = files(__package__).joinpath("static", "page.css").read_text(encoding="utf-8")
    shown = tuple(_with_figures(report))
    specifications = {
        name: made
        for section in shown
        for name in section.figures
        if (made := specification(_FIGURES[name], report, PAGE)) is not None
    }
    scripts = (*((vega(),) if specifications else ()), page_script())
    return _environment().get_template("page.html.j2").render(
        report=report,
        policy=content_security_policy(scripts, style),
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        figures=_FIGURES,
        figure_data=data(specifications),
        cards=cards(report),
        gate=None if verdict is None else gate(verdict),
        audited=audited(report),
        sections=shown,
        browser=browser(report),
        degenerate=degenerate(report),
        made_with=made_with(report),
        definitions=DEFINITIONS,
        sources=SOURCES,
        data=data,
    )  # fmt: skip


_FIGURES = {figure.name: figure for figure in FIGURES}


def _with_figures(report: Report) -> Iterator[Section]:
    """Sections, each with the names of the figures that the report has data for."""
    drawn = [figure for figure in FIGURES if figure.draw(report, PAGE) is not None]
    for section in sections(report):
        names = tuple(figure.name for figure in drawn if figure.check == section.id)
        yield section.with_figures(names)


@cache
def _environment() -> Environment:
    """Escapes whatever is put in, after spelling out what would not be seen."""
    return Environment(
        loader=PackageLoader("attn_audit.formats.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _seen(value: object) -> object:
    """Markup is ours; all other text may be anybody's."""
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return printable(str(value)) if is_text else value
