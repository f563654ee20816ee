"""What people get wrong at first: the first line of the message names the likely cause."""

import json
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import AttnAudit

MAKES_NET = """
import torch
from torch import nn
from attn_audit import CustomModel

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.out = nn.Embedding(50, 8), nn.Linear(8, 2)
    def forward(self, ids):
        states = self.embedding(ids)
        weights = states.sum(-1).softmax(-1)
        return self.out((weights.unsqueeze(-1) * states).sum(1))

IDS = {f"w{i}": i for i in range(50)}
def encode(texts):
    width = max(map(len, texts))
    return torch.tensor([[IDS[t] for t in [*tokens, *["w0"] * width][:width]] for tokens in texts])
def custom(net):
    return CustomModel(net, encode, ["label0", "label1"], "multiclass", tokenize=str.split)
def plain(path):
    return custom(Net())
def compiled(path):
    return custom(torch.compile(Net(), backend="eager"))
def compiled_within(path):
    net = Net()
    net.out.compile(backend="eager")
    return custom(net)
def wrapped(path):
    net = Net()
    net.load_state_dict(torch.load(path))
    return custom(net)
"""


@pytest.fixture
def adapter(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(MAKES_NET)
    return "mine.py"


def first_line(attn_audit: AttnAudit, *words: object, code: int = 2) -> str:
    """What a command that must fail says first."""
    outcome = attn_audit(*words)
    assert outcome.exit_code == code, outcome.stderr
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("error: ")
    return outcome.stderr.splitlines()[0]


@pytest.mark.parametrize("command", ["audit", "plan", "inspect", "permute", "check-data"])
def test_model_and_data_that_are_swapped(
    attn_audit: AttnAudit, model: Path, data: Path, command: str
) -> None:
    said = first_line(attn_audit, command, data, model)
    assert said == f"error: MODEL and DATA are swapped: {model} is a model"


def test_a_report_is_verified_with_model_and_data_in_their_places(
    attn_audit: AttnAudit, model: Path, data: Path, report: Path
) -> None:
    assert "swapped" in first_line(attn_audit, "verify", report, data, model)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl.gz", "-", "splits"])
def test_data_where_the_model_belongs_and_a_name_behind_it(
    attn_audit: AttnAudit, tmp_path: Path, name: str
) -> None:
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "test.tsv").write_text("text\nw5\n")
    assert f"swapped: {name} is data" in first_line(attn_audit, "audit", name, "owner/model")


def test_a_folder_of_a_model_where_the_data_belong(
    attn_audit: AttnAudit, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text("{}")
    assert "swapped: bert is a model" in first_line(attn_audit, "audit", "owner/data", "bert")
    assert "DATA is a model as well" in first_line(attn_audit, "audit", model, "bert")


@pytest.mark.parametrize("words", [("inspect",), ("audit",), ("explain", "--text", "w5")])
def test_data_alone(attn_audit: AttnAudit, data: Path, words: tuple[str, ...]) -> None:
    command, *more = words
    assert f"no MODEL given: {data} is data" in first_line(attn_audit, command, data, *more)


def test_data_in_both_places(attn_audit: AttnAudit, data: Path) -> None:
    assert "MODEL is data as well: ." in first_line(attn_audit, "audit", ".", data)


@pytest.mark.parametrize("command", ["audit", "check-data", "explain"])
def test_a_model_that_is_not_there_is_said_before_anything_is_read(
    attn_audit: AttnAudit, tmp_path: Path, command: str
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "d.csv").write_text("sentence\nw5\n")
    more = ("--text", "w5") if command == "explain" else ("d.csv",)
    said = first_line(attn_audit, command, "here/../modle", *more)
    assert said == "error: no model at here/../modle (did you mean here/../model?)"


def test_code_where_the_model_belongs(attn_audit: AttnAudit, data: Path) -> None:
    assert "no --adapter is given: mine.py" in first_line(attn_audit, "audit", "mine.py", data)


def test_an_adapter_takes_what_it_likes(attn_audit: AttnAudit, adapter: str, data: Path) -> None:
    outcome = attn_audit("inspect", data, data, "--adapter", f"{adapter}:plain")
    assert outcome.exit_code == 0, outcome.stderr


@pytest.mark.parametrize("content", [{"a": torch.ones(1)}, {"state": {"a": torch.ones(1)}}, [1]])
def test_weights_of_ones_own_without_an_adapter(
    attn_audit: AttnAudit, data: Path, content: object
) -> None:
    torch.save(content, "own.pt")
    assert "no --adapter says" in first_line(attn_audit, "audit", "own.pt", data)


def test_a_whole_module_in_a_file_says_how_to_save_and_load_it(
    attn_audit: AttnAudit, data: Path
) -> None:
    torch.save(torch.nn.Linear(1, 1), "own.pt")
    outcome = attn_audit("audit", "own.pt", data)
    assert outcome.exit_code == 2
    assert "state_dict()" in outcome.stderr
    assert "--adapter" in outcome.stderr


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("model.pt", "data.jsonl"), "attn-audit audit model.pt data.jsonl"),
        (("data.csv", "--limit", "3"), "attn-audit audit data.csv --limit 3"),
        (("data.csv", "model.pt", "-q"), "attn-audit audit model.pt data.csv -q"),
        (("report.json",), "attn-audit report report.json"),
        (("--adapter", "a.py:f", "m", "d d"), 'attn-audit audit --adapter a.py:f m "d d"'),
        (("audti", "m", "d"), "'audit'"),
    ],
)
def test_no_command(attn_audit: AttnAudit, words: tuple[str, ...], meant: str) -> None:
    assert meant in first_line(attn_audit, *words)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("explain", "m.pt", "a good film"), "--text"),
        (("gate", "model.pt", "data.jsonl"), "one REPORT"),
        (("report", "a.json", "b.json"), "compare"),
        (("compare", "a.json", "b.json", "c.json"), "BASE and NEW"),
    ],
)
def test_a_word_too_many(attn_audit: AttnAudit, words: tuple[str, ...], named: str) -> None:
    said = first_line(attn_audit, *words)
    assert "one too many" in said
    assert named in said


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        *(("page", suffix) for suffix in (".html", ".md", ".csv", ".sarif", ".xml")),
        ("records", ".jsonl"),
    ],
)
@pytest.mark.parametrize("command", ["gate", "report", "compare"])
def test_a_page_where_the_report_belongs(
    attn_audit: AttnAudit, report: Path, command: str, name: str, suffix: str
) -> None:
    Path(f"{name}{suffix}").write_text("<html>")
    words = (f"{name}{suffix}", *((report,) if command == "compare" else ()))
    assert "the .json report is wanted" in first_line(attn_audit, command, *words)


def test_the_report_beside_a_page_is_named(attn_audit: AttnAudit, report: Path) -> None:
    report.with_suffix(".html").touch()
    assert "hint: Give report.json." in attn_audit("gate", "report.html").stderr


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("audit", "modle.pt", "data.jsonl"), "model.pt"),
        (("audit", "model.pt", "Data.josnl"), "data.jsonl"),
        (("audit", "model.pt", "splts/test.csv"), "splits/test.csv"),
        (("gate", "reprot.json"), "report.json"),
        (("gate", "report.json", "--policy", "policy.tml"), "policy.toml"),
        (("audit", "model.pt", "data.jsonl", "--config", "audits.toml"), "audit.toml"),
        (("audit", "m", "data.jsonl", "--adapter", "min.py:plain"), "mine.py"),
    ],
)
@pytest.mark.usefixtures("model", "data", "report", "adapter")
def test_a_mistyped_name_of_a_file(
    attn_audit: AttnAudit, words: tuple[str, ...], near: str
) -> None:
    Path("splits").mkdir()
    for name in ("splits/test.csv", "policy.toml", "audit.toml"):
        Path(name).touch()
    assert f"(did you mean {near}?)" in first_line(attn_audit, *words)


def test_no_file_is_near_a_name_that_is_like_none(attn_audit: AttnAudit, model: Path) -> None:
    assert "did you mean" not in first_line(attn_audit, "audit", model, "tickets.csv")


@pytest.mark.parametrize("suffix", [".xlsx", ".XLS", ".ods"])
def test_a_spreadsheet(attn_audit: AttnAudit, model: Path, suffix: str) -> None:
    Path(f"tickets{suffix}").touch()
    outcome = attn_audit("audit", model, f"tickets{suffix}")
    assert (outcome.exit_code, "it is a spreadsheet" in outcome.stderr) == (2, True)
    assert "Save it as CSV" in outcome.stderr


@pytest.mark.parametrize(
    ("option", "value", "meant"),
    [
        ("--device", "gpu", "cuda"),
        ("--device", "GPU:0", "cuda"),
        ("--device", "cuda:1", "cuda"),
        ("--rows", "al", "all"),
        ("--checks", "correlate", "correlation"),
        ("--format", "jsn", "json"),
        ("--dtype", "fp16", "float16"),
    ],
)
def test_a_value_that_others_call_so(
    attn_audit: AttnAudit, model: Path, data: Path, option: str, value: str, meant: str
) -> None:
    outcome = attn_audit("audit", model, data, option, value)
    assert outcome.exit_code == 2
    assert f"Did you mean '{meant}'?" in outcome.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [("--device", "x"), ("--limit", "x"), ("--epsilon", "x"), ("--limit", "0"), ("--layer", "x")],
)
def test_no_library_shows_in_what_is_said_of_a_value(
    attn_audit: AttnAudit, model: Path, data: Path, option: str, value: str
) -> None:
    said = first_line(attn_audit, "audit", model, data, option, value)
    assert option in said
    assert not any(word in said for word in ("Value error", "nput should", "unable to parse"))


def test_no_library_shows_in_what_is_said_of_a_file(
    attn_audit: AttnAudit, model: Path, data: Path
) -> None:
    Path("attn-audit.toml").write_text('device = "gpu"\n')
    outcome = attn_audit("audit", model, data)
    assert "device: must be 'auto', 'cpu' or 'cuda', not 'gpu'" in outcome.stderr
    assert "Did you mean 'cuda'?" in outcome.stderr


@pytest.mark.parametrize("function", ["compiled", "compiled_within"])
@pytest.mark.parametrize("words", [(), ("data.jsonl",)])
def test_a_compiled_module(
    attn_audit: AttnAudit, adapter: str, data: Path, function: str, words: tuple[str, ...]
) -> None:
    flags = ("--adapter", f"{adapter}:{function}")
    assert "(torch.compile)" in first_line(attn_audit, "inspect", "x", *words, *flags)


@pytest.mark.parametrize("front", ["module.", "_orig_mod.", "model.net."])
def test_weights_with_something_in_front_of_their_names(
    attn_audit: AttnAudit, adapter: str, front: str
) -> None:
    names = ("embedding.weight", "out.weight", "out.bias")
    torch.save({front + name: torch.ones(1) for name in names}, "own.pt")
    said = first_line(attn_audit, "inspect", "own.pt", "--adapter", f"{adapter}:wrapped")
    assert f"every name begins with {front!r}" in said
    assert all(front + name in said for name in names)


def test_a_checkpoint_with_something_in_front_of_its_names(
    attn_audit: AttnAudit, model: Path
) -> None:
    content = torch.load(model, weights_only=True)
    content["weights"] = {f"module.{name}": part for name, part in content["weights"].items()}
    torch.save(content, model)
    assert "every name begins with 'module.'" in first_line(attn_audit, "inspect", model)


def test_code_that_plain_words_break_is_to_get_data(
    attn_audit: AttnAudit, adapter: str, data: Path
) -> None:
    words = ("inspect", "x", "--adapter", f"{adapter}:plain")
    assert "as no DATA is given" in first_line(attn_audit, *words, code=3)
    assert "Give DATA" in attn_audit(*words).stderr
    assert attn_audit("inspect", "x", data, *words[2:]).exit_code == 0


def test_an_interrupted_audit_names_the_run_directory(
    attn_audit: AttnAudit, monkeypatch: pytest.MonkeyPatch, model: Path, data: Path
) -> None:
    def interrupt(*_: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("attn_audit.engine.audit.run_audit", interrupt)
    said = first_line(attn_audit, "audit", model, data, code=130)
    assert "interrupted; nothing was written; with --run-dir DIR" in said


def test_records_that_were_not_copied_along(attn_audit: AttnAudit, report: Path) -> None:
    Path("copy").mkdir()
    Path("copy/report.json").write_bytes(report.read_bytes())
    said = first_line(attn_audit, "compare", "copy/report.json", report)
    assert "not where they belong: at copy/records.jsonl" in said


def test_a_gate_with_an_output_says_on_the_terminal_what_failed(
    attn_audit: AttnAudit, report: Path
) -> None:
    alone, beside = attn_audit("gate", report), attn_audit("gate", report, "--output", "g.xml")
    assert beside.exit_code == alone.exit_code != 0
    assert beside.stdout == alone.stdout != ""


def test_a_comparison_with_an_output_says_on_the_terminal_what_failed(
    attn_audit: AttnAudit, report: Path
) -> None:
    Path("p.toml").write_text(
        '[[bound]]\nmetric = "permutation.moved"\nmax_drop = 0.1\n'
        '[[bound]]\nmetric = "performance.accuracy"\nmax_drop = 0.1\n'
    )
    words = ("compare", report, report, "--policy", "p.toml", "--output", "c.md")
    outcome = attn_audit(*words)
    assert outcome.exit_code in (0, 1, 4), outcome.stderr
    assert "max_drop" in outcome.stdout or "permutation.moved" in outcome.stdout


def test_every_output_is_replaced_and_no_input_is(
    attn_audit: AttnAudit, model: Path, data: Path, report: Path
) -> None:
    for name in ("report.json", "page.html", "records.jsonl"):
        Path(name).write_text("older")
    outputs = ("--output", "report.json", "--output", "page.html", "--records", "records.jsonl")
    words = ("audit", model, data, "--checks", "permutation", "--permutations", "5")
    assert attn_audit(*words, *outputs, "--figures", "figures").exit_code == 0
    assert json.loads(report.read_text())
    assert all(Path(name).read_text() != "older" for name in ("page.html", "records.jsonl"))
    Path("figures/older.png").touch()
    again = attn_audit("report", report, "--figures", "figures")
    assert (again.exit_code, "1 older ones in it" in again.stderr) == (0, True)
    assert "it is read by this command" in first_line(
        attn_audit, "report", report, "--output", report
    )
