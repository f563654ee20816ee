"""The page's parts, put into its template."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from attn_audit.formats.charts import FIGURES
from attn_audit.formats.charts.palette import PAGE
from attn_audit.formats.charts.writing import specification
from attn_audit.formats.html.checks import sections
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
    drawn = _specifications(report)
    scripts = (*((vega(),) if drawn else ()), page_script())
    return _environment().get_template("page.html.j2").render(
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
        keep_trailing_newline=True,
    )


def _seen(value: object) -> object:
    """Markup is ours; all other text may be anybody's."""
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return printable(str(value)) if is_text else value
