"""The README shows what the tool really says."""

import re
import tomllib
from doctest import DocTestParser, DocTestRunner
from pathlib import Path

import pytest
from typer.testing import CliRunner

import attn_audit
from attn_audit.cli import app
from attn_audit.settings import KEYS
from tests.judged import policy_from

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def without_margin(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def test_help_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    shown = re.search(r"<!-- help -->\n```\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    real = CliRunner().invoke(app, ["--help"], prog_name="attn-audit").stdout
    assert without_margin(shown.group(1)) == without_margin(real)


def test_settings_and_policies_are_real_ones(tmp_path: Path) -> None:
    for block in re.findall(r"```toml\n(.*?)```", README, re.DOTALL):
        content = tomllib.loads(block)
        if "bound" in content:
            policy_from(tmp_path, block)
        else:
            assert set(content) <= set(KEYS)


def test_commands_are_real_ones() -> None:
    known = {command.name for command in app.registered_commands}
    named = set(re.findall(r"^attn-audit ([a-z]+)", README, re.MULTILINE))
    assert named <= known


def test_python_examples_give_what_is_shown() -> None:
    shown = "\n".join(re.findall(r"```pycon\n(.*?)```", README, re.DOTALL))
    test = DocTestParser().get_doctest(shown, {}, "README", "README.md", 0)
    assert len(test.examples) > 5
    assert DocTestRunner().run(test).failed == 0


def test_every_function_of_the_package_is_in_the_table() -> None:
    listed = set(re.findall(r"^\| `([a-z_]+)\(", README, re.MULTILINE))
    public = {name for name in attn_audit.__all__ if name.islower() and not name.startswith("_")}
    assert listed == public - {"load_policy", "wrap"}
