"""What the site says of commands, numbers and rules: made from these themselves as it is built.

`<!-- generated: NAME -->` on a line of a page becomes what `GENERATED[NAME]` gives. Files of the
repository that pages link to are part of the site; `README.md` is its first page, and
`notebook.ipynb` is run to be another.
"""

import ast
import json
import re
import tomllib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measured import MEASURED, table

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

    from attn_audit.findings.metric import Metric

ROOT = Path(__file__).parents[1]
MARK = re.compile(r"^<!-- generated: ([a-z ]+) -->$", re.MULTILINE)
FOR_TESTS = re.compile(r"^(```\w+) (?!title=).*$", re.MULTILINE)
"""Says to people who read the source, and to the tests, why a block is not run, or how it ends."""

MIRRORED = (
    *("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "attn_audit/demo/NOTICE"),
    *("attn_audit/judgement/rules.toml", "attn_audit/results/report.schema.json"),
    *("sample_configs/**/*", "CITATION.cff", "action.yml"),
)
"""Files of the repository that pages link to."""

SAMPLE = "sample-report.html"
NOTEBOOK, NOTEBOOK_PAGE = "notebook.ipynb", "notebook.md"


def on_files(files: "Files", config: "MkDocsConfig") -> None:
    """Add what is not in the folder of the pages."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "index.md", abs_src_path=str(ROOT / "README.md")))
    for path in (path for pattern in MIRRORED for path in sorted(ROOT.glob(pattern))):
        if path.is_file() and "__pycache__" not in path.parts:
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    files.append(File.generated(config, SAMPLE, content=sample_report()))
    files.append(File.generated(config, NOTEBOOK_PAGE, content=notebook()))


def on_page_markdown(markdown: str, page: "Page", **_: Any) -> str:
    """Fill in what is generated, and point links at the site's own files."""
    return as_on_the_site(markdown, is_home=page.file.src_uri == "index.md")


def as_on_the_site(markdown: str, *, is_home: bool = False) -> str:
    """A page of the repository as the site has it."""
    markdown = FOR_TESTS.sub(r"\1", MARK.sub(lambda found: GENERATED[found[1]](), markdown))
    markdown = markdown.replace(f"]({NOTEBOOK})", f"]({NOTEBOOK_PAGE})")
    return re.sub(r"\]\(docs/" if is_home else r"\]\(\.\./", "](", markdown)


def sample_report() -> str:
    """The page of the packaged model on its texts."""
    from tempfile import TemporaryDirectory

    import attn_audit

    home = Path(attn_audit.__file__).parents[1]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        attn_audit.audit("demo", "demo", reproducible=True).save(path)
        return path.read_text(encoding="utf-8").replace(f"{home}/", "")


# --- the notebook ---------------------------------------------------------------------------------


def cells() -> Iterator[tuple[str, str, object]]:
    """The notebook's cells, run in order: kind, source, and what the last line of code gives."""
    known: dict[str, object] = {}
    for cell in json.loads((ROOT / "docs" / NOTEBOOK).read_text(encoding="utf-8"))["cells"]:
        source, given = "".join(cell["source"]), None
        if cell["cell_type"] == "code":
            body = ast.parse(source)
            last = body.body.pop() if isinstance(body.body[-1], ast.Expr) else None
            exec(compile(body, NOTEBOOK, "exec"), known)
            if isinstance(last, ast.Expr):
                given = eval(compile(ast.Expression(last.value), NOTEBOOK, "eval"), known)
        yield cell["cell_type"], source, given


def notebook() -> str:
    """The notebook as a page, with what its cells give as the site is built."""
    # The brackets keep the link from being pointed at this page.
    parts = [f"[The notebook itself](<{NOTEBOOK}>)"]
    for kind, source, given in cells():
        parts.append(source if kind == "markdown" else f"```python\n{source}\n```")
        parts += [] if given is None else [output(given)]
    return "\n\n".join([parts[1], parts[0], *parts[2:]]) + "\n"


def output(given: object) -> str:
    """What stands below a cell."""
    import altair as alt
    import vl_convert

    if isinstance(given, alt.TopLevelMixin):
        drawn = vl_convert.vegalite_to_svg(given.to_dict()).encode("utf-8")
        return f"![A chart](data:image/svg+xml;base64,{b64encode(drawn).decode('ascii')})"
    if (as_html := getattr(given, "_repr_html_", None)) is not None:
        one_line = as_html().replace(f"{ROOT}/", "").replace("\n", "&#10;")
        return f"<div>{one_line}</div>"  # an empty line would end what Markdown leaves as it is
    return f"```text\n{given!r}\n```"


# --- tables ---------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Text of ours in which nothing but code is markup."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else _escaped(p) for p in parts)


def _escaped(text: str) -> str:
    return re.sub(r"([*_\[\]~])", r"\\\1", text).replace("<", "&lt;")


def constants(module: str) -> Iterator[tuple[str, str, str]]:
    """Names, values and what stands below them, of numbers that a module defines."""
    body = ast.parse((ROOT / module).read_text(encoding="utf-8")).body
    for node, after in pairwise(body):
        match node, after:
            case (
                ast.Assign(targets=[target], value=value)
                | ast.AnnAssign(target=target, value=value),
                ast.Expr(ast.Constant(str(said))),
            ) if value is not None and not ast.unparse(target).startswith("_"):
                yield ast.unparse(target), ast.unparse(value), " ".join(said.split())


def exit_codes() -> str:
    """What the command line can end with."""
    found = constants("attn_audit/errors.py")
    rows = ((value, plain(said)) for _, value, said in found if value.isdigit())
    return table(("exit code", "when"), rows)


def thresholds() -> str:
    """Numbers that sentences, page and rules decide by."""
    found = constants("attn_audit/findings/thresholds.py")
    return table(
        ("limit", "value", "of what"), ((f"`{n}`", f"`{v}`", plain(s)) for n, v, s in found)
    )


def no_worse() -> str:
    """What the packaged policy of changes bounds."""
    path = ROOT / "attn_audit/judgement/no_worse.toml"
    policy = tomllib.loads(path.read_text(encoding="utf-8"))
    rows = (
        (f"`{bound['metric']}`", f"{kind.replace('max_', 'may ')} by at most {bound[kind]}")
        for bound in policy["bound"]
        for kind in ("max_drop", "max_rise")
        if kind in bound
    )
    return table(("number", "new minus base"), rows)


# --- numbers --------------------------------------------------------------------------------------


def metrics() -> str:
    """What reports hold and policies may bound, check by check."""
    from attn_audit.findings import registry

    parts = []
    for check, of_check in groupby(registry.metrics(), key=lambda metric: metric.check):
        parts.append(f"### {check.replace('_', ' ').capitalize()}\n")
        parts += [_entry(f"`{m.name}`{_marks(m)}", (_range(m),), m.definition) for m in of_check]
    return "\n".join(parts)


def _entry(name: str, brief: Iterable[str], said: str) -> str:
    """An item of a list: names are too long for tables."""
    return f"- {name} ({', '.join(filter(None, brief))})<br>{plain(said)}."


def _marks(metric: "Metric") -> str:
    from attn_audit.findings.metric import MeanMetric

    marks = "~" * isinstance(metric, MeanMetric) + "\\*" * metric.has_interval
    return f" {marks}" if marks else ""


def _range(found: Any) -> str:
    low, high = found.range.ends
    if not found.range.unit:
        return ""
    ends = ("" if low is None else f"from {low:.3g} ") + ("" if high is None else f"to {high:.3g}")
    return ", ".join(filter(None, (found.range.unit, ends.strip())))


def fields() -> str:
    """Columns of the records."""
    from attn_audit.findings import registry

    lines = []
    for field in registry.all_fields():
        told = field.as_dict()
        brief = [
            _range(field) or told["type"],
            *([] if told["values"] == "one" else [told["values"]]),
            *(["of each site"] if told["of_sites"] else []),
            *([] if told["tolerance"] is None else [f"tolerance {told['tolerance']:g}"]),
        ]
        null = f". Null: {told['null']}" if told["null"] else ""
        lines.append(_entry(f"`{told['name']}`", brief, told["definition"].rstrip(".") + null))
    return "\n".join(lines)


def measures() -> str:
    """What attention is compared with."""
    from attn_audit.findings.measure import shown_measure
    from attn_audit.findings.registry import measures as every

    rows = (
        (
            f"`{m.name}`",
            plain(f"{m.field.definition}."),
            str(m.passes(20)),
            "yes" if m.is_signed else "no",
            plain(m.needs),
            plain(m.source),
        )
        for m in (*every(), shown_measure("FIELD"))
    )
    return table(("name", "definition", "passes for 20 units", "signed", "needs", "source"), rows)


def statuses() -> str:
    """Why a check says nothing of an example."""
    from attn_audit.findings.registry import status_meanings

    return table(
        ("status", "meaning"), ((f"`{n}`", plain(said)) for n, said in status_meanings().items())
    )


def definitions() -> str:
    """Terms of the report, each with its source."""
    from attn_audit.formats.documents.definitions import DEFINITIONS

    return "\n\n".join(
        f"### {name}\n\n{plain(text)} ({plain(source)})" for name, text, source in DEFINITIONS
    )


def sources() -> str:
    """What reports refer to."""
    from attn_audit.formats.documents.definitions import SOURCES

    return "\n".join(f"- {plain(source)}" for source in SOURCES)


# --- commands -------------------------------------------------------------------------------------


def commands() -> str:
    """Every command with its options; what `audit` has as well is told there."""
    import typer.main

    from attn_audit.cli import app

    group: Any = typer.main.get_command(app)
    told = {name: _options(name, found) for name, found in group.commands.items()}
    shared = {row for row in told["audit"].values() if row[0] != "Arguments"}
    return "\n\n".join(
        _command(name, found, told[name], set() if name == "audit" else shared)
        for name, found in group.commands.items()
    )


def _context(name: str, command: Any) -> Any:
    return command.context_class(command, info_name=f"attn-audit {name}", terminal_width=1000)


def _options(name: str, command: Any) -> dict[str, tuple[str, str, str]]:
    """Panel, what is written and what it does, by name."""
    context, rows = _context(name, command), {}
    for found in command.params:
        if found.param_type_name == "argument":
            written, said, panel = f"`{found.metavar}`", found.help or "", "Arguments"
        else:
            record = found.get_help_record(context)
            written, said = f"`{record[0]}`", found.help or ""
            panel = str(getattr(found.rich_help_panel, "value", None) or "Options")
        rows[found.name] = (panel, written, plain(said))
    return rows


def _command(
    name: str,
    command: Any,
    options: dict[str, tuple[str, str, str]],
    shared: set[tuple[str, str, str]],
) -> str:
    from attn_audit.cli.examples import EXAMPLES

    usage = command.get_usage(_context(name, command)).removeprefix("Usage: ")
    examples = "\n".join(f"- `{line}`<br>{plain(purpose)}" for line, purpose in EXAMPLES[name])
    parts = [f"## {name}", plain(command.help or ""), f"```text\n{usage}\n```", examples]
    own = sorted((row for row in options.values() if row not in shared), key=lambda row: row[0])
    order = list(dict.fromkeys(row[0] for row in options.values()))
    for panel in order:
        rows = [row[1:] for row in own if row[0] == panel]
        if rows:
            parts.append(f"**{panel}**\n\n" + "\n".join(f"- {w}<br>{said}" for w, said in rows))
    also = [row[1] for row in options.values() if row in shared]
    if also:
        parts.append("As [`audit`](#audit) has them: " + ", ".join(also) + ".")
    return "\n\n".join(parts)


def settings() -> str:
    """Keys of a configuration file, and what two reports that differ in them are to `compare`."""
    from attn_audit.settings import SETTINGS

    rows = (
        (f"`{name}`", told.panel.value, told.compared or "", "no" if told.names_code else "yes")
        for name, told in SETTINGS.items()
    )
    return table(("key", "of", "by `compare`", "in a file that was merely found"), rows)


def api() -> str:
    """What the package lists as public, for mkdocstrings."""
    import attn_audit

    homes: dict[str, str] = vars(attn_audit)["_HOMES"]
    names = sorted(homes, key=lambda name: (not name.islower(), name))
    return "\n\n".join(f"::: {homes[name]}.{name}" for name in names)


GENERATED: dict[str, Callable[[], str]] = {
    "api": api,
    "commands": commands,
    "definitions": definitions,
    "exit codes": exit_codes,
    "fields": fields,
    "measures": measures,
    "metrics": metrics,
    "no worse": no_worse,
    "settings": settings,
    "sources": sources,
    "statuses": statuses,
    "thresholds": thresholds,
    **MEASURED,
}
