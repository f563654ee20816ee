"""What trying a model out showed, and what of it a reader of the report is told."""

import re
from typing import Any

import pytest
import torch

from attn_audit.findings.correlation import removal
from attn_audit.findings.tolerance import HALF_PRECISION
from attn_audit.formats.documents.model import auditable, facts, kinds
from attn_audit.formats.documents.report import (
    audited,
    audited_attention,
    document,
    made_with,
    self_checked,
)
from attn_audit.models.contract import coarseness
from attn_audit.results.model_description import LayerDescription
from attn_audit.results.report import Report, SelfCheck


def changed(report: Report, **update: Any) -> Report:
    """The report with other settings, or other findings."""
    settings = {k: v for k, v in update.items() if k in type(report.settings).model_fields}
    found = {k: v for k, v in update.items() if k not in settings}
    assert report.model.findings is not None
    model = report.model.model_copy(
        update={"findings": report.model.findings.model_copy(update=found)}
    )
    return report.model_copy(
        update={"model": model, "settings": report.settings.model_copy(update=settings)}
    )


def said(report: Report) -> str:
    return " ".join(removal(report))


def test_the_audited_site_is_named(transformer: Report) -> None:
    layer = "layer 2 of 0-2 (bert.encoder.layer.2.attention.self)"
    assert audited_attention(transformer) == (
        f"{layer}, 4 heads averaged, read out at the first token"
    )
    assert audited_attention(changed(transformer, head=3, rows="all")) == (
        f"{layer}, head 3 of 0-3, every query row"
    )


def test_a_single_layer_and_head_are_not_counted(transformer: Report) -> None:
    only = (LayerDescription(name="attention", n_heads=1),)
    model = transformer.model.model_copy(update={"layers": only})
    report = changed(transformer.model_copy(update={"model": model}), layer=0)
    assert audited_attention(report).startswith("the only layer (attention), one head, read out")


def test_the_papers_models_say_where_they_attend(report: Report) -> None:
    assert audited_attention(report) == "attention over the text's tokens, read out once"


@pytest.mark.parametrize(
    ("readout", "words"),
    [
        ("last token", "read out at the last token"),
        ("every token", "read out at every token"),
        ("the only row", "read out at the only row"),
    ],
)
def test_the_readout_is_named(transformer: Report, readout: str, words: str) -> None:
    assert audited_attention(changed(transformer, readout=readout)).endswith(words)


def test_a_model_in_memory_is_told_by_its_weights_at_the_top(report: Report) -> None:
    update = {"sha256": None, "weights_sha256": "5" * 64}
    of_memory = report.model_copy(update={"model": report.model.model_copy(update=update)})
    assert "model 555555555555" in document(of_memory).made
    assert dict(facts(of_memory.model))["Format"].endswith("sha256 555555555555")


def test_truncated_texts_and_the_unit_stand_in_the_opening(transformer: Report) -> None:
    settings = transformer.settings.model_copy(update={"max_length": 512})
    data = transformer.data.model_copy(update={"n_truncated": 4})
    cut = transformer.model_copy(update={"settings": settings, "data": data})
    units = dict(audited(cut))["Units"]
    assert units.startswith("tokens: ")
    assert units.endswith("; 4 examples truncated at 512 tokens")
    words = dict(audited(changed(transformer, unit="word")))
    assert words["Units"].startswith("words: ")


def test_of_pairs_the_first_text_is_audited(transformer: Report) -> None:
    model = transformer.model.model_copy(update={"takes_pairs": True})
    entries = dict(audited(transformer.model_copy(update={"model": model})))
    assert entries["Units"].startswith("tokens of the first text: ")


def test_the_self_check_stands_in_the_opening_with_its_errors(transformer: Report) -> None:
    assert dict(audited(transformer))["Self-check"].startswith(
        "passed: evaluation mode, two passes agree, padding changes"
    )
    assert "Self-check" not in dict(audited(transformer.model_copy(update={"self_checks": ()})))


def test_a_failed_self_check_never_reads_as_passed() -> None:
    checks = [SelfCheck(name=n, error=0.1, tolerance=1e-5, passed=n == "a") for n in "ab"]
    assert self_checked(checks).startswith("failed")


def test_other_precision_than_single_is_said(transformer: Report) -> None:
    model = transformer.model.model_copy(update={"dtype": "bfloat16"})
    entries = dict(audited(transformer.model_copy(update={"model": model})))
    assert entries["Model"].endswith(" parameters in bfloat16")
    assert entries["Precision"].startswith(
        "bfloat16: probabilities that are less than 0.0131 apart, and gradients less than 6.6% of "
    )
    assert "Precision" not in dict(audited(transformer))


def test_half_precision_is_as_coarse_as_torch_says() -> None:
    for dtype, coarser in HALF_PRECISION.items():
        assert coarser == coarseness(getattr(torch, dtype))


def test_leave_one_out_says_that_it_masked(transformer: Report) -> None:
    text = said(transformer)
    assert "Leave-one-out hides each token by the attention mask; the others keep" in text
    assert "deleted" not in text
    words = said(changed(transformer, unit="word"))
    assert "hides each word by the attention mask, all its tokens together;" in words


@pytest.mark.parametrize(
    ("leaks", "why"),
    [
        (True, "in this model a masked token still moves the output"),
        (None, "the model takes no attention mask"),
        (False, "as was asked for"),
    ],
)
def test_leave_one_out_says_why_it_deleted(
    transformer: Report, leaks: bool | None, why: str
) -> None:
    text = said(changed(transformer, removal="delete", masking_leaks=leaks))
    assert "Leave-one-out deletes each token" in text
    assert why in text


def test_a_deleted_readout_is_counted(transformer: Report) -> None:
    data = transformer.data.model_copy(update={"n_readout_deleted": 30})
    text = said(transformer.model_copy(update={"data": data}))
    assert "In 30 examples the token that the output is read from is itself audited" in text


def test_without_leave_one_out_nothing_is_said_of_it(transformer: Report, report: Report) -> None:
    assert "hides each token" not in said(changed(transformer, measures=("gradient",)))
    assert "hides each token" not in said(report)


def test_how_the_model_was_loaded_is_in_the_report(transformer: Report) -> None:
    entries = dict(
        made_with(
            changed(transformer, revision="main", trust_remote_code=True, adapter="mine.py:load")
        )
    )
    assert entries["Loaded"] == (
        "revision main; running the code that came with it; by mine.py:load"
    )
    assert "Loaded" not in dict(made_with(transformer))


def test_what_was_tried_out_is_in_the_report(transformer: Report, report: Report) -> None:
    found = dict(made_with(transformer))["Tried out"]
    assert re.search(r"replay row, (exactly as|off) a full pass", found)
    assert "% of the readout's attention" in found
    assert "Tried out" not in dict(made_with(report))


def test_both_records_files_are_named(transformer: Report) -> None:
    named = re.sub("[0-9a-f]{12}", "#", dict(made_with(transformer))["Records"])
    assert re.search(r"report\.records\.parquet \(sha256 #\), one for each example; ", named)
    assert named.endswith("report.records.sites.parquet (sha256 #), one for each at each site")


def test_a_replay_without_error_is_exact(transformer: Report) -> None:
    found = dict(made_with(changed(transformer, replay_error=0.0)))["Tried out"]
    assert found.startswith("replay row, exactly as a full pass; ")


@pytest.mark.parametrize("way", ["row", "cache", "resume", "full"])
def test_every_way_of_replay_is_explained(transformer: Report, way: str) -> None:
    found = dict(auditable(changed(transformer, replay=way).model))["Replay"]
    assert found.startswith(f"{way}: ")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.0.b.1.c", "a.1.b.1.c"], ["layers 0-1, 2 heads each: a.N.b.1.c, N 0 to 1"]),
        (["shared.0.x"] * 3, ["layers 0-2, 2 heads each: shared.0.x"]),
        (["a.0.b.0", "a.1.b.1"], ["layers 0-1, 2 heads each: a.0.b.0 to a.1.b.1"]),
        (
            ["e.0", "d.0", "e.1"],
            ["layers 0, 2, 2 heads each: e.N, N 0 to 1", "layer 1, 2 heads: d.0"],
        ),
        (["attention"], ["layer 0, 2 heads: attention"]),
    ],
)
def test_layers_are_named_by_what_they_have_in_common(
    names: list[str], expected: list[str]
) -> None:
    assert list(kinds([LayerDescription(name=n, n_heads=2) for n in names])) == expected
