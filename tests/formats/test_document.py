"""Every format shows every kind of block, whoever wrote the text in it."""

from importlib import import_module
from typing import get_args

import pytest

from attn_audit import document as blocks
from attn_audit.document import Block, Document, Phrase, Section, Tone
from attn_audit.formats.registry import DOCUMENTS
from attn_audit.statistics.summary import Distribution, Histogram, Interval, JointHistogram
from tests.formats.judging import HOSTILE

INTERVAL = Interval(low=0.1, high=0.3, method="normal")
VALUES = Distribution(
    n=9, mean=0.2, sd=0.1, interval=INTERVAL, minimum=0, maximum=1,
    q05=0.0,
    q25=0.1,
    median=0.2,
    q75=0.3,
    q95=1.0,
    histogram=Histogram(edges=(0, 0.5, 1), counts=(8, 1)),
)  # fmt: skip


def every_block(text: str) -> tuple[Block, ...]:
    """One of each kind, with this text wherever a text can stand."""
    toned = Phrase(text, Tone.CODE, text)
    panel = blocks.Panel(text, VALUES)
    weights = blocks.Weights(text, (0.1, 0.9), text, text)
    shaded = blocks.ShadedText((text, "film"), (weights,))
    points = blocks.Points(
        ((text, 0.2, INTERVAL, blocks.Hue.GRADIENT),), (0.0, 1.0), ("0", text), text
    )
    example = blocks.Example(
        text, text, text, (text,), (text,), shaded, text, ("tag",), ("why",), True, {"n": 0.5},
        (text,), text,
    )  # fmt: skip

    def card(id: str) -> blocks.Card:
        return blocks.Card(id, text, text, text, (text,), points)

    table = blocks.Table(
        (text, "0|1", "<|>", text),
        (
            (text,),
            (
                toned,
                blocks.Spread(VALUES, (0.0, 1.0)),
                blocks.SignedEstimate(-1.0, INTERVAL, 1.0),
                text,
            ),
        ),
        text,
        note=text,
    )
    named = ("name", text, text)
    return (
        blocks.Paragraph(text, label=text),
        blocks.Bullets((toned,)),
        blocks.Facts(((text, text),), toned),
        blocks.Definitions(((toned, text),)),
        table,
        blocks.Links(((text, "report.html"),)),
        blocks.Details(text, (blocks.Paragraph(text),)),
        blocks.Notice(Tone.BAD, "✗", text, (table,)),
        blocks.Glance((card("a"),), (card("b"),), text),
        shaded,
        blocks.Examples(text, text, (example,), {"tag": text}, {}, {"why": text}, {"n": text}),
        blocks.Histograms(*named, (panel,), text, text, (0.0, 1.0)),
        blocks.Violins("violins", text, text, (panel,), text, text),
        blocks.Joint("joint", text, text, JointHistogram(x_edges=(0, 1), y_edges=(0, 1),
                     counts=((3,),)), (text, text), (text, text)),
        blocks.Places("places", text, text,
                      ((text, text, (blocks.Place(0, 0, 0.1, INTERVAL, "0.10", ".10"),)),), 1.0),
        blocks.ForestPlot("ranked", text, text, ((text, 0.2, INTERVAL), (text, 0.1, None)), text,
                      (text, 0.1, INTERVAL), (text, 0.4)),
    )  # fmt: skip


def document(text: str) -> Document:
    section = Section("a", text, every_block(text), text)
    answer = blocks.Conclusion(Phrase(text), (blocks.Paragraph(text),))
    return Document(text, text, text, (section,), blocks.Facts(((text, text),)), text, answer,
                    Phrase(text))  # fmt: skip


def test_no_kind_of_block_is_forgotten() -> None:
    figures = {blocks.Histograms, blocks.Violins, blocks.Joint, blocks.Places, blocks.ForestPlot}
    kinds = {kind for kind in get_args(Block) if kind is not blocks.Figure} | figures
    assert {type(block) for block in every_block("")} == kinds


@pytest.mark.parametrize("suffix", DOCUMENTS)
@pytest.mark.parametrize("text", ["plain words", HOSTILE, "", "w" * 300])
def test_every_format_renders_every_block(suffix: str, text: str) -> None:
    made: str = import_module(DOCUMENTS[suffix]).render(document(text))
    assert made.endswith("\n")
    assert not set(made) & set("\x1b\x7f\x9b\u202e")
    if text == "plain words":
        assert made.count(text) > (10 if suffix == ".tex" else 20)  # LaTeX has tables alone
    if text == HOSTILE and suffix != ".txt":
        assert "<b>" not in made
