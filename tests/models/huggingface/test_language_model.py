"""Causal language models that are asked: answers, units in a prompt, and attention."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

import attn_audit
from attn_audit import Example
from attn_audit.distances import Logits
from attn_audit.errors import ConfigurationError, IncompatibleDataError, UnsupportedModelError
from attn_audit.findings.field import MARGIN
from attn_audit.findings.registry import record_fields
from attn_audit.models.contract import Site
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.encoding import EncodedTokens, Side
from attn_audit.models.huggingface.hub import quiet
from attn_audit.models.huggingface.loading import load_classifier
from attn_audit.models.huggingface.model import HuggingFaceModel
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.interception.readout import reaching_rows
from attn_audit.models.options import ModelOptions
from tests.checkpoints import SENTENCES, randomize, shared_model, transformers_model
from tests.conftest import Checkpoint
from tests.models.huggingface.replays import require_replays_of_full_passes
from tests.models.interception.zoo import CONFIGURATIONS

KINDS = ("llama", "gpt2")
PROMPT = "Review: {text}\nSentiment:"
OF_ONE_TOKEN = (" bad", " not", " never")
OF_SEVERAL = (" dull", " wonderful", " bad")
EXAMPLES = [Example(f"e{i}", text) for i, text in enumerate(SENTENCES[:8])]


def asked(folder: Path, **said: Any) -> HuggingFaceModel:
    said = {"prompt": PROMPT, "options": OF_ONE_TOKEN, "examples": EXAMPLES[:3], **said}
    return shared_model(AutoModelForCausalLM, folder, **said)


@cache
def plain(folder: Path) -> tuple[Any, Any]:
    """The model and the tokenizer as the library loads them."""
    module = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return module, AutoTokenizer.from_pretrained(folder)


@torch.no_grad()
def by_plain_code(folder: Path, texts: list[str], options: tuple[str, ...], score: str) -> Tensor:
    """What the library gives of each whole prompt and answer by itself."""
    module, tokenizer = plain(folder)
    rows = []
    for text in texts:
        prompt = tokenizer(PROMPT.format(text=text))["input_ids"]
        row = []
        for option in options:
            ids = tokenizer(PROMPT.format(text=text) + option)["input_ids"]
            logits = module(torch.tensor([ids])).logits[0]
            if score == "first":
                row.append(logits[len(prompt) - 1, ids[len(prompt)]])
                continue
            every = logits.log_softmax(-1)
            own = [every[i - 1, ids[i]] for i in range(len(prompt), len(ids))]
            own = own[:1] if score == "log first" else own
            row.append(sum(own) / (len(own) if score.endswith("mean") else 1))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def logits_of(model: HuggingFaceModel, examples: list[Example]) -> Logits:
    batch = model.collate(model.encode(examples))
    return model.read(batch, [model.default_site])[0].logits


@pytest.mark.parametrize("kind", KINDS)
def test_answers_of_one_token_have_the_logits_of_their_tokens(
    kind: str, language_model: Checkpoint
) -> None:
    found = logits_of(asked(language_model(kind)), EXAMPLES)
    expected = by_plain_code(language_model(kind), list(SENTENCES[:8]), OF_ONE_TOKEN, "first")
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "score"), [("llama", "sum"), ("llama", "mean"), ("llama", "first"), ("gpt2", "sum")]
)
def test_answers_of_several_tokens_have_the_log_probabilities_of_all(
    kind: str, score: Any, language_model: Checkpoint
) -> None:
    model = asked(language_model(kind), options=OF_SEVERAL, answer_score=score)
    expected = by_plain_code(language_model(kind), list(SENTENCES[:8]), OF_SEVERAL, score)
    assert torch.allclose(logits_of(model, EXAMPLES), expected, atol=1e-4)
    assert model.task.labels == ("dull", "wonderful", "bad")


def test_nothing_else_of_the_vocabulary_is_computed(
    language_model: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, ...]] = []
    outputs = HuggingFaceClassifier.call

    def noted(self: HuggingFaceClassifier, *given: Any, **named: Any) -> Any:
        output = outputs(self, *given, **named)
        sizes.append(tuple(output.logits.shape))
        return output

    model = asked(language_model("llama"))
    monkeypatch.setattr(HuggingFaceClassifier, "call", noted)
    logits_of(model, EXAMPLES)
    assert sizes == [(8, 1, 3)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [OF_ONE_TOKEN, OF_SEVERAL])
def test_own_attention_reproduces_and_other_attention_is_what_a_full_pass_gives(
    kind: str, options: tuple[str, ...], language_model: Checkpoint
) -> None:
    require_replays_of_full_passes(asked(language_model(kind), options=options), EXAMPLES[:4])


@pytest.mark.parametrize("model_type", ["qwen3", "gemma3_text", "mistral", "phi", "gpt_neox"])
def test_other_families_are_asked_the_same_way(model_type: str, language_model: Checkpoint) -> None:
    tokenizer = AutoTokenizer.from_pretrained(language_model("llama"))
    sizes = {**CONFIGURATIONS[model_type], "vocab_size": len(tokenizer), "pad_token_id": None}
    module = AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **sizes)).eval()
    randomize(module)
    said: dict[str, Any] = {"prompt": PROMPT, "examples": EXAMPLES[:3]}
    model = transformers_model(module, tokenizer, options=OF_ONE_TOKEN, **said)
    expected = []
    for example in EXAMPLES:
        ids = tokenizer([PROMPT.format(text=example.text) + o for o in OF_ONE_TOKEN])["input_ids"]
        with torch.no_grad():
            logits = module(torch.tensor([ids[0][:-1]])).logits[0, -1]
        expected.append(logits[[each[-1] for each in ids]])
    assert torch.allclose(logits_of(model, EXAMPLES), torch.stack(expected), atol=1e-4)
    batch = model.collate(model.encode(EXAMPLES))
    for reading in model.read(batch, [Site(layer) for layer in range(len(model.layers))]):
        own = reading.replay(reading.attention.unsqueeze(1))[:, 0]
        assert torch.allclose(own, reading.logits, atol=1e-4)
    if "sliding_window" in sizes:  # shorter here than any prompt
        with pytest.raises(UnsupportedModelError, match="answers of several tokens"):
            transformers_model(module, tokenizer, options=OF_SEVERAL, **said)


def test_a_prompt_longer_than_a_window_is_refused_answers_of_several_tokens(
    language_model: Checkpoint,
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(language_model("llama"))
    sizes = {**CONFIGURATIONS["mistral"], "vocab_size": len(tokenizer), "sliding_window": 40}
    config = AutoConfig.for_model("mistral", **sizes)
    module = AutoModelForCausalLM.from_config(config).eval()
    said: dict[str, Any] = {"prompt": PROMPT, "examples": EXAMPLES[2:4]}
    long = [Example("long", "It is dull. " * 5)]
    several = transformers_model(module, tokenizer, options=(" dull", " bad"), **said)
    with pytest.raises(IncompatibleDataError, match="the model takes 40"):
        several.encode(long)
    assert transformers_model(module, tokenizer, options=OF_ONE_TOKEN, **said).encode(long)


def test_the_rows_that_are_read_are_those_whose_attention_reaches_the_answers(
    language_model: Checkpoint,
) -> None:
    model = asked(language_model("llama"), options=OF_SEVERAL)
    found = model.describe().findings
    assert found is not None
    assert found.readout == "the tokens that answer what is asked"
    batch = model.collate(model.encode(EXAMPLES))
    assert isinstance(batch, InterceptedBatch)
    last = model._survey.points[-1].number
    reaching = reaching_rows(model.classifier, batch.inputs, [last])[last]
    named = model.classifier.read_rows(batch.inputs)
    assert named is not None
    assert torch.equal(named, reaching)
    assert len(set(reaching.sum(1).tolist())) == 1


def test_what_follows_may_be_longer_than_where_it_was_tried(language_model: Checkpoint) -> None:
    said: dict[str, Any] = {"prompt": PROMPT + " {answer}", "target": "answer", "options": ()}
    short = [Example(f"e{i}", SENTENCES[i], fields={"answer": "bad"}) for i in range(3)]
    model = asked(language_model("llama"), examples=short, **said)
    batch = model.collate(model.encode(FOLLOWED))
    (reading,) = model.read(batch, [model.default_site])
    n_rows = reading.row_mask.sum(1) // model.layers[-1].n_heads
    assert n_rows.tolist() == [
        len(each.following) - each.following.count(-1)
        for each in batch.encoded
        if isinstance(each, EncodedTokens)
    ]
    assert len(set(n_rows.tolist())) > 1


@pytest.mark.parametrize("options", [OF_ONE_TOKEN, OF_SEVERAL])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_nothing(
    side: Side,
    options: tuple[str, ...],
    language_model: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = asked(language_model("llama"), options=options)
    alone = torch.cat([logits_of(model, [example]) for example in EXAMPLES])
    assert isinstance(model.classifier, HuggingFaceClassifier)
    monkeypatch.setattr(model.classifier, "padding_side", side)
    batch = model.collate(model.encode(EXAMPLES))
    (reading,) = model.read(batch, [model.default_site])
    assert torch.allclose(reading.logits, alone, atol=1e-5)
    keep = batch.unit_mask.unsqueeze(1).clone()
    keep[:, :, 1] = False
    assert torch.allclose(
        model.erase(batch, keep, "delete")[:1],
        model.erase(model.collate(batch.encoded[:1]), keep[:1, :, : keep[0].sum() + 1], "delete"),
        atol=1e-5,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_deleted_unit_leaves_the_prompt_without_its_tokens(
    kind: str, language_model: Checkpoint
) -> None:
    model = asked(language_model(kind), options=OF_SEVERAL, unit="word")
    batch = model.collate(model.encode([Example("a", "The plot is dull.")]))
    keep = torch.tensor([[[True, False, True, True]]])
    module = AutoModelForCausalLM.from_pretrained(language_model(kind)).eval()
    tokenizer = AutoTokenizer.from_pretrained(language_model(kind))
    expected = []
    for option in OF_SEVERAL:
        found = tokenizer(PROMPT.format(text="The plot is dull.") + option)
        where = "Review: The plot"
        tokens = found.encodings[0].offsets
        gone = range(len("Review: The"), len(where))
        kept = [
            token
            for token, (start, end) in zip(found["input_ids"], tokens, strict=True)
            if start not in gone or end - start == 0
        ]
        n = len(tokenizer(option, add_special_tokens=False)["input_ids"])
        with torch.no_grad():
            every = module(torch.tensor([kept])).logits[0].log_softmax(-1)
        rows = range(len(kept) - n, len(kept))
        expected.append(sum(float(every[i - 1, kept[i]]) for i in rows))
    found = model.erase(batch, keep, "delete")[0, 0]
    assert found.tolist() == pytest.approx(expected, abs=1e-4)


def scores_of(logits: Tensor, first: int, ids: list[int]) -> Tensor:
    """The log-probability of an answer behind the token before its first."""
    every = logits.log_softmax(-1)
    return sum((every[first - 1 + i, token] for i, token in enumerate(ids)), torch.tensor(0.0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_masked_unit_is_out_of_sight_and_gradients_are_those_of_each_answer_alone(
    kind: str, language_model: Checkpoint
) -> None:
    model = asked(language_model(kind), options=OF_SEVERAL, unit="word")
    text = "The plot is dull."
    batch = model.collate(model.encode([Example("a", text)]))
    assert isinstance(batch, InterceptedBatch)
    module = AutoModelForCausalLM.from_pretrained(language_model(kind)).eval()
    tokenizer = AutoTokenizer.from_pretrained(language_model(kind))
    n_prompt = len(tokenizer(PROMPT.format(text=text))["input_ids"])
    units = batch.inputs.units[0, :n_prompt]
    masked, gradients = [], []
    for option in OF_SEVERAL:
        ids = tokenizer(PROMPT.format(text=text) + option)["input_ids"]
        mask = torch.ones(1, len(ids), dtype=torch.long)
        mask[0, :n_prompt] = units != 1
        with torch.no_grad():
            places = torch.arange(len(ids)).unsqueeze(0)
            out = module(torch.tensor([ids]), attention_mask=mask, position_ids=places)
        masked.append(float(scores_of(out.logits[0], n_prompt, ids[n_prompt:])))
        embedded = module.get_input_embeddings()(torch.tensor([ids])).detach().requires_grad_()
        score = scores_of(module(inputs_embeds=embedded).logits[0], n_prompt, ids[n_prompt:])
        (slope,) = torch.autograd.grad(score, embedded)
        gradients.append(slope[0, :n_prompt][units >= 0])
    keep = torch.tensor([[[True, False, True, True]]])
    assert model.erase(batch, keep, "mask")[0, 0].tolist() == pytest.approx(masked, abs=1e-4)
    embeddings = model.embed(batch).detach().requires_grad_()
    logits = model.forward(batch, embeddings, hold_attention=False)
    for i, expected in enumerate(gradients):
        (slope,) = torch.autograd.grad(logits[0, i], embeddings, retain_graph=True)
        found = slope[0][batch.inputs.units[0] >= 0]
        assert torch.allclose(found, expected, atol=1e-4)


def test_only_the_text_is_audited_and_the_rest_of_the_prompt_keeps_its_share(
    language_model: Checkpoint,
) -> None:
    model = asked(language_model("llama"), unit="word")
    batch = model.collate(model.encode(EXAMPLES[:4]))
    assert [[u.text for u in item.units] for item in batch.encoded] == [
        text.split() for text in SENTENCES[:4]
    ]
    (reading,) = model.read(batch, [model.default_site])
    assert torch.allclose(reading.mass + reading.rest, torch.ones_like(reading.mass), atol=1e-5)
    assert float(reading.rest.min()) > 0.01


def test_a_token_of_text_and_prompt_is_the_texts_and_said(language_model: Checkpoint) -> None:
    trial = [Example("a", "ad as it is"), Example("b", "Dull.")]
    joined = asked(language_model("llama"), prompt="Is it b{text} or not?", examples=trial)
    (item,) = joined.encode(trial[:1])
    assert [unit.text for unit in item.units] == ["ad", "as", "it", "is"]
    said = joined.describe().details["prompt and text"]
    assert said == "the tokens that hold letters of both, in 1 of 2 texts tried, are the text's"
    assert "prompt and text" not in asked(language_model("llama")).describe().details


def test_another_field_of_the_row_is_audited_where_it_is_named(
    language_model: Checkpoint,
) -> None:
    prompt = "{context}\nQuestion: {text}\nAnswer:"
    fields = {"text": "Is it good?"}
    trial = [Example("a", "It is dull.", fields=fields), Example("b", "Bad.", fields=fields)]
    said: dict[str, Any] = {"prompt": prompt, "audited": "context", "unit": "word"}
    model = asked(language_model("llama"), examples=trial, **said)
    rows = [
        {"text": "Is it good?", "context": "It is dull.", "id": "a"},
        {"text": "Is it bad?", "context": "Nobody liked the film.", "id": "b"},
    ]
    report = attn_audit.audit(model, rows, checks="correlation", layer="last")
    assert report.records["units"].to_pylist() == [
        ["It", "is", "dull."],
        ["Nobody", "liked", "the", "film."],
    ]
    assert report.settings.prompt == prompt
    assert report.settings.fields["text"] == "context"


def test_a_chat_is_what_the_template_makes_of_the_prompt(language_model: Checkpoint) -> None:
    said: dict[str, Any] = {"chat": True, "options": ("bad", "not"), "unit": "word"}
    model = asked(language_model("llama"), answer_score="first", **said)
    (item,) = model.encode([Example("a", "It is dull.")])
    tokenizer = AutoTokenizer.from_pretrained(language_model("llama"))
    whole = "<|user|>\nReview: It is dull.\nSentiment:\n<|assistant|>\n"
    assert isinstance(item, EncodedTokens)
    assert item.token_ids == tuple(tokenizer(whole, add_special_tokens=False)["input_ids"])
    assert [unit.text for unit in item.units] == ["It", "is", "dull."]


def test_outer_blanks_that_a_chat_takes_off_are_no_unit(language_model: Checkpoint) -> None:
    model = asked(
        language_model("llama"), chat=True, prompt="{text}", options=("bad", "not"), unit="word"
    )
    (item,) = model.encode([Example("a", "  It is dull. ")])
    assert [(unit.text, unit.start) for unit in item.units] == [("It", 2), ("is", 5), ("dull.", 8)]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"options": (" bad", "bad")}, "answers with names that differ"),
        ({"options": (" bad",)}, "two or more answers"),
        ({"options": ()}, "nothing is asked"),
        ({"target": "next"}, "only one of the two is asked"),
        ({"prompt": None}, "there is no prompt"),
        ({"options": (), "zero_shot": ("a", "a")}, "labels that differ"),
    ],
)
def test_what_cannot_be_asked_is_refused_as_on_the_command_line(
    said: dict[str, Any], problem: str, language_model: Checkpoint
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        asked(language_model("llama"), **said)


def test_options_in_one_text_are_what_its_commas_part(language_model: Checkpoint) -> None:
    assert asked(language_model("llama"), options=" bad, not").task.labels == ("bad", "not")


FOLLOWED = [
    Example(f"e{i}", text, fields={"answer": ("dull", "wonderful and touching", "bad")[i % 3]})
    for i, text in enumerate(SENTENCES[:6])
]


@pytest.mark.parametrize(
    ("kind", "score"), [("llama", "sum"), ("llama", "mean"), ("llama", "first"), ("gpt2", "mean")]
)
def test_what_follows_has_the_probability_that_the_library_gives_it(
    kind: str, score: Any, language_model: Checkpoint
) -> None:
    said: dict[str, Any] = {"prompt": PROMPT + " {answer}", "target": "answer", "options": ()}
    model = asked(language_model(kind), answer_score=score, examples=FOLLOWED[:3], **said)
    expected = []
    for example in FOLLOWED:
        options = (" " + example.fields["answer"],)
        likely = by_plain_code(language_model(kind), [example.text], options, f"log {score}")
        expected.append(float(likely.exp()))
    found = model.task.probabilities(logits_of(model, FOLLOWED))[:, 0]
    assert found.tolist() == pytest.approx(expected, rel=1e-3, abs=0)
    alone = torch.cat([logits_of(model, [example]) for example in FOLLOWED])
    assert torch.allclose(logits_of(model, FOLLOWED), alone, atol=1e-4)
    batch = model.collate(model.encode(FOLLOWED))
    (reading,) = model.read(batch, [Site(1)])
    own = reading.replay(reading.attention.unsqueeze(1))[:, 0]
    assert torch.allclose(own, reading.logits, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_follows_is_read_behind_what_is_left_of_a_prompt_that_ends_with_the_text(
    kind: str, language_model: Checkpoint
) -> None:
    said: dict[str, Any] = {"prompt": "{text} {answer}", "target": "answer", "options": ()}
    model = asked(language_model(kind), examples=FOLLOWED[:3], **said)
    example = FOLLOWED[1]
    batch = model.collate(model.encode([example]))
    module = AutoModelForCausalLM.from_pretrained(language_model(kind)).eval()
    tokenizer = AutoTokenizer.from_pretrained(language_model(kind))
    prompt = tokenizer(example.text)["input_ids"]
    answer = tokenizer(f"{example.text} {example.fields['answer']}")["input_ids"][len(prompt) :]
    n_units = batch.encoded[0].n_units
    n_markers = len(prompt) - n_units  # GPT-2 has none, and nothing is left of its prompt
    for n_left in (n_units - 1, n_units - 2, 1, 0):
        keep = (torch.arange(n_units) < n_left)[None, None]
        left = prompt[: n_markers + n_left] or prompt
        with torch.no_grad():
            logits = module(torch.tensor([left + answer])).logits[0]
        likely = scores_of(logits, len(left), answer).double()
        expected = likely - torch.log1p(-likely.exp())
        found = model.erase(batch, keep, "delete")[0, 0]
        assert found.tolist() == pytest.approx([float(expected)], rel=1e-5), n_left


@pytest.fixture(scope="module")
def classifier(language_model: Checkpoint) -> HuggingFaceModel:
    """The language model with the answers' rows of its head for a head."""
    folder = language_model("llama")
    causal = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = causal.config
    config.id2label = {i: option.strip() for i, option in enumerate(OF_ONE_TOKEN)}
    module = AutoModelForSequenceClassification.from_config(config)
    module.model.load_state_dict(causal.model.state_dict())
    rows = [tokenizer(o, add_special_tokens=False)["input_ids"][0] for o in OF_ONE_TOKEN]
    with torch.no_grad():
        module.score.weight.copy_(causal.lm_head.weight[rows])
    return transformers_model(module.eval(), tokenizer, examples=EXAMPLES[:3])


def test_a_model_that_is_asked_is_the_classifier_whose_head_has_the_answers_rows(
    language_model: Checkpoint, classifier: HuggingFaceModel
) -> None:
    said: dict[str, Any] = {
        "checks": ["correlation", "attended", "permutation", "adversarial", "replacement"],
        "layer": 1,
        "iterations": 10,
        "permutations": 5,
    }
    one = attn_audit.audit(asked(language_model("llama"), prompt="{text}"), EXAMPLES[:4], **said)
    other = attn_audit.audit(classifier, EXAMPLES[:4], **said)
    assert one.records.column_names == other.records.column_names
    of_margins = {
        field.name
        for field in record_fields()
        if field.range.unit == MARGIN.unit and not one.records[field.name].null_count
    }
    for name in one.records.column_names:
        found, expected = one.records[name].to_pylist(), other.records[name].to_pylist()
        # Of a margin next to nothing, shares are off by more: by as much as the margin itself is.
        of_margin = 1e-3 if name in of_margins else None
        close = pytest.approx(flat(expected), abs=1e-5, rel=of_margin, nan_ok=True)
        assert flat(found) == close, name


def flat(values: Any) -> list[Any]:
    if isinstance(values, list):
        return [each for value in values for each in flat(value)]
    return [values]


def test_an_adapter_changes_the_language_model_that_it_names(
    language_model: Checkpoint, tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft")
    base = language_model("llama")
    config = peft.LoraConfig(r=2, task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"])
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(0)
        adapted = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).eval()
        with torch.no_grad():
            for parameter in adapted.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.2)
        adapted.save_pretrained(tmp_path / "adapter")
    options, device = ModelOptions(prompt=PROMPT, options=OF_ONE_TOKEN), torch.device("cpu")
    loaded = load_classifier(str(tmp_path / "adapter"), options, device)
    assert loaded.describe().details["adapter"] == "LORA"
    tokenizer = AutoTokenizer.from_pretrained(base)
    for example in EXAMPLES[:2]:
        whole = [PROMPT.format(text=example.text) + option for option in OF_ONE_TOKEN]
        ids = tokenizer(whole)["input_ids"]
        with torch.no_grad():
            expected = adapted(torch.tensor([ids[0][:-1]])).logits[0, -1]
            found = loaded.logits(loaded.collate(loaded.encode([example])))[0]
        assert torch.allclose(found, expected[[each[-1] for each in ids]], atol=1e-5)
