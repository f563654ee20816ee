"""The page's parts, put into its template."""

from typing import Any

from markupsafe import Markup

from attn_audit.formats.charts import FIGURES
from attn_audit.formats.charts.palette import PAGE
from attn_audit.formats.charts.writing import specification
from attn_audit.formats.html.checks import sections
from attn_audit.formats.html.definitions import DEFINITIONS, SOURCES
from attn_audit.formats.html.degenerate import degenerate
from attn_audit.formats.html.environment import environment, style_sheet
from attn_audit.formats.html.examples import browser
from attn_audit.formats.html.gate import gate
from attn_audit.formats.html.glance import cards
from attn_audit.formats.html.scripts import content_security_policy, data, page_script, vega
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
    style = style_sheet()
    drawn = _specifications(report)
    scripts = (*((vega(),) if drawn else ()), page_script())
    return environment().get_template("page.html.j2").render(
        report=report,
        policy=content_security_policy(scripts, style),
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        figures=[figure for figure in FIGURES if figure.name in drawn],
        figure_data=data(drawn),
        cards=cards(report),
        gate=None if verdict is None else gate(verdict),
        audited=audited(report),
        sections=tuple(sections(report)),
        browser=browser(report),
        degenerate=degenerate(report),
        made_with=made_with(report),
        definitions=DEFINITIONS,
        sources=SOURCES,
        data=data,
    )  # fmt: skip


def _specifications(report: Report) -> dict[str, dict[str, Any]]:
    """Every figure that the report has data for, by name."""
    made = {figure.name: specification(figure, report, PAGE) for figure in FIGURES}
    return {name: found for name, found in made.items() if found is not None}
