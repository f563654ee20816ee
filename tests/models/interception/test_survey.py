"""Which attentions a model has, and which of them are over the text."""

import pytest

from attn_audit.models.interception.survey import survey
from tests.models.interception.matrix import audited, over_architectures
from tests.models.interception.zoo import (
    CONFIGURATIONS,
    HEADS,
    LAYERS,
    NEEDS_END,
    IdsClassifier,
    build,
    examples,
)

N_LAYERS = (
    dict.fromkeys(CONFIGURATIONS, LAYERS)
    | dict.fromkeys(NEEDS_END, 2 * LAYERS)
    | {"gpt_neo": 4, "jamba": 1, "funnel": 2}
)
"""Encoder-decoders have those of the encoder and the decoder's of the encoder's tokens; Funnel's
last attends to pooled tokens."""


@over_architectures
def test_every_attention_over_the_text_is_a_layer(name: str) -> None:
    model = audited(name)
    assert len(model.layers) == N_LAYERS[name]
    n_heads = HEADS // 2 if name == "convbert" else HEADS  # the others of ConvBERT are kernels
    assert {layer.n_heads for layer in model.layers} == {n_heads}
    assert model.default_site.layer == N_LAYERS[name] - 1


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("bert", (0, 1, 2)),
        ("convbert", (1, 3, 5)),  # the others are kernels of convolutions
        ("mixtral", (0, 2, 4)),  # the others choose experts
        ("gpt_oss", (0, 2, 4)),
        ("bart", tuple(range(9))),  # the decoder's attention to itself is attention
        ("funnel", (0, 1, 2)),  # so is that over pooled tokens
    ],
)
def test_all_attention_is_held_and_nothing_else(name: str, held: tuple[int, ...]) -> None:
    classifier = IdsClassifier(build(name), name)
    assert survey(classifier, classifier.encode(examples())).numbers == held


def test_layers_have_the_names_that_the_model_gives_them() -> None:
    assert [layer.name for layer in audited("bert").layers] == [
        f"bert.encoder.layer.{i}.attention.self" for i in range(LAYERS)
    ]
    assert audited("bart").layers[-1].name == "model.decoder.layers.2.encoder_attn"


@pytest.mark.parametrize("name", ["bert", "gpt2", "bart"])
@pytest.mark.parametrize("n_tokens", [(5,), (7, 7)], ids=["one text", "texts of one length"])
def test_texts_of_one_length_tell_as_much(name: str, n_tokens: tuple[int, ...]) -> None:
    classifier = IdsClassifier(build(name), name)
    found = survey(classifier, classifier.encode(examples(n_tokens)))
    expected = survey(classifier, classifier.encode(examples()))
    assert [point.number for point in found.points] == [p.number for p in expected.points]
    assert (found.default, found.rule) == (expected.default, expected.rule)
