"""The worked samples of the documentation, on small data."""

import json
import runpy
import sys
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from transformers import ViTConfig, ViTForImageClassification

import attn_audit
from attn_audit.errors import AttnAuditError
from tests.cli.conftest import invoke
from tests.test_readme import blocks_of, text_of

SAMPLES = Path(__file__).parents[1] / "sample_configs"
SAMPLE = SAMPLES / "label_attention.py"
WORDS = {"sport": ("match", "goal", "team"), "trade": ("market", "shares", "bank")}
OTHERS = ("the", "a", "of", "new", "says", "after", "week", "two")

Row = dict[str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Forty texts, each with two words that tell its label."""
    draw = Random(0)
    made = []
    for i in range(40):
        label = draw.choice(list(WORDS))
        words = [*draw.choices(WORDS[label], k=2), *draw.choices(OTHERS, k=draw.randint(2, 6))]
        draw.shuffle(words)
        made.append({"id": f"t{i}", "text": " ".join(words), "label": label})
    return made


@pytest.fixture(scope="module")
def trained(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the sample's own training writes."""
    folder = tmp_path_factory.mktemp("label-attention")
    data, checkpoint = folder / "texts.jsonl", folder / "topics.pt"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows * 8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(SAMPLE), "train", str(data), str(checkpoint)])
        runpy.run_path(str(SAMPLE), run_name="__main__")
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return checkpoint


@pytest.fixture
def by_label(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's own code."""
    monkeypatch.syspath_prepend(str(SAMPLES))
    module = ModuleType("by_label")
    (block,) = [block for block in blocks_of("samples.md") if block.title == "by_label.py"]
    exec(block.text, vars(module))
    return module


def test_label_attention_is_found_and_audited_as_the_mean_of_its_rows(
    trained: Path, rows: list[Row], by_label: ModuleType
) -> None:
    custom = by_label.load(str(trained))
    report = attn_audit.audit(custom, rows, checks=["permutation"])
    assert report["permutation.distance"].n == len(rows)
    assert [layer.name for layer in report.model.layers] == ["label_attention"]
    text = rows[0]["text"].split()
    shown = report.records.slice(0, 1).to_pylist()[0]
    assert shown["attention"] == pytest.approx(by_hand(custom, text).mean(0).tolist(), abs=1e-6)


def by_hand(custom: attn_audit.CustomModel, text: list[str]) -> Tensor:
    """The labels' rows, averaged over heads."""
    module, ids = custom.module, custom.encode([text])
    attention = module.label_attention
    assert isinstance(attention, nn.Module)
    keys = attention.key(module.states(ids)[0]).unflatten(-1, (4, -1))  # type: ignore[operator]
    norm = sys.modules["label_attention"].norm
    queries = attention.query(norm(module.label_queries)).unflatten(-1, (4, -1))  # type: ignore[operator]
    scores = torch.einsum("lhd,thd->hlt", norm(queries), norm(keys)) / keys.shape[-1] ** 0.5
    weights: Tensor = scores.softmax(dim=-1).mean(dim=0).detach()
    return weights


def test_one_labels_row_gives_the_models_own_outputs_and_is_audited_alone(
    trained: Path, rows: list[Row], by_label: ModuleType
) -> None:
    whole, alone = by_label.load(str(trained)), by_label.load(str(trained), "trade")
    ids = whole.encode([row["text"].split() for row in rows])
    torch.testing.assert_close(alone.module.eval()(ids), whole.module.eval()(ids))
    report = by_label.audit_label(str(trained), "trade", rows, checks=["permutation"])
    predicted = whole.module(ids).argmax(1).tolist()
    assert report["permutation.distance"].n == predicted.count(1) > 0
    assert set(report.records["prediction"].to_pylist()) == {"trade"}
    shown = report.records.slice(0, 1).to_pylist()[0]
    expected = by_hand(whole, shown["units"])[1]
    assert shown["attention"] == pytest.approx(expected.tolist(), abs=1e-6)


def test_gradient_times_an_embedding_that_is_normalised_is_nothing(
    trained: Path, rows: list[Row], by_label: ModuleType
) -> None:
    report = attn_audit.audit(by_label.load(str(trained)), rows[:5], checks=["correlation"])
    assert max(max(values) for values in report.records["gradient"].to_pylist()) < 1e-5
    assert max(max(values) for values in report.records["leave_one_out"].to_pylist()) > 1e-3


# --- images ---------------------------------------------------------------------------------------


class Patches(nn.Module):
    """A vision transformer of one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, kernel_size=4, stride=4)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.output = nn.Linear(16, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        states = self.patch(pixels).flatten(2).transpose(1, 2)
        logits: Tensor = self.output(self.attention(states, states, states)[0].mean(dim=1))
        return logits


def paint(texts: list[list[str]]) -> Tensor:
    """Pictures of four by four patches, `PICTURE:PATCH` each; one that is not named stays grey."""
    pixels = torch.full((len(texts), 3, 16, 16), 0.5)
    for into, patches in zip(pixels, texts, strict=True):
        for name, _, number in (patch.partition(":") for patch in patches):
            if name.isdigit():
                row, column = 4 * (int(number) // 4), 4 * (int(number) % 4)
                shade = torch.Generator().manual_seed(int(name))
                picture = torch.rand(3, 16, 16, generator=shade)
                part = (slice(None), slice(row, row + 4), slice(column, column + 4))
                into[part] = picture[part]
    return pixels


def test_patches_are_refused_in_the_words_of_the_page() -> None:
    custom = attn_audit.CustomModel(Patches(), paint, ["a", "b"], "multiclass")
    texts = [" ".join(f"{picture}:{i}" for i in range(16)) for picture in range(4)]
    with pytest.raises(AttnAuditError) as refused:
        attn_audit.audit(custom, texts)
    assert f"error: {refused.value}\n" in text_of("samples.md")


def test_image_checkpoints_are_refused_in_the_words_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = ViTConfig(**small, intermediate_size=16, image_size=16, patch_size=8)  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    ViTForImageClassification(config).save_pretrained("vit")
    outcome = invoke("inspect", "vit")
    assert outcome.exit_code == 2
    assert outcome.stderr.splitlines()[-1] in text_of("samples.md").splitlines()
