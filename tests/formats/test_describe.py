"""`inspect` says what a model is and, as the checks decide it, what can be audited of it."""

from collections.abc import Callable
from typing import Any

import pytest

from attn_audit.formats import describe
from attn_audit.results.report import Report

Shown = Callable[..., str]

TWO, THREE = ("no", "yes"), ("a", "b", "c")


def test_shows_what_is_known(report: Report, shown: Shown) -> None:
    text = shown(describe.render, report.model)
    for known in (
        "BiLSTM encoder, additive attention, single texts",
        "models/sst_bilstm/model.pt",
        "attn-audit checkpoint, sha256 1f0c9a7be2d4",
        "binary, 2 labels: negative, positive",
        "952,085 parameters, float32",
        "vocabulary 7,172",
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
    assert adversary in shown(describe.render, report.model.model_copy(update=changed), 100)


def test_names_are_text(report: Report, shown: Shown) -> None:
    hostile = report.model.model_copy(
        update={"source": "\x1b[2J", "labels": ("[bold]", "[/]"), "details": {"[i]": True}}
    )
    text = shown(describe.render, hostile)
    assert r"\x1b[2J" in text
    assert "[bold], [/]" in text
    assert "[i] yes" in text


def test_falls_back_to_ascii(report: Report, shown: Shown) -> None:
    assert shown(describe.render, report.model, 80, "ascii").isascii()
