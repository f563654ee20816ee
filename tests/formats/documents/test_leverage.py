"""Leverage by layer in reports and in `inspect`: one small table, of models with several layers."""

from collections.abc import Callable

import attn_audit
from attn_audit.engine.sampling import leverage_by_layer
from attn_audit.formats.documents import model
from attn_audit.formats.documents import report as documents
from attn_audit.results.answers import Inspection
from attn_audit.results.report import Report
from tests.models.interception.matrix import audited
from tests.models.interception.zoo import examples

Shown = Callable[..., str]

TEXTS = examples((10, 6, 8, 9, 7))


def test_a_report_has_a_line_for_each_layer_and_one_for_all(shown: Shown) -> None:
    found = attn_audit.audit(audited("bert"), TEXTS, checks="permutation", permutations=2)
    (section,) = (s for s in documents.document(found).sections if s.id == "leverage")
    text = shown(documents.document(found))
    assert "Leverage by layer" in text
    for place in ("layer 0", "layer 1", "all layers"):
        assert place in text
    assert found.layers is not None
    assert f"Layer {found.layers.best.layer} moves the margin most" in text
    assert f"Layer {found.settings.layer} is the audited one." in text
    assert section.title == "Leverage by layer"


def test_a_model_of_one_layer_has_none(report: Report, shown: Shown) -> None:
    assert "Leverage by layer" not in shown(documents.document(report))


def test_inspect_says_which_layer_and_head_to_look_at(shown: Shown) -> None:
    bert = audited("bert")
    leverage = leverage_by_layer(bert, bert.encode(TEXTS), has_heads=True)
    assert leverage is not None
    text = shown(model.document(Inspection(**dict(bert.describe()), leverage=leverage)))
    assert f"Leverage by head of layer {leverage.best.layer}" in text
    for place in ("layer 1", "head 0", "head 3"):
        assert place in text
    assert "Leverage by" not in shown(model.document(bert.describe()))
