"""What is read before a command is run: help, its examples, the version, completion."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from attn_audit import __version__
from attn_audit.cli import app
from attn_audit.cli.command import said
from attn_audit.cli.examples import EXAMPLES
from attn_audit.config import load_settings
from attn_audit.settings import KEYS
from tests.cli.conftest import AttnAudit
from tests.processes import run

GROUP: Any = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)
LINES = [(name, line) for name, examples in EXAMPLES.items() for line, _ in examples]


def flags(command: str) -> Iterator[str]:
    for parameter in GROUP.commands[command].params:
        if parameter.param_type_name == "option":
            yield from parameter.opts


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_flag_is_cut_and_no_line_of_prose_too_long(command: str, columns: int) -> None:
    found = GROUP.commands[command]
    shown = found.get_help(found.context_class(found, info_name=command, terminal_width=columns))
    assert set(flags(command)) <= set(re.findall(r"(?<![\w-])--?[\w-]+", shown))
    examples = {line for _, line in LINES}
    for line in shown.splitlines():
        assert len(line) <= columns or line.strip() in examples


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_two_or_three_examples_in_its_help(
    attn_audit: AttnAudit, command: str
) -> None:
    shown = attn_audit("help", command).stdout
    assert f" {command} [OPTIONS]" in shown
    assert len(EXAMPLES[command]) in (2, 3)
    for line, purpose in EXAMPLES[command]:
        assert line in shown
        assert purpose in " ".join(shown.split())


@pytest.mark.parametrize(("name", "line"), LINES)
def test_every_example_is_understood(name: str, line: str, tmp_path: Path) -> None:
    program, command, *words = shlex.split(line)
    assert (program, command) == ("attn-audit", name)
    if "--print-default-policy" in words:
        return  # it ends before anything else is read
    context = GROUP.commands[name].make_context(name, words)
    if "config" in context.params:
        known = {key: value or None for key, value in context.params.items() if key in KEYS}
        load_settings(said({**known, "output": None, "plugin": None}), None, tmp_path)


def test_help_of_all_is_that_of_no_command_and_of_an_unknown_one_names_the_nearest(
    attn_audit: AttnAudit,
) -> None:
    assert "Say what there is" in attn_audit("help").stdout
    assert "Commands:" in attn_audit("help").stdout
    nothing = attn_audit()
    assert (nothing.exit_code, nothing.stdout) == (2, attn_audit("--help").stdout)
    unknown = attn_audit("help", "gaet")
    assert unknown.exit_code == 2
    assert "Did you mean 'gate'?" in unknown.stderr


def test_the_version_has_a_short_name(attn_audit: AttnAudit) -> None:
    assert attn_audit("-v").stdout == attn_audit("--version").stdout
    assert __version__ in attn_audit("-v").stdout


@pytest.mark.parametrize("command", [name for name in COMMANDS if "--output" in flags(name)])
def test_output_has_a_short_name(command: str) -> None:
    assert "-o" in flags(command)


def completed(line: str) -> list[str]:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    asked = {"_ATTN_AUDIT_COMPLETE": "complete_bash", **words}
    return CliRunner().invoke(app, [], prog_name="attn-audit", env=asked).stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("attn-audit ga", ["gate"]),
        ("attn-audit audit m.pt d.json --ch", ["--chat", "--checks"]),
        ("attn-audit audit m.pt d.json --output a.json --output b.md --fig", ["--figures"]),
        ("attn-audit gate r.json --inconclusive ", ["pass", "fail"]),
        ("attn-audit gate r.json one too many --form", ["--format"]),
    ],
)
def test_a_shell_is_told_how_a_line_may_go_on(line: str, offered: list[str]) -> None:
    assert completed(line) == offered


def test_a_shell_gets_the_same_help_and_hints_of_a_command_alone(tmp_path: Path) -> None:
    alone, among_all = (run(tmp_path, *words) for words in (("gate", "--help"), ("help", "gate")))
    assert alone == among_all
    assert alone.stdout.startswith("Usage: ")
    assert "'gaet'. Did you mean 'gate'?" in run(tmp_path, "gaet", "report.json").stderr
