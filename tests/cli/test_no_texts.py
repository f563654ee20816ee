"""No word of the texts leaves an audit that was told so: everything that it writes is searched."""

import json
from pathlib import Path
from traceback import format_exception

import pyarrow.parquet as pq
import pytest

import attn_audit as public
from attn_audit.data.skipped_rows import quoting_no_text
from attn_audit.errors import AuditFailedError
from attn_audit.settings import AuditSettings
from tests.cli.conftest import AttnAudit, invoke, write_model
from tests.conftest import Checkpoint

SUFFIXES = (".json", ".html", ".md", ".tex", ".txt", ".csv", ".xml", ".sarif")

QUICK = ("--permutations", 3, "--iterations", 2, "--restarts", 1)

MARK = "qzqz"
"""In a word of every text, and by chance in no script or hash."""


def write_texts(path: Path) -> Path:
    """Eight labelled ones."""
    rows = [
        {"id": f"e{i}", "text": f"w{i + 4} {MARK}{i} w9 w{i + 13}", "label": f"label{i % 2}"}
        for i in range(8)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "texts.jsonl")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two audits that were not told to write none."""
    folder = tmp_path_factory.mktemp("kept")
    texts = write_texts(folder / "texts.jsonl")
    for seed in (0, 1):
        pages = [part for s in ("json", "html") for part in ("--output", folder / f"{seed}.{s}")]
        words = (*QUICK, *pages, "--records", folder / f"{seed}.parquet", "--quiet")
        model = write_model(folder / f"{seed}.pt", seed)
        assert invoke("audit", model, texts, *words).exit_code == 0
    return folder


def told(folder: Path) -> list[str]:
    """Files in which a word of the texts stands."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content = json.dumps(pq.read_table(path).to_pylist()).encode()
        if MARK.encode() in content:
            found.append(path.name)
    return found


def outputs(folder: Path) -> list[object]:
    folder.mkdir()
    return [part for suffix in SUFFIXES for part in ("--output", folder / f"report{suffix}")]


def test_an_audit_writes_no_word_of_the_texts(
    attn_audit: AttnAudit, model: Path, texts: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    result = attn_audit(
        "audit", model, texts, *QUICK, *outputs(made), "--figures", made / "figures",
        "--records", made / "records.parquet", "--run-dir", made / "run", "--policy", "default",
        "--format", "terminal", "--no-texts",
    )  # fmt: skip
    assert {path.name for path in made.iterdir()} > {"report.html", "records.parquet", "run"}
    assert MARK not in result.stdout + result.stderr
    assert told(made) == []
    record = pq.read_table(made / "records.parquet").to_pylist()[0]
    assert record["units"] == [f"#{i}" for i in range(1, record["n_units"] + 1)]
    assert "e0" in (made / "report.html").read_text()


def test_without_being_told_so_it_does(kept: Path) -> None:
    assert {"0.html", "0.json", "0.parquet"} <= set(told(kept))


def test_a_stored_report_is_shown_without_them(
    attn_audit: AttnAudit, kept: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    result = attn_audit(
        "report", kept / "0.json", *outputs(made), "--figures", made / "figures",
        "--policy", "default", "--format", "terminal", "--no-texts",
    )  # fmt: skip
    assert result.exit_code == 0
    assert MARK not in result.stdout + result.stderr
    assert told(made) == []
    assert json.loads((made / "report.json").read_text())["records"] is None


def test_an_audit_without_them_can_be_verified(
    attn_audit: AttnAudit, model: Path, texts: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    attn_audit(
        "audit", model, texts, *QUICK, "--no-texts",
        "--output", report, "--records", tmp_path / "records.parquet",
    )  # fmt: skip
    result = attn_audit("verify", report, model, texts)
    assert result.exit_code == 0, result.stdout
    assert MARK not in result.stdout


def test_records_of_a_run_that_kept_words_are_refused(
    attn_audit: AttnAudit, model: Path, texts: Path, tmp_path: Path
) -> None:
    attn_audit("audit", model, texts, *QUICK, "--run-dir", tmp_path / "run", "-q")
    result = attn_audit("report", tmp_path / "run", "--records", tmp_path / "r.csv", "--no-texts")
    assert result.exit_code == 2
    assert "keeps words of the texts" in result.stderr


OF_RESULTS = (".json", ".html", ".md", ".tex", ".txt")


def test_an_explanation_tells_places_alone(
    attn_audit: AttnAudit, model: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    outputs = [part for suffix in OF_RESULTS for part in ("--output", made / f"one{suffix}")]
    text = " ".join(f"{MARK}{i}" for i in range(5))
    words = ("explain", model, "--text", text, "--format", "terminal")
    assert MARK in attn_audit(*words).stdout
    result = attn_audit(*words, *outputs, "--no-texts")
    assert result.exit_code == 0
    assert MARK not in result.stdout + result.stderr
    assert told(made) == []
    assert "without '#" in result.stdout
    found = json.loads((made / "one.json").read_text())
    assert (found["text"], found["record"]["units"]) == ("", ["#1", "#2", "#3", "#4", "#5"])
    called = public.explain(str(model), text, no_texts=True)
    assert called.text == ""
    assert MARK not in repr(called)


def test_a_gate_and_a_comparison_of_what_holds_them_write_none(
    attn_audit: AttnAudit, kept: Path, tmp_path: Path
) -> None:
    reports = [kept / "0.json", kept / "1.json"]
    gate, compare = ("gate", reports[0]), ("compare", *reports, "--policy", "no-worse")
    assert MARK in attn_audit(*compare).stdout
    for command in (gate, compare):
        made = tmp_path / str(command[0])
        result = attn_audit(*command, *outputs(made), "--format", "terminal", "--no-texts")
        assert result.exit_code in (0, 1, 4), result.stderr
        assert MARK not in result.stdout + result.stderr
        assert told(made) == []
    judged = public.judge(reports[0], no_texts=True)
    compared = public.compare(reports[0], reports[1], "no-worse", no_texts=True)
    assert MARK in public.compare(*reports).model_dump_json()
    for command, called in ((gate, judged), (compare, compared)):
        called.save(tmp_path / "called.json")
        said = attn_audit(*command, "--format", "json", "--no-texts", "-q")
        assert (tmp_path / "called.json").read_text() == said.stdout


WRONG_ROWS = {
    "a row that is no object": [f'"{MARK}"'],
    "malformed JSON": ['{"text": "' + MARK],
    "a text that is none": [json.dumps({"text": [MARK]})],
    "a label of free text": [json.dumps({"text": MARK, "label": f"{MARK} is free"})],
    "a label that is none": [json.dumps({"text": MARK, "label": {"a": MARK}})],
    "rows of several kinds": [f'"{MARK}"', json.dumps({"text": "w4", "label": MARK})] * 2,
}


@pytest.mark.parametrize(
    ("command", "rows"),
    [
        *(("audit", name) for name in WRONG_ROWS),
        ("check-data", "rows of several kinds"),
        ("plan", "a label of free text"),
    ],
)
def test_a_message_about_a_row_says_where_it_is(
    attn_audit: AttnAudit, model: Path, texts: Path, command: str, rows: str
) -> None:
    texts.write_text(texts.read_text() + "".join(f"{row}\n" for row in WRONG_ROWS[rows]))
    quick = QUICK if command != "check-data" else ()
    quoting = attn_audit(command, model, texts, *quick)
    result = attn_audit(command, model, texts, *quick, "--no-texts")
    assert (quoting.exit_code, result.exit_code) == (2, 2)
    assert MARK not in result.stdout + result.stderr
    assert "texts.jsonl:9" in result.stderr
    assert "hint: Without --no-texts the message quotes what stands there." in result.stderr


def test_a_table_without_its_header_is_not_quoted(
    attn_audit: AttnAudit, model: Path, tmp_path: Path
) -> None:
    table = tmp_path / "no_header.csv"
    table.write_text(f"{MARK} w4,label0\nw9 w11,label1\n")
    result = attn_audit("audit", model, table, *QUICK, "--no-texts")
    assert result.exit_code == 2
    assert MARK not in result.stderr
    assert "no_header.csv" in result.stderr


def test_what_a_module_says_of_a_text_is_not_quoted() -> None:
    @quoting_no_text
    def fail(settings: AuditSettings) -> None:
        raise KeyError(MARK)

    with pytest.raises(AuditFailedError, match=r"KeyError in .*test_no_texts\.py line") as caught:
        fail(AuditSettings(no_texts=True))
    assert MARK not in "".join(format_exception(caught.value, chain=True))
    with pytest.raises(KeyError, match=MARK):
        fail(AuditSettings())


def test_of_a_prompt_neither_its_fields_nor_what_was_written_around_one_text(
    attn_audit: AttnAudit, language_model: Checkpoint, tmp_path: Path
) -> None:
    model, rows, made = language_model("gpt2"), tmp_path / "asked.jsonl", tmp_path / "made"
    rows.write_text(
        "".join(
            json.dumps({"id": f"e{i}", "text": f"a {MARK} film {i}", "question": MARK}) + "\n"
            for i in range(4)
        )
    )
    asked = ("--options", " bad, not", "--unit", "word", "--format", "terminal", "--no-texts")
    prompt = "{question} {text}\\nA:"
    result = attn_audit(
        "audit", model, rows, "--prompt", prompt, *asked, *QUICK, *outputs(made),
        "--policy", "default", "--records", made / "records.parquet",
    )  # fmt: skip
    assert result.exit_code in (0, 1, 4), result.stderr
    said = result.stdout + result.stderr
    out = [part for suffix in OF_RESULTS for part in ("--output", made / f"one{suffix}")]
    around = ("--text", "a fine film", "--prompt", f"{MARK} {{text}}\\nA:")
    result = attn_audit("explain", model, *around, *asked, *QUICK, "--layer", "last", *out)
    assert result.exit_code == 0, result.stderr
    assert MARK not in said + result.stdout + result.stderr
    assert told(made) == []
    settings = json.loads((made / "report.json").read_text())["settings"]
    assert settings["prompt"] == "{question} {text}\nA:"  # whoever asks again needs it
