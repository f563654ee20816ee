"""Long texts in windows, against each window by itself in plain transformers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from math import exp
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import attn_audit
from attn_audit import Example
from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.measures.attention_gradient import attention_gradient
from attn_audit.measures.gradient import gradients
from attn_audit.measures.gradient_x_input import gradient_x_input
from attn_audit.measures.integrated_gradients import integrated_gradients
from attn_audit.measures.readout import rollout
from attn_audit.measures.registry import COMPUTATIONS, applicable
from attn_audit.measures.value_zeroing import value_zeroing
from attn_audit.models.contract import AuditedModel, NewWeights, Reading, RowChoice, Site
from attn_audit.models.huggingface.windows import Windows, in_windows
from attn_audit.models.self_check import self_check
from tests.checkpoints import LAYERS, SENTENCES, transformers_model
from tests.conftest import Checkpoint
from tests.models.huggingface.conftest import Load
from tests.models.interception.patching import softmax_patched, softmax_recorded

SIZE, OVERLAP = 20, 5
TEXTS = (
    " ".join(SENTENCES[:4]),  # six windows
    "Slow.",
    " ".join(SENTENCES[6:8]),
    "A waste of time.",
)
EXAMPLES = [Example(f"e{i}", text) for i, text in enumerate(TEXTS)]
SITES = (Site(LAYERS - 1), Site(1, head=2), Site(0, rows=RowChoice.ALL))


class Plain:
    """A checkpoint as transformers loads it."""

    def __init__(self, location: str) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(location)
        loader = AutoModelForSequenceClassification
        self.module = loader.from_pretrained(location, attn_implementation="eager")
        self.module.eval().requires_grad_(False)

    def windows(self, text: str) -> Iterator[dict[str, Any]]:
        """As the tokenizer makes them, with the places of their tokens in the text."""
        found = self.tokenizer(
            text, truncation=True, max_length=SIZE, stride=OVERLAP,
            return_overflowing_tokens=True, return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )  # fmt: skip
        names = ("input_ids", "attention_mask", "token_type_ids")
        for i, special in enumerate(found["special_tokens_mask"]):
            given = {n: torch.tensor([found[n][i]]) for n in names if n in found}
            places = [tuple(place) for place in found["offset_mapping"][i]]
            audited = [None if s else p for s, p in zip(special, places, strict=True)]
            yield {"given": given, "places": audited}

    def logit(self, given: dict[str, Tensor], **more: Any) -> Tensor:
        """Of the second of two labels, against the first."""
        logits = self.module(**given, **more).logits
        difference: Tensor = logits[0, 1] - logits[0, 0]
        return difference

    def left_out(self, text: str, gone: Sequence[tuple[int, int]], operator: str) -> float:
        """The mean logit without the tokens at some places, in every window."""
        found = []
        for window in self.windows(text):
            given = window["given"]
            is_gone = torch.tensor([[place in gone for place in window["places"]]])
            if operator == "mask":
                given["attention_mask"][is_gone] = 0
            elif operator == "delete":
                given = {name: value[~is_gone].unsqueeze(0) for name, value in given.items()}
            else:
                given["input_ids"][is_gone] = self.tokenizer.mask_token_id
            with torch.no_grad():
                found.append(float(self.logit(given)))
        return sum(found) / len(found)

    def sum_over(self, text: str, values: Sequence[Tensor]) -> Tensor:
        """Values of every window's tokens as those of the text's, in their order."""
        total: dict[tuple[int, int], Tensor] = {}
        for window, of_tokens in zip(self.windows(text), values, strict=True):
            for place, value in zip(window["places"], of_tokens, strict=True):
                if place is not None:
                    total[place] = total.get(place, torch.zeros(())) + value.detach()
        return torch.stack([total[place] for place in sorted(total)]).double()


@pytest.fixture(scope="module")
def plain(checkpoint: Checkpoint) -> Plain:
    return Plain(str(checkpoint("bert")))


@pytest.fixture(scope="module")
def model(plain: Plain) -> AuditedModel:
    return windowed(plain)


@pytest.fixture(scope="module")
def cut(plain: Plain) -> AuditedModel:
    return transformers_model(plain.module, plain.tokenizer, examples=EXAMPLES, max_length=SIZE)


def windowed(plain: Plain, overlap: int = OVERLAP, **said: Any) -> AuditedModel:
    said = {"max_length": SIZE, "examples": EXAMPLES, **said}
    return in_windows(transformers_model(plain.module, plain.tokenizer, **said), overlap)


def read(model: AuditedModel, site: Site, examples: Sequence[Example] = EXAMPLES) -> Reading:
    return model.read(model.collate(model.encode(examples)), [site])[0]


def explained(reading: Reading) -> Tensor:
    shown = torch.einsum("br,bru->bu", reading.mass.double(), reading.attention.double())
    return shown / shown.sum(dim=1, keepdim=True)


@pytest.mark.parametrize("kind", ["bert", "mpnet", "modernbert", "deberta-v2", "bart", "t5"])
@pytest.mark.parametrize("overlap", [0, 1, 9])
def test_windows_are_those_of_the_tokenizer(load: Load, kind: str, overlap: int) -> None:
    classifier = load(kind, max_length=SIZE)
    tokenizer = classifier.encoder.tokenizer
    windows = Windows.of(classifier, overlap)
    texts = [*TEXTS, *(" ".join(SENTENCES[:n]) for n in (1, 2))]
    encoder = replace(classifier.encoder, max_length=None)
    whole = encoder.encode([Example(str(i), text) for i, text in enumerate(texts)])
    for text, each in zip(texts, whole, strict=True):
        encoded = windows.divide(each)
        found = tokenizer(
            text, truncation=True, max_length=SIZE, stride=overlap, return_overflowing_tokens=True
        )["input_ids"]
        assert [list(window.token_ids) for window in encoded.windows] == found
        assert not encoded.truncated
        assert encoded.n_windows == len(found)
        assert {unit for units in encoded.held for unit in units} == set(range(encoded.n_units))


@cache
def loaded(location: str) -> Plain:
    return Plain(location)


def test_logits_are_the_mean_of_the_windows(model: AuditedModel, plain: Plain) -> None:
    reading = read(model, SITES[0])
    for logits, text in zip(reading.logits, TEXTS, strict=True):
        assert float(logits) == pytest.approx(plain.left_out(text, [], "mask"), abs=1e-5)


def test_attention_is_that_of_all_windows(model: AuditedModel, plain: Plain) -> None:
    reading = read(model, SITES[0])
    shown = explained(reading)
    for i, text in enumerate(TEXTS):
        rows = []
        for window in plain.windows(text):
            with torch.no_grad(), softmax_recorded() as seen:
                plain.logit(window["given"])
            rows.append(seen[LAYERS - 1][0, :, 0].mean(dim=0))
        expected = plain.sum_over(text, rows)
        assert torch.allclose(shown[i, : len(expected)], expected / expected.sum(), atol=1e-6)
        assert not shown[i, len(expected) :].any()
        mass = reading.mass[i].sum() / reading.row_mask[i].sum()
        assert float(mass) == pytest.approx(float(expected.sum()) / len(rows), abs=1e-6)


@pytest.mark.parametrize("site", SITES)
def test_own_attention_reproduces_the_logits_and_rows_sum_to_1(
    model: AuditedModel, site: Site
) -> None:
    reading = read(model, site)
    own = reading.replay(reading.attention.unsqueeze(1)).squeeze(1)
    assert torch.allclose(own, reading.logits, atol=1e-5)
    total = reading.mass * reading.attention.sum(dim=-1) + reading.rest
    assert torch.allclose(total[reading.row_mask], torch.ones(()), atol=1e-5)
    assert not (reading.attention > 0)[~reading.admissible].any()


def random_attention(reading: Reading, n_variants: int = 2) -> Tensor:
    draws = torch.rand(
        len(reading.attention), n_variants, *reading.attention.shape[1:],
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    draws *= reading.admissible.unsqueeze(1)
    return draws / draws.sum(dim=-1, keepdim=True).clamp_min(1e-9)


def test_a_replay_is_whole_passes_over_all_windows(model: AuditedModel, plain: Plain) -> None:
    reading = read(model, SITES[0])
    attention = random_attention(reading)
    found = reading.replay(attention)
    n_heads, text = 4, TEXTS[0]
    places = sorted({p for w in plain.windows(text) for p in w["places"] if p is not None})
    windows = list(plain.windows(text))
    by_head = attention[0].reshape(2, n_heads, len(windows), -1)
    for variant in range(2):
        logits = []
        for number, window in enumerate(windows):
            held = [i for i, place in enumerate(window["places"]) if place is not None]
            units = [places.index(window["places"][i]) for i in held]
            new = by_head[variant, :, number, units]

            def change(
                layer: int, own: Tensor, held: list[int] = held, new: Tensor = new
            ) -> Tensor:
                if layer != LAYERS - 1:
                    return own
                own = own.clone()
                mass = own[0, :, 0, held].sum(dim=1, keepdim=True)
                own[0, :, 0, held] = new * mass
                return own

            with torch.no_grad(), softmax_patched(change):
                logits.append(float(plain.logit(window["given"])))
        assert float(found[0, variant]) == pytest.approx(sum(logits) / len(logits), abs=1e-5)


@pytest.mark.parametrize("site", SITES)
def test_a_text_alone_is_what_it_is_in_a_batch(model: AuditedModel, site: Site) -> None:
    together = read(model, site)
    attention = random_attention(together)
    moved = together.replay(attention, 0.5 * together.mass)
    for i, example in enumerate(EXAMPLES):
        alone = read(model, site, [example])
        n_units = alone.attention.shape[2]
        assert torch.allclose(together.logits[i], alone.logits[0], atol=1e-5)
        has_row = together.row_mask[i]
        rows = together.attention[i][has_row, :n_units]
        assert torch.allclose(rows, alone.attention[0][alone.row_mask[0]], atol=1e-5)
        own = torch.zeros(1, 2, *alone.attention.shape[1:])
        own[0, :, alone.row_mask[0]] = attention[i][:, has_row, :n_units]
        assert torch.allclose(alone.replay(own, 0.5 * alone.mass)[0], moved[i], atol=1e-5)


@pytest.mark.parametrize("operator", ["mask", "delete", "neutral"])
def test_left_out_units_are_gone_from_every_window(
    model: AuditedModel, plain: Plain, operator: str
) -> None:
    encoded = model.encode(EXAMPLES)
    batch = model.collate(encoded)
    keep = torch.rand(len(batch), 4, batch.unit_mask.shape[1]) < 0.7
    keep[:, 2] = True  # the prediction itself
    keep[:, 3] = False  # special tokens alone
    keep[0, 1] = True
    keep[0, 1, 12:48] = False  # two windows are empty, and all others as they were
    found = model.erase(batch, keep, operator)
    for i, item in enumerate(encoded):
        for variant in range(4):
            gone = [
                (unit.start, unit.end)
                for unit, stays in zip(item.units, keep[i, variant].tolist(), strict=False)
                if not stays
            ]
            expected = plain.left_out(TEXTS[i], gone, operator)
            assert float(found[i, variant]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("is_held", [True, False])
def test_gradients_are_those_of_all_look_ups(
    model: AuditedModel, plain: Plain, is_held: bool
) -> None:
    batch = model.collate(model.encode(EXAMPLES))
    found = gradients(model, batch)[..., 0] if is_held else gradient_x_input(model, batch)
    for i, text in enumerate(TEXTS):
        leaves, logits = [], []
        for window in plain.windows(text):
            given = dict(window["given"])
            ids = given.pop("input_ids")
            leaf = plain.module.get_input_embeddings()(ids).detach().requires_grad_()
            with (
                torch.enable_grad(),
                softmax_patched(lambda number, own: own.detach() if is_held else own),
            ):
                logits.append(plain.logit(given, inputs_embeds=leaf))
            leaves.append(leaf)
        logit = torch.stack(logits).mean()
        slopes = torch.autograd.grad(logit, leaves)
        parts = [(s * e).sum(dim=-1)[0] for s, e in zip(slopes, leaves, strict=True)]
        expected = plain.sum_over(text, parts)
        expected = expected.abs() if is_held else expected * logit.sign().item()
        assert torch.allclose(found[i, : len(expected)], expected, atol=1e-4)
        assert not found[i, len(expected) :].any()


def test_integrated_gradients_add_up_over_all_windows(model: AuditedModel, plain: Plain) -> None:
    batch = model.collate(model.encode(EXAMPLES[:1]))
    found = float(integrated_gradients(model, batch).sum())
    whole, padded = plain.left_out(TEXTS[0], [], "mask"), []
    for window in plain.windows(TEXTS[0]):
        given = window["given"]
        held = torch.tensor([[place is not None for place in window["places"]]])
        given["input_ids"][held] = plain.tokenizer.pad_token_id
        with torch.no_grad():
            padded.append(float(plain.logit(given)))
    difference = whole - sum(padded) / len(padded)
    assert found == pytest.approx(difference if whole > 0 else -difference, rel=0.01)


def test_whole_attention_is_that_of_each_window(model: AuditedModel, plain: Plain) -> None:
    batch = model.collate(model.encode(EXAMPLES[:1]))
    rolled, relevant = [], []
    windows = list(plain.windows(TEXTS[0]))
    with torch.enable_grad():
        outputs = []
        for window in windows:
            given = dict(window["given"])
            embeddings = plain.module.get_input_embeddings()(given.pop("input_ids"))
            leaf = embeddings.detach().requires_grad_()
            outputs.append(plain.module(**given, inputs_embeds=leaf, output_attentions=True))
        label = int(torch.stack([found.logits[0] for found in outputs]).mean(dim=0).argmax())
        score = torch.stack([found.logits[0, label] for found in outputs]).mean()
    for found in outputs:
        slopes = torch.autograd.grad(score, found.attentions, retain_graph=True)
        n = found.attentions[0].shape[-1]
        flow = relevance = torch.eye(n, dtype=torch.float64)
        for weights, slope in zip(found.attentions, slopes, strict=True):
            flow = (weights[0].double().mean(dim=0) @ flow + flow) / 2
            product = (weights * slope)[0].double().clamp_min(0).mean(dim=0)
            relevance = relevance + product @ relevance
        rolled.append(flow[0])
        relevant.append(relevance.fill_diagonal_(0)[0])
    for measure, rows in ((rollout, rolled), (attention_gradient, relevant)):
        expected = plain.sum_over(TEXTS[0], rows)
        found_scores = measure(model, batch)[0]
        assert torch.allclose(found_scores, expected / expected.sum(), atol=1e-5)


def test_value_zeroing_is_the_mean_over_windows(model: AuditedModel, cut: AuditedModel) -> None:
    """Each window as a text of its own."""
    (item,) = model.encode(EXAMPLES[:1])
    inner: Any = item
    total = torch.zeros(item.n_units, dtype=torch.float64)
    for window, held in zip(inner.windows, inner.held, strict=True):
        states = cut.states(cut.collate([window]))
        own = states.own[0, 0].double()
        for place, unit in enumerate(window.unit_of_position):
            if unit < 0:
                continue
            hidden = torch.zeros(1, window.n_tokens, dtype=torch.bool)
            hidden[0, place] = True
            turned = states.without(hidden)[0, 0].double()
            total[held[unit]] += 1 - torch.cosine_similarity(own, turned, dim=0)
    found = value_zeroing(model, model.collate([item]))[0]
    assert torch.allclose(found, total / total.sum(), atol=1e-6)


def test_measures_of_a_text_that_fits_are_those_without_windows(
    model: AuditedModel, cut: AuditedModel
) -> None:
    names = set(applicable(model))
    assert names == set(applicable(cut))
    short = [EXAMPLES[1], EXAMPLES[3]]
    alone, whole = cut.collate(cut.encode(short)), model.collate(model.encode(EXAMPLES))
    for name in names - {"gradient", "leave_one_out", "head_mix", "attention", "random"}:
        own = COMPUTATIONS[name].scores(cut, alone)
        found = COMPUTATIONS[name].scores(model, whole)[[1, 3], : own.shape[1]]
        assert torch.allclose(found, own, atol=1e-5), name


def test_a_rule_sees_whole_texts_and_moves_every_window(model: AuditedModel) -> None:
    """As a replay of the same weights at the one site that is changed."""
    for site in SITES:
        reading = read(model, site)
        new = random_attention(reading, n_variants=1)[:, 0]
        batch = model.collate(model.encode(EXAMPLES))
        rules = {site: lambda own, new=new: NewWeights(new, 0.5 * own.mass)}
        expected = reading.replay(new.unsqueeze(1), 0.5 * reading.mass)[:, 0]
        assert torch.allclose(model.intervene(batch, rules), expected, atol=1e-4)
        embeddings = model.embed(batch)
        held = model.forward(batch, embeddings, hold_attention=True, rules=rules)
        assert torch.allclose(held, expected, atol=1e-4)


def test_the_self_check_holds(model: AuditedModel) -> None:
    assert all(check.passed for check in self_check(model, model.encode(EXAMPLES), SITES[0]))


def test_texts_that_fit_have_the_records_that_they_have_without_windows(
    model: AuditedModel, cut: AuditedModel
) -> None:
    settings: dict[str, Any] = {"permutations": 5, "checks": ["correlation", "permutation"]}
    short = [Example(str(i), text) for i, text in enumerate(("Slow.", "A mess!", "Too loud, too."))]
    found = attn_audit.audit(model, short, **settings)
    expected = attn_audit.audit(cut, short, **settings)
    assert found.data.n_windowed == 0
    for name in expected.records.column_names:
        own, other = (report.records[name].to_pylist() for report in (expected, found))
        assert other == own, name


def test_records_say_in_how_many_windows_and_have_the_mean_of_their_logits(plain: Plain) -> None:
    given: dict[str, Any] = {"max_length": SIZE, "window_overlap": OVERLAP, "unit": "word"}
    model = attn_audit.wrap(plain.module, plain.tokenizer, **given)
    rows = [{"id": str(i), "text": text} for i, text in enumerate(TEXTS)]
    report = attn_audit.audit(model, rows, checks="correlation")
    n_divided = 0
    for text, record in zip(TEXTS, report.records.to_pylist(), strict=True):
        logits = [float(plain.logit(window["given"])) for window in plain.windows(text)]
        expected = 1 / (1 + exp(-sum(logits) / len(logits)))
        assert record["probability"] == pytest.approx(expected, abs=1e-6)
        assert record["windows"] == (len(logits) if len(logits) > 1 else None)
        assert record["units"] == text.split()
        n_divided += len(logits) > 1
    assert report.data.n_windowed == n_divided == 2


@pytest.mark.parametrize("unit", ["token", "word"])
def test_units_are_those_of_the_whole_text(plain: Plain, unit: str) -> None:
    whole = transformers_model(plain.module, plain.tokenizer, unit=unit, max_length=64)
    model = windowed(plain, unit=unit)
    for item, expected in zip(model.encode(EXAMPLES), whole.encode(EXAMPLES), strict=True):
        n = expected.n_units
        assert item.units[: n - 1] == expected.units[: n - 1]
        assert expected.truncated or item.units == expected.units


def test_words_across_a_border_are_whole(plain: Plain) -> None:
    model = windowed(plain, unit="word")
    reading = read(model, SITES[0])
    shown = explained(reading)
    tokens = explained(read(windowed(plain), SITES[0]))
    words, pieces = model.encode(EXAMPLES)[0].units, windowed(plain).encode(EXAMPLES)[0].units
    for i, word in enumerate(words):
        held = [j for j, p in enumerate(pieces) if word.start <= p.start and p.end <= word.end]
        assert float(shown[0, i]) == pytest.approx(float(tokens[0, held].sum()), abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "said", "error", "problem"),
    [
        ("bert", {"overlap": 18}, ConfigurationError, "a window holds 18 tokens"),
        ("bert", {"examples": [Example("a", "A.", text_pair="B.")]}, ConfigurationError, "pairs"),
        ("llama", {}, UnsupportedModelError, "a decoder reads at the text's own last token"),
        ("gpt2", {"removal": "delete"}, UnsupportedModelError, "a decoder reads"),
    ],
)
def test_what_cannot_be_read_in_windows_is_refused(
    checkpoint: Checkpoint, kind: str, said: dict[str, Any], error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        windowed(loaded(str(checkpoint(kind))), **said)


def test_texts_that_nothing_limits_are_refused(checkpoint: Checkpoint) -> None:
    plain = Plain(str(checkpoint("t5")))
    plain.tokenizer.model_max_length = 10**30
    with pytest.raises(ConfigurationError, match="nothing limits the length"):
        windowed(plain, max_length=None)


def test_windows_that_disturb_each_other_are_refused(plain: Plain) -> None:
    tried = transformers_model(plain.module, plain.tokenizer, max_length=SIZE)
    tried.pads_texts, tried.not_shared_because = False, "padding changes its output for a text"
    with pytest.raises(UnsupportedModelError, match="the last window of a text is shorter"):
        in_windows(tried, OVERLAP)
