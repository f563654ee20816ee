"""Causal language models through the command line: what they are asked, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.checkpoints import SENTENCES
from tests.cli.conftest import AttnAudit
from tests.conftest import Checkpoint

PROMPT = "Review: {text}\\nSentiment:"
QUICK = ("--permutations", 3, "--iterations", 2, "--restarts", 1)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    rows = [
        {"id": f"e{i}", "text": text, "label": ("bad", "not")[i % 2], "question": "Good?"}
        for i, text in enumerate(SENTENCES[:4])
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path


def test_a_language_model_is_audited_at_a_layer_that_other_texts_chose(
    attn_audit: AttnAudit, language_model: Checkpoint, texts: Path
) -> None:
    asked = ("--prompt", PROMPT, "--options", " bad, not, never")
    outcome = attn_audit(
        "audit", language_model("llama"), texts, *asked, *QUICK, "--output", "report.json",
        "--output", "report.txt", "--records", "records.parquet",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    report = json.loads(Path("report.json").read_text())
    assert report["settings"]["prompt"] == "Review: {text}\nSentiment:"
    assert report["settings"]["options"] == [" bad", " not", " never"]
    assert report["model"]["labels"] == ["bad", "not", "never"]
    assert "replacement" in report["settings"]["checks"]
    assert report["data"]["n_choosing"] + report["data"]["n_examples"] == 4
    text = " ".join(Path("report.txt").read_text().split())
    assert "Where does the attention lie that the output is read from?" in text
    assert r"'Review: {text}\nSentiment:'; ' bad', ' not', ' never', by the logit" in text
    outcome = attn_audit("verify", "report.json", language_model("llama"), texts)
    assert outcome.exit_code == 0, outcome.stdout
    assert "Everything holds" in outcome.stdout


def test_a_prompt_from_a_file_is_what_stands_there(
    attn_audit: AttnAudit, language_model: Checkpoint, texts: Path
) -> None:
    Path("prompt.txt").write_text("{question}\n{text}\\n\nA:\n")
    outcome = attn_audit(
        "correlate", language_model("gpt2"), texts, "--prompt-file", "prompt.txt", "--options",
        " bad, not", "--audited", "question", "--output", "report.json", "--records", "r.jsonl",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    details = json.loads(Path("report.json").read_text())["model"]["details"]
    assert details["prompt"] == repr("{question}\n{text}\\n\nA:")
    outcome = attn_audit("verify", "report.json", language_model("gpt2"), texts)
    assert outcome.exit_code == 0, outcome.stdout


def test_one_text_is_explained_at_a_layer_that_texts_of_ours_choose(
    attn_audit: AttnAudit, language_model: Checkpoint
) -> None:
    outcome = attn_audit(
        "explain", language_model("llama"), "--text", SENTENCES[0], "--prompt", PROMPT,
        "--options", " bad, not", "--unit", "word", *QUICK,
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    assert "gorgeous," in outcome.stdout


def test_what_follows_may_be_a_field_of_the_row_that_is_then_no_label(
    attn_audit: AttnAudit, language_model: Checkpoint, texts: Path
) -> None:
    outcome = attn_audit(
        "correlate", language_model("gpt2"), texts, "--prompt", PROMPT + " {label}", "--target",
        "label", "--answer-score", "mean", "--output", "report.json", "--records",
        "records.parquet",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    report = json.loads(Path("report.json").read_text())
    assert report["model"]["labels"] == ["not label", "label"]
    assert report["data"]["n_labelled"] == 0
    outcome = attn_audit("verify", "report.json", language_model("gpt2"), texts)
    assert outcome.exit_code == 0, outcome.stdout + outcome.stderr


ASKED = ("--prompt", PROMPT, "--options")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            ("--prompt", r"Review: {text}\nSentiment: ", "--options", "bad,not"),
            "the tokenizer joins 'bad' with the end of the prompt",
        ),
        ((*ASKED, " dull, dislike", "--answer-score", "first"), "begin with the same token"),
        (("--prompt", "Review:", "--options", " bad, not"), "'Review:' has no {text}"),
        (("--prompt", "{text} {context}", "--options", " bad, not"), "no field 'context'"),
        ((*ASKED, " bad, not", "--audited", "question"), "has no {question}"),
        (("--options", " bad, not"), "--options: there is no prompt"),
        (("--chat",), "--chat: nothing is asked"),
        (("--prompt", PROMPT), "--prompt: nothing is asked"),
        ((*ASKED, " bad"), "two or more answers with names that differ, not ' bad'"),
        ((*ASKED, " bad,bad"), "two or more answers with names that differ"),
        ((*ASKED, " bad, not", "--prompt-file", "p.txt"), "the prompt is given by --prompt too"),
        (("--prompt-file", "p.txt", "--options", " bad, not"), "p.txt: there is no such file"),
        ((*ASKED, " bad, not", "--target", "label"), "--target: there are --options"),
        (("--prompt", PROMPT, "--target", "label"), "does not end with {label}"),
        ((*ASKED, " bad, not", "--max-length", 9), "and the model takes 9"),
        ((*ASKED, " dull, not", "--max-length", 9), "name some of one token, or say"),
        ((*ASKED, " bad, not", "--task", "binary"), "--task means nothing to a model whose"),
        ((*ASKED, " bad, \udcff"), r"--options is not valid Unicode: ' \udcff'"),
        (("--prompt", "\udcff {text}", "--options", " bad, not"), "--prompt is not valid Unicode"),
        (
            ("--zero-shot", "a,b", "--prompt", PROMPT),
            "--zero-shot: there is a prompt, and only one",
        ),
        (("--zero-shot", "a\udcff,b"), "--zero-shot is not valid Unicode"),
        ((), "--prompt 'Review: {text}\\nSentiment:' --options ' negative, positive'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_message(
    attn_audit: AttnAudit,
    language_model: Checkpoint,
    texts: Path,
    words: tuple[object, ...],
    problem: str,
) -> None:
    outcome = attn_audit("audit", language_model("llama"), texts, *words)
    assert outcome.exit_code == 2
    assert problem in " ".join(outcome.stderr.split())
    assert outcome.stderr.count("error:") == 1


@pytest.mark.parametrize(
    ("prompt", "more", "problem"),
    [
        ("{context} {text}", (), "explained in it, and the prompt names context too"),
        ("{text}", ("--text-pair", "It does."), "explained in it, and not --text-pair"),
    ],
)
def test_one_text_fills_one_place(
    attn_audit: AttnAudit,
    language_model: Checkpoint,
    prompt: str,
    more: tuple[str, ...],
    problem: str,
) -> None:
    asked = ("--prompt", prompt, "--options", " bad, not", *more)
    outcome = attn_audit("explain", language_model("llama"), "--text", "It rains.", *asked)
    assert outcome.exit_code == 2
    assert problem in outcome.stderr


def test_a_chat_needs_a_template(
    attn_audit: AttnAudit, language_model: Checkpoint, texts: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(language_model("llama"), tmp_path / "model")
    (folder / "chat_template.jinja").unlink()
    outcome = attn_audit("audit", folder, texts, *ASKED, " bad, not", "--chat")
    assert outcome.exit_code == 2
    assert "--chat: the tokenizer has no chat template" in outcome.stderr


def test_a_classifier_is_not_asked(
    attn_audit: AttnAudit, checkpoint: Checkpoint, texts: Path
) -> None:
    outcome = attn_audit("audit", checkpoint("llama"), texts, *ASKED, " bad, not")
    assert outcome.exit_code == 2
    assert "a LlamaForSequenceClassification, which is no causal language model" in outcome.stderr


def test_a_text_that_the_model_has_no_room_for_is_left_out_where_that_is_said(
    attn_audit: AttnAudit, language_model: Checkpoint, texts: Path
) -> None:
    with texts.open("a") as file:
        file.write(json.dumps({"id": "long", "text": "dull " * 60, "question": ""}) + "\n")
    asked = ("check-data", language_model("llama"), texts, *ASKED, " bad, not")
    outcome = attn_audit(*asked)
    assert outcome.exit_code == 2
    assert "texts.jsonl:5" in outcome.stderr
    assert "and the model takes 64" in outcome.stderr
    outcome = attn_audit(*asked, "--on-bad-row", "skip")
    assert outcome.exit_code == 0
    assert "4 rows of 5 can be audited" in outcome.stdout
    assert "left out: 1 row that the model has no room for: texts.jsonl:5" in outcome.stdout


def test_texts_that_the_model_has_no_room_for_may_come_first(
    attn_audit: AttnAudit, language_model: Checkpoint, texts: Path
) -> None:
    too_long = [
        json.dumps({"text": f"{i} " + "dull " * (60 + i), "question": ""}) for i in range(9)
    ]
    texts.write_text("\n".join(too_long) + "\n" + texts.read_text())
    asked = ("check-data", language_model("llama"), texts, *ASKED, " bad, not")
    outcome = attn_audit(*asked, "--on-bad-row", "skip")
    assert outcome.exit_code == 0, outcome.stderr
    assert "4 rows of 13 can be audited" in outcome.stdout


def test_a_new_line_in_an_option_is_written_as_in_a_prompt(
    attn_audit: AttnAudit, language_model: Checkpoint, texts: Path
) -> None:
    asked = ("inspect", language_model("llama"), texts, "--prompt", "{text} It is:")
    outcome = attn_audit(*asked, "--options", r"\nbad,\nnot", "--format", "json")
    assert outcome.exit_code == 0, outcome.stderr
    report = json.loads(outcome.stdout)
    assert report["labels"] == ["bad", "not"]
    assert r"'\nbad' (3)" in report["details"]["answers"]


def test_any_token_may_be_asked_for_and_verified(
    attn_audit: AttnAudit, language_model: Checkpoint, texts: Path
) -> None:
    asked = ("--prompt", PROMPT, "--target", "next", "--layer", "last", "--unit", "word")
    checks = ("--checks", "correlation,permutation,adversarial,erasure", "--erasure-sample", 2)
    outcome = attn_audit(
        "audit", language_model("llama"), texts, *asked, *checks, *QUICK, "--output",
        "report.json", "--output", "report.html", "--records", "records.jsonl",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    report = json.loads(Path("report.json").read_text())
    assert report["settings"]["target"] == "next"
    assert report["model"]["labels"] == []
    outcome = attn_audit("verify", "report.json", language_model("llama"), texts)
    assert outcome.exit_code == 0, outcome.stdout
    assert "Everything holds" in outcome.stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--options", "a,b"), "only one of the two is asked"),
        (("--answer-score", "mean"), "what follows is one token"),
    ],
)
def test_any_token_is_one_question(
    more: tuple[str, ...], said: str, attn_audit: AttnAudit, texts: Path
) -> None:
    outcome = attn_audit("audit", "model", texts, "--prompt", PROMPT, "--target", "next", *more)
    assert outcome.exit_code == 2
    assert said in outcome.stderr


SHORT_TEMPLATE = (
    "{% for message in messages %}{{ message.role[0] }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}"
)


@pytest.mark.parametrize(
    ("role", "words"),
    [
        (None, [["Is", "it", "dull?"], ["And", "bad?"]]),
        ("system", [["A", "story."], ["Slow,", "dull."]]),
        ("assistant", [["Not", "I."], ["It", "is."]]),
    ],
)
def test_of_a_chat_the_last_message_of_the_role_that_is_named_is_audited(
    attn_audit: AttnAudit,
    language_model: Checkpoint,
    tmp_path: Path,
    role: str | None,
    words: list[list[str]],
) -> None:
    folder = shutil.copytree(language_model("llama"), tmp_path / "model")
    (folder / "chat_template.jinja").write_text(SHORT_TEMPLATE)
    said = [
        ("A story.", "Who?", "Not I.", "Is it dull?"),
        ("Slow, dull.", "Is it?", "It is.", "And bad?"),
    ]
    roles = ("system", "user", "assistant", "user")
    chats = [[{"role": r, "content": c} for r, c in zip(roles, each, strict=True)] for each in said]
    Path("chats.jsonl").write_text("".join(json.dumps({"messages": c}) + "\n" for c in chats))
    audited = () if role is None else ("--audited", role)
    outcome = attn_audit(
        "audit", folder, "chats.jsonl", "--chat", "--options", " bad, is", *audited,
        "--unit", "word", "--layer", "last", "--checks", "correlation", "--output", "report.json",
        "--records", "records.jsonl",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    records = [json.loads(line) for line in Path("records.jsonl").read_text().splitlines()]
    assert [record["units"] for record in records] == words
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    module = AutoModelForCausalLM.from_pretrained(folder)
    answers = [tokenizer(o, add_special_tokens=False)["input_ids"][0] for o in (" bad", " is")]
    for chat, record in zip(chats, records, strict=True):
        given = tokenizer.apply_chat_template(
            chat, tokenize=True, add_generation_prompt=True, return_tensors="pt"
        )
        logits = module(given["input_ids"]).logits[0, -1, answers]
        assert record["probability"] == pytest.approx(logits.softmax(0).tolist(), abs=1e-4)
    outcome = attn_audit("verify", "report.json", folder, "chats.jsonl")
    assert outcome.exit_code == 0, outcome.stdout + outcome.stderr


def test_rows_that_are_no_chats_are_named_and_chats_are_not_put_in_prompts(
    attn_audit: AttnAudit, language_model: Checkpoint
) -> None:
    good = {"messages": [{"role": "user", "content": "Is it good?"}]}
    bad = {"messages": [{"role": "system", "content": "Be brief."}]}
    Path("chats.jsonl").write_text("\n".join(map(json.dumps, [good, good, bad, bad])) + "\n")
    asked = ("--target", "next", "--layer", "last")
    outcome = attn_audit("audit", language_model("llama"), "chats.jsonl", "--chat", *asked)
    assert outcome.exit_code == 2
    assert "2 rows with messages that are no chat" in outcome.stderr
    assert "chats.jsonl:3" in outcome.stderr
    outcome = attn_audit(
        "audit", language_model("llama"), "chats.jsonl", "--prompt", PROMPT, *asked
    )
    assert outcome.exit_code == 2
    assert "say --chat without --prompt" in outcome.stderr
