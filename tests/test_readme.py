"""README and documentation show what the tool really says, and their commands run."""

import importlib.util
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from doctest import DocTestParser, DocTestRunner
from pathlib import Path
from types import ModuleType

import pytest

import attn_audit
from attn_audit.cli import app
from attn_audit.errors import FAILED, INCONCLUSIVE, PASSED
from attn_audit.models.paper.checkpoint import save_checkpoint
from attn_audit.models.task import TASKS, TaskKind
from attn_audit.settings import KEYS
from tests.checkpoints import SENTENCES, write_checkpoint, write_language_model
from tests.cli.conftest import invoke
from tests.judged import policy_from
from tests.simulations.tables import read as measured
from tests.tiny import WORDS, checkpoint_of, tiny_model

REPOSITORY = Path(__file__).parents[1]
NAMES = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(p.name for p in (REPOSITORY / "docs").glob("*.md")),
)
DONE = {PASSED, FAILED, INCONCLUSIVE}
"""What a command that did its work ends with: a gate may well say no."""

QUICK = "limit = 8\npermutations = 5\niterations = 3\nrestarts = 1\nerasure_sample = 2\n"
OF_ALL_CHECKS = ("README.md", "quickstart.md")
"""Pages whose audits are of all checks; those of others of one, unless they name more."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    said: str
    """What else its fence says."""
    text: str

    @property
    def title(self) -> str | None:
        """The file that it is."""
        found = re.fullmatch(r'title="(.+)"', self.said)
        return found[1] if found else None

    @property
    def commands(self) -> Iterator[list[str]]:
        """As words."""
        for line in self.text.replace("\\\n", " ").splitlines():
            if line.strip():
                yield shlex.split(line)


def text_of(name: str) -> str:
    folder = REPOSITORY if (REPOSITORY / name).exists() else REPOSITORY / "docs"
    return (folder / name).read_text(encoding="utf-8")


def blocks_of(name: str) -> list[Block]:
    found = re.findall(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", text_of(name), re.DOTALL | re.MULTILINE)
    return [Block(*parts) for parts in found]


def rows(n: int) -> Iterator[str]:
    for i in range(n):
        words = " ".join(WORDS[(7 * i + 5 * j) % len(WORDS)] for j in range(i % 9 + 2))
        text = SENTENCES[i] if i % 2 else words
        label = ("negative", "positive")[i % 2]
        asked = {"context": text, "question": "Good?", "answer": label[:3]}
        yield json.dumps({"id": f"e{i}", "text": text, "label": label, **asked})


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pages call `model.pt`, `data/` and so on, small."""
    folder = tmp_path_factory.mktemp("pages")
    task = TASKS[TaskKind.BINARY](("negative", "positive"))
    for name in ("model.pt", "new.pt"):
        save_checkpoint(folder / name, checkpoint_of(tiny_model(), task=task))
    (folder / "data").mkdir()
    for split, n in (("train", 8), ("dev", 4), ("test", 4)):
        (folder / "data" / f"{split}.jsonl").write_text("\n".join(rows(n)) + "\n")
    (folder / "qa.jsonl").write_text("\n".join(rows(4)) + "\n")
    sentiment = {"id2label": {0: "negative", 1: "positive"}}
    write_checkpoint("bert", folder / "minilm_sst", **sentiment)
    write_language_model("llama", folder / "SmolLM2-135M-Instruct")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_what_a_page_tells_people_to_do_can_be_done(
    name: str, materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, in one folder: files that the page gives, Python, commands."""
    for path in materials.iterdir():
        (tmp_path / path.name).symlink_to(path)
    checks = "" if name in OF_ALL_CHECKS else "checks = ['correlation']\n"
    (tmp_path / "attn-audit.toml").write_text(QUICK + checks)
    monkeypatch.setattr("attn_audit.formats.charts.PPI", 30)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    known: dict[str, object] = {}
    for block in blocks_of(name):
        if block.title is not None:
            Path(block.title).write_text(block.text)
        elif block.language == "pycon":
            test = DocTestParser().get_doctest(block.text, known, name, name, 0)
            assert DocTestRunner().run(test, clear_globs=False).failed == 0
            known = test.globs
        elif block.language == "bash" and not block.said.startswith("no-run: "):
            run(block)
    for title in (block.title for block in blocks_of(name)):
        sys.modules.pop(str(title).removesuffix(".py"), None)


def run(block: Block) -> None:
    expected = {int(block.said.removeprefix("exits "))} if block.said else DONE
    for program, *words in block.commands:
        assert program == "attn-audit", "what cannot be run says why: `no-run: REASON`"
        outcome = invoke(*words)
        assert outcome.exit_code in expected, (words, outcome.stderr)


def test_blocks_that_are_not_run_say_why() -> None:
    blocks = [(name, block) for name in NAMES for block in blocks_of(name)]
    assert sum(block.language == "bash" for _, block in blocks) > 25
    for name, block in blocks:
        if block.language in ("python", "csv"):
            assert block.title is not None or "explanation" in block.text, name
        if block.language == "bash":
            assert re.fullmatch(r"(no-run: .{10,}|exits \d+)?", block.said), name
        for command in block.commands if block.language == "bash" else ():
            if command[0] == "attn-audit":
                assert command[1] in {each.name for each in app.registered_commands}, name


def test_settings_and_policies_are_real_ones(tmp_path: Path) -> None:
    for name in NAMES:
        for block in blocks_of(name):
            if block.language == "toml":
                content = tomllib.loads(block.text)
                if "bound" in content:
                    policy_from(tmp_path, block.text)
                else:
                    assert set(content) <= set(KEYS)


def test_every_function_of_the_package_is_in_the_table() -> None:
    listed = set(re.findall(r"^\| `([a-z_]+)\(", text_of("python.md"), re.MULTILINE))
    public = {name for name in attn_audit.__all__ if name.islower() and not name.startswith("_")}
    assert listed == public - {"load_policy", "wrap"}


def test_the_readme_is_short_and_says_how_to_install_and_test() -> None:
    readme = text_of("README.md")
    assert readme.count("\n") <= 125
    commands = [" ".join(words) for block in blocks_of("README.md") for words in block.commands]
    assert "pip install -c constraints.txt . && attn-audit demo" in commands
    assert "pip install -c constraints.txt .[test] && pytest -n 2" in commands


# --- what is generated ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hooks", REPOSITORY / "docs" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "docs")  # as mkdocs does
        spec.loader.exec_module(module)
    return module


def test_every_mark_is_filled_in_and_nothing_is_made_that_no_page_has(hooks: ModuleType) -> None:
    marked = [mark for name in NAMES for mark in hooks.MARK.findall(text_of(name))]
    assert sorted(marked) == sorted(hooks.GENERATED)
    for name in NAMES:
        assert not hooks.MARK.search(hooks.as_on_the_site(text_of(name)))


@pytest.mark.parametrize("name", [*NAMES, "CHANGELOG.md", "SECURITY.md"])
def test_every_fence_is_a_block_on_the_site(name: str, hooks: ModuleType) -> None:
    markdown = pytest.importorskip("markdown").markdown
    pytest.importorskip("pymdownx")
    named = re.findall(r"^  - ([\w.]+)", text_of("mkdocs.yml").partition("_extensions:")[2], re.M)
    made = markdown(hooks.as_on_the_site(text_of(name)), extensions=named)
    assert "```" not in made


def test_tables_are_whole(hooks: ModuleType) -> None:
    """All rows of a table have as many cells, whatever stands in them."""
    for made in hooks.GENERATED.values():
        for lines in re.findall(r"(?:^\|.*\n?)+", made(), re.MULTILINE):
            widths = {len(re.split(r"(?<!\\)\|", line)) for line in lines.splitlines()}
            assert len(widths) == 1


def test_everything_that_has_a_name_is_on_its_page(hooks: ModuleType) -> None:
    from attn_audit.findings import registry

    made = {name: make() for name, make in hooks.GENERATED.items()}
    assert {metric.name for metric in registry.metrics()} <= named(made["metrics"])
    assert {field.name for field in registry.all_fields()} <= named(made["fields"])
    assert {measure.name for measure in registry.measures()} <= named(made["measures"])
    assert set(KEYS) == named(made["settings"])
    titles = set(re.findall(r"^## (.*)$", made["commands"], re.MULTILINE))
    assert titles == {command.name for command in app.registered_commands}
    for row in measured()["rows"]:
        if row["table"] in ("trained", "recommended") and not row["is_small"]:
            assert f"| {row['name']} " in made[row["table"]]
    assert made["exit codes"].count("\n") == 8
    assert "| `MIN_EXAMPLES` | `100` |" in made["thresholds"]


def named(made: str) -> set[str]:
    return set(re.findall(r"^(?:\||-) `([^`]+)`", made, re.MULTILINE))


def test_the_sample_report_gives_the_readmes_answer_and_names_no_folder(hooks: ModuleType) -> None:
    page = " ".join(hooks.sample_report().split())
    assert str(REPOSITORY) not in page
    quoted = " ".join(re.findall(r"^> (.*)$", text_of("README.md"), re.MULTILINE))
    (sentence,) = re.findall(r"\*\*Cannot be told\.\*\* (.*known\.)", quoted)
    assert sentence in page


# --- the notebook ---------------------------------------------------------------------------------


def test_the_notebook_runs_from_top_to_bottom(hooks: ModuleType) -> None:
    """And shows what its cells say that they show."""
    given = [value for kind, _, value in hooks.cells() if kind == "code"]
    report, gradients, frame, names, *charts, by_class, text, outcome = given
    assert isinstance(report, attn_audit.Report)
    assert isinstance(gradients, attn_audit.Estimate)
    assert "correlation.attention_gradient" in frame.index
    assert names == list(report.figures())
    assert [type(chart).__name__ for chart in charts] == ["FacetChart", "LayerChart"]
    assert list(by_class.index) == ["glad", "troubled"]
    assert isinstance(text, attn_audit.Explanation)
    assert outcome == "pass"
    for value in given:
        shown = hooks.output(value)
        assert "\n\n" not in shown, "Markdown would end the output there"
        assert str(REPOSITORY) not in shown


def test_the_notebook_is_one_and_holds_nothing_that_could_be_of_another_day() -> None:
    notebook = json.loads((REPOSITORY / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["cells"][0]["cell_type"] == "markdown"
    for cell in notebook["cells"]:
        is_code = cell["cell_type"] == "code"
        of_code = {"execution_count", "outputs"} if is_code else set()
        assert {"id", "cell_type", "metadata", "source"} | of_code == set(cell)
        assert not any(cell[field] for field in of_code)
