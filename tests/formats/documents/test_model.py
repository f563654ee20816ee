"""`inspect` says what a model is and, as the checks decide it, what can be audited of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from attn_audit.findings import permutation
from attn_audit.findings.example import status_field
from attn_audit.findings.registry import added, checks
from attn_audit.formats.documents.model import auditable, document, task
from attn_audit.formats.documents.report import audited
from attn_audit.results.report import Report

Shown = Callable[..., str]

TWO, THREE = ("no", "yes"), ("a", "b", "c")


def test_shows_what_is_known(report: Report, shown: Shown) -> None:
    text = shown(document(report.model))
    for known in (
        "BiLSTM encoder, additive attention, single texts",
        "attn_audit/demo/model.pt",
        "attn-audit checkpoint, sha256 cce1833cc9a8",
        "binary, 2 labels: glad, troubled",
        "240,961 parameters, float32",
        "tokenizer ",
        "attention over the text's tokens, read out once",
    ):
        assert known in text


@pytest.mark.parametrize(
    ("task", "labels", "linear", "adversary"),
    [
        ("binary", TWO, True, "yes, exactly"),
        ("multiclass", TWO, True, "yes, exactly"),
        ("candidates", TWO, True, "yes, exactly"),
        ("multilabel", TWO, True, "with an upper bound"),
        ("multiclass", THREE, True, "with an upper bound"),
        ("binary", TWO, False, "more than it finds may exist"),
        ("multiclass", THREE, False, "more than it finds may exist"),
    ],
)
def test_the_adversary_is_exact_only_where_it_can_be(
    report: Report, shown: Shown, task: str, labels: tuple[str, ...], linear: bool, adversary: str
) -> None:
    changed: dict[str, Any] = {"task": task, "labels": labels, "linear_readout": linear}
    assert adversary in shown(document(report.model.model_copy(update=changed)), 100)


def test_names_are_text(report: Report, shown: Shown) -> None:
    hostile = report.model.model_copy(
        update={"source": "\x1b[2J", "labels": ("[bold]", "[/]"), "details": {"[i]": True}}
    )
    text = shown(document(hostile))
    assert r"\x1b[2J" in text
    assert "[bold], [/]" in text
    assert "[i] yes" in text


def test_falls_back_to_ascii(report: Report, shown: Shown) -> None:
    assert shown(document(report.model), 80, "ascii").isascii()


def test_shows_what_trying_it_out_found(transformer: Report, shown: Shown) -> None:
    lines = " ".join(shown(document(transformer.model), 100).split())
    for known in (
        "layers 0-2, 4 heads each: bert.encoder.layer.N.attention.self, N 0 to 2",
        "layer 2 (bert.encoder.layer.2.attention.self), read out at the first token",
        "not linear in the attention weights",
        "% of the readout's attention lies elsewhere",
        "row: only the row that is read out is computed again",
        "exact: a masked token has no influence",
        "with leave-one-out (by attention mask)",
    ):
        assert known in lines


@pytest.mark.parametrize(
    ("leaks", "removal", "words"),
    [
        (True, "delete", ("leaks: a masked token still moves the output", "(by deletion)")),
        (None, "delete", ("impossible: the model takes no attention mask", "(by deletion)")),
    ],
)
def test_says_where_masking_is_no_removal(
    transformer: Report,
    shown: Shown,
    leaks: bool | None,
    removal: str,
    words: tuple[str, ...],
) -> None:
    found = transformer.model.findings
    assert found is not None
    changed = found.model_copy(update={"masking_leaks": leaks, "removal": removal})
    text = shown(document(transformer.model.model_copy(update={"findings": changed})), 100)
    assert all(word in text for word in words)


def test_an_adapter_that_names_no_mask_is_told_how_to(transformer: Report, shown: Shown) -> None:
    found = transformer.model.findings
    assert found is not None
    unmasked = {"masking_leaks": None, "removal": "delete"}
    changed = {"format": "adapter", "findings": found.model_copy(update=unmasked)}
    text = " ".join(shown(document(transformer.model.model_copy(update=changed)), 100).split())
    assert "impossible: the adapter names no mask" in text
    assert "CustomModel(..., mask='...')" in text


@pytest.mark.parametrize(
    ("labels", "format", "how"),
    [
        (("LABEL_0", "LABEL_1"), "HuggingFace", "config.json, as id2label"),
        (("0", "1"), "adapter", "CustomModel(labels=...) gives them"),
        (("0", "1", "2"), "attn-audit checkpoint", "from the data, where they are words"),
        (("1", "2", "3"), "HuggingFace", None),  # as of stars
        (("bad", "good"), "adapter", None),
    ],
)
def test_that_labels_have_no_names_is_said_and_where_these_come_from(
    transformer: Report, labels: tuple[str, ...], format: str, how: str | None
) -> None:
    said = task(transformer.model.model_copy(update={"labels": labels, "format": format}))
    assert ("the model's labels have no names: " in said) == (how is not None)
    assert how is None or said.endswith(how)


def test_a_linear_readout_that_was_found_is_said(transformer: Report, shown: Shown) -> None:
    model = transformer.model.model_copy(update={"linear_readout": True})
    text = shown(document(model), 100)
    assert "Readout linear in the attention weights" in " ".join(text.split())
    assert "yes, exactly" in text


def test_every_check_has_a_row(report: Report) -> None:
    peak = replace(
        permutation.FINDINGS, check="peak", fields=(status_field("peak"),), metrics=(),
        auditable=lambda model: f"in {len(model.layers)} layer",
    )  # fmt: skip
    every = [found.check for found in checks()]
    assert [name for name, _ in auditable(report.model)][-len(every) :] == every
    with added(peak):
        assert auditable(report.model)[-1] == ("peak", "in 1 layer")


def test_says_how_much_of_a_text_a_window_shows(report: Report, shown: Shown) -> None:
    (layer,) = report.model.layers
    seen = {"visible_share": 0.4, "least_visible_share": 0.125}
    narrow = report.model.model_copy(update={"layers": (layer.model_copy(update=seen),)})
    told = (
        "the audited rows see 40% of a text's units (median of the texts tried), and 12% at least"
    )
    assert dict(audited(report.model_copy(update={"model": narrow})))["Sight"] == told
    assert "Sight" not in dict(audited(report))
