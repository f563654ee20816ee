from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from attn_audit.data.example import Example
from attn_audit.models.loading import load_model
from attn_audit.models.paper.architecture import EncoderKind
from attn_audit.models.paper.checkpoint import read_checkpoint
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.models.paper.training import Precision, TrainedModel
from attn_audit.models.paper.training.corpus import build_corpus, tokenize
from attn_audit.models.paper.training.score import corpus_logits

Make = Callable[..., list[Example]]
Train = Callable[..., TrainedModel]
CPU = torch.device("cpu")


def own_logits(model: TrainedModel, examples: list[Example]) -> torch.Tensor:
    texts = [tokenize(model.settings.tokenizer, example.text) for example in examples]
    pairs = [tokenize(model.settings.tokenizer, example.text_pair or "") for example in examples]
    is_pair = model.network.architecture.is_pair
    corpus = build_corpus(
        examples, texts, pairs if is_pair else None, model.vocabulary, model.task, CPU
    )
    return corpus_logits(model.network, corpus)


def audited_logits(path: Path, examples: list[Example]) -> torch.Tensor:
    model = load_model(str(path), CPU)
    batch = model.collate(model.encode(examples))
    return model.read(batch, [model.default_site])[0].logits


@pytest.mark.parametrize("is_pair", [False, True], ids=["single", "pair"])
@pytest.mark.parametrize("encoder", EncoderKind)
@pytest.mark.parametrize(
    ("precision", "tolerance"), [(Precision.FLOAT32, 1e-5), (Precision.FLOAT16, 0.02)]
)
def test_a_saved_model_gives_the_same_logits(
    make_examples: Make,
    train_on: Train,
    tmp_path: Path,
    encoder: EncoderKind,
    is_pair: bool,
    precision: Precision,
    tolerance: float,
) -> None:
    examples = make_examples(40, is_pair=is_pair)
    dev = make_examples(10, seed=1, is_pair=is_pair)
    model = train_on(examples, dev, encoder=encoder, epochs=2)
    path = tmp_path / "model.pt"
    model.save(path, precision, {})
    torch.testing.assert_close(
        audited_logits(path, dev), own_logits(model, dev), atol=tolerance, rtol=tolerance
    )


def test_half_precision_halves_the_file(
    make_examples: Make, train_on: Train, tmp_path: Path
) -> None:
    model = train_on(make_examples(40), make_examples(10, seed=1), epochs=1, hidden_size=64)
    for precision in Precision:
        model.save(tmp_path / f"{precision}.pt", precision, {})
    sizes = [(tmp_path / f"{precision}.pt").stat().st_size for precision in Precision]
    assert sizes[1] < 0.6 * sizes[0]


def test_the_checkpoint_tells_how_it_was_made(
    make_examples: Make, train_on: Train, tmp_path: Path
) -> None:
    model = train_on(make_examples(40), make_examples(10, seed=1), epochs=2, seed=7)
    model.save(tmp_path / "model.pt", Precision.FLOAT32, {"data": "toy"})
    training = read_checkpoint(tmp_path / "model.pt").training
    assert training["seed"] == 7
    assert training["encoder"] == "bilstm"
    assert training["data"] == "toy"
    assert training["dev_score"] == model.best.dev_score
    assert training["dev_score_name"] == "ROC AUC"
    assert training["torch_version"] == torch.__version__


def test_the_same_training_gives_the_same_bytes(
    make_examples: Make, train_on: Train, tmp_path: Path
) -> None:
    contents = []
    for _ in range(2):
        model = train_on(make_examples(40), make_examples(10, seed=1), epochs=2)
        model.save(tmp_path / "model.pt", Precision.FLOAT32, {})
        contents.append((tmp_path / "model.pt").read_bytes())
    assert contents[0] == contents[1]


def test_a_trained_model_can_be_audited_after_loading(
    make_examples: Make, train_on: Train, tmp_path: Path
) -> None:
    model = train_on(make_examples(40), make_examples(10, seed=1), epochs=1)
    model.save(tmp_path / "model.pt", Precision.FLOAT32, {})
    loaded = load_model(str(tmp_path / "model.pt"), CPU)
    assert isinstance(loaded, PaperModel)
    assert loaded.task == model.task
