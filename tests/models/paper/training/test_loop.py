import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, DataError
from attn_audit.models.loading import load_model
from attn_audit.models.paper.checkpoint import read_checkpoint
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.models.paper.network import AttentionKind, EncoderKind
from attn_audit.models.paper.training import loop
from attn_audit.models.paper.training.data import Corpus, build_corpus, tokenize
from attn_audit.models.paper.training.loop import (
    EpochResult,
    Loss,
    Precision,
    TrainedModel,
    TrainingSettings,
    corpus_logits,
    loss_of,
    random_batches,
    score_of,
    should_stop,
    train,
)
from attn_audit.models.task import Binary, Candidates, Multiclass, Multilabel, Task


def test_an_epoch_holds_every_example_once_in_batches_of_similar_length() -> None:
    lengths = torch.arange(100).repeat(10)
    batches = random_batches(lengths, 32, torch.Generator().manual_seed(0))
    assert torch.cat(batches).sort().values.tolist() == list(range(1000))
    assert [len(batch) for batch in batches].count(32) == 31
    spreads = [int(lengths[batch].max() - lengths[batch].min()) for batch in batches]
    assert max(spreads) < 30


def test_epochs_differ() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = (random_batches(torch.full((64,), 5), 32, generator) for _ in range(2))
    assert not torch.equal(torch.cat(one), torch.cat(other))


Make = Callable[..., list[Example]]
Train = Callable[..., TrainedModel]


def weights_of(model: TrainedModel) -> dict[str, torch.Tensor]:
    return model.network.state_dict()


@pytest.mark.parametrize("is_pair", [False, True], ids=["single", "pair"])
@pytest.mark.parametrize("attention", AttentionKind)
@pytest.mark.parametrize("encoder", EncoderKind)
def test_every_family_learns_a_separable_task(
    make_examples: Make,
    train_on: Train,
    encoder: EncoderKind,
    attention: AttentionKind,
    is_pair: bool,
) -> None:
    examples = make_examples(200, is_pair=is_pair)
    dev = make_examples(50, seed=1, is_pair=is_pair)
    model = train_on(examples, dev, encoder=encoder, attention=attention)
    assert model.task == Binary(("negative", "positive"))
    assert model.network.architecture.is_pair == is_pair
    assert model.best.dev_score == 1.0


def test_three_labels_are_learnt_by_accuracy(make_examples: Make, train_on: Train) -> None:
    model = train_on(make_examples(200, n_labels=3), make_examples(50, seed=1, n_labels=3))
    assert model.task == Multiclass(("negative", "neutral", "positive"))
    assert (model.best.score_name, model.best.dev_score) == ("accuracy", 1.0)


def test_several_labels_at_once_are_learnt(train_on: Train) -> None:
    texts = {"red ball": ("ball", "red"), "red": ("red",), "a ball": ("ball",), "a the": ()}
    examples = [Example(str(i), t, None, texts[t]) for i, t in enumerate([*texts] * 20)]
    model = train_on(examples, examples)
    assert model.task == Multilabel(("ball", "red"))
    assert (model.best.score_name, model.best.dev_score) == ("macro ROC AUC", 1.0)


def test_what_is_no_candidate_is_never_predicted(train_on: Train) -> None:
    """The texts are all the same: `a` wins wherever it is a candidate, and only there."""
    offers = [("a", "b"), ("b", "c"), ("a", "c")]
    examples = [
        Example(str(i), "which one", None, (offer[0],), offer)
        for i, offer in enumerate(offers * 20)
    ]
    model = train_on(examples, examples)
    assert isinstance(model.task, Candidates)
    assert model.best.dev_score == 1.0


def test_the_second_text_can_decide(train_on: Train) -> None:
    examples = [
        Example(str(i), "any text", word, (label,))
        for i, (word, label) in enumerate([("good", "1"), ("bad", "0")] * 40)
    ]
    assert train_on(examples, examples).best.dev_score == 1.0


def test_the_same_seed_gives_the_same_weights(make_examples: Make, train_on: Train) -> None:
    examples, dev = make_examples(60), make_examples(20, seed=1)
    one, other = (train_on(examples, dev, epochs=2, patience=2) for _ in range(2))
    assert all(torch.equal(weights_of(one)[n], t) for n, t in weights_of(other).items())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("encoder", EncoderKind)
def test_the_same_seed_gives_the_same_weights_on_a_gpu(
    make_examples: Make, encoder: EncoderKind
) -> None:
    settings = TrainingSettings(encoder=encoder, epochs=2)
    examples, dev = make_examples(200), make_examples(50, seed=1)
    one, other = (train(settings, examples, dev, torch.device("cuda")) for _ in range(2))
    assert all(torch.equal(weights_of(one)[n], t) for n, t in weights_of(other).items())


def test_another_seed_gives_other_weights(make_examples: Make, train_on: Train) -> None:
    examples, dev = make_examples(60), make_examples(20, seed=1)
    one, other = (train_on(examples, dev, epochs=1, seed=seed) for seed in (0, 1))
    assert not all(torch.equal(weights_of(one)[n], t) for n, t in weights_of(other).items())


def test_leaves_the_global_generator_alone(make_examples: Make, train_on: Train) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train_on(make_examples(40), make_examples(20, seed=1), epochs=1)
    assert torch.equal(torch.rand(1), expected)


def test_the_best_epoch_is_kept_and_patience_ends_it(
    make_examples: Make, train_on: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.4, 0.5, 0.8, 0.7, 0.8, 0.6, 0.9])  # the first: before training
    seen: list[dict[str, torch.Tensor]] = []

    def evaluate(
        network: torch.nn.Module, dev: Corpus, task: Task, loss: Loss
    ) -> tuple[float, float]:
        seen.append({n: t.clone() for n, t in network.state_dict().items()})
        return 1.0, next(scores)

    monkeypatch.setattr(loop, "dev_loss_and_score", evaluate)
    model = train_on(make_examples(60), make_examples(20, seed=1), patience=3)
    assert [epoch.dev_score for epoch in model.epochs] == [0.5, 0.8, 0.7, 0.8, 0.6]
    assert [epoch.is_best for epoch in model.epochs] == [True, True, False, False, False]
    assert model.best.epoch == 2
    assert all(torch.equal(seen[2][n], t) for n, t in weights_of(model).items())


def test_tells_of_epochs_and_batches(make_examples: Make) -> None:
    epochs: list[EpochResult] = []
    shares: list[float] = []
    settings = TrainingSettings(hidden_size=8, embedding_size=8, epochs=1)
    model = train(
        settings,
        make_examples(80),
        make_examples(20, seed=1),
        torch.device("cpu"),
        epochs.append,
        shares.append,
    )
    assert tuple(epochs) == model.epochs
    assert shares == [1 / 3, 2 / 3, 1.0]


def test_the_loss_falls(make_examples: Make, train_on: Train) -> None:
    dev = make_examples(50, seed=1)
    epochs = train_on(make_examples(200), dev, learning_rate=1e-3, epochs=5, patience=5).epochs
    assert epochs[-1].loss < epochs[0].loss


def test_a_training_that_diverges_is_ended(make_examples: Make, train_on: Train) -> None:
    with pytest.raises(ConfigurationError, match="diverged: loss or weights after epoch 1"):
        train_on(make_examples(60), make_examples(20, seed=1), learning_rate=1e38)


def test_dev_examples_of_one_class_are_refused(make_examples: Make, train_on: Train) -> None:
    dev = [example for example in make_examples(50, seed=1) if example.labels == ("positive",)]
    with pytest.raises(DataError, match="of one class: their ROC AUC is undefined"):
        train_on(make_examples(60), dev)


def test_a_trained_model_is_frozen(make_examples: Make, train_on: Train) -> None:
    network = train_on(make_examples(40), make_examples(20, seed=1), epochs=1).network
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_a_word_that_is_in_dev_alone_is_unknown(make_examples: Make, train_on: Train) -> None:
    dev = [*make_examples(20, seed=1), Example("z", "good zebra", None, ("positive",))]
    assert "zebra" not in train_on(make_examples(40), dev, epochs=1).vocabulary.tokens


def test_the_embedding_size_is_that_of_the_vectors(
    make_examples: Make, train_on: Train, tmp_path: Path
) -> None:
    file = tmp_path / "vectors.txt"
    file.write_text("good 1 2 3\nbad 4 5 6\nelsewhere 7 8 9\n")
    model = train_on(
        make_examples(40), make_examples(20, seed=1), embeddings=file, embedding_size=None
    )
    assert model.network.architecture.embedding_size == 3
    assert model.n_pretrained == 2


def test_another_embedding_size_than_the_vectors_is_refused(
    make_examples: Make, train_on: Train, tmp_path: Path
) -> None:
    file = tmp_path / "vectors.txt"
    file.write_text("good 1 2 3\n")
    with pytest.raises(ConfigurationError, match="have 3 numbers each, not 8"):
        train_on(make_examples(40), make_examples(20, seed=1), embeddings=file)


def test_no_dev_examples_are_refused(make_examples: Make, train_on: Train) -> None:
    with pytest.raises(DataError, match="no dev examples"):
        train_on(make_examples(40), [])


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


LABELS = ("a", "b", "c")


def gold_of(*rows: str) -> torch.Tensor:
    return torch.tensor([[name in row for name in LABELS] for row in rows])


def test_both_labels_of_a_binary_task_count_the_same_in_total() -> None:
    gold = torch.tensor([[True, False]] * 3 + [[False, True]])
    loss = loss_of(Binary(("no", "yes")), gold)
    undecided = torch.zeros(4, 1)
    assert loss(undecided[:3], gold[:3]).item() == pytest.approx(3 * math.log(2))
    assert loss(undecided[3:], gold[3:]).item() == pytest.approx(3 * math.log(2))


def test_several_labels_are_averaged_and_examples_summed() -> None:
    gold = gold_of("a", "abc")
    loss = loss_of(Multilabel(LABELS), gold)
    assert loss(torch.zeros(2, 3), gold).item() == pytest.approx(2 * math.log(2))


def test_competing_labels_share_the_probability() -> None:
    gold = gold_of("b", "c")
    loss = loss_of(Multiclass(LABELS), gold)
    assert loss(torch.zeros(2, 3), gold).item() == pytest.approx(2 * math.log(3))


def test_what_is_no_candidate_costs_nothing() -> None:
    gold = gold_of("b")
    loss = loss_of(Candidates(LABELS), gold)
    logits = torch.tensor([[0.0, 0.0, -torch.inf]])
    assert loss(logits, gold).item() == pytest.approx(math.log(2))


BINARY = Binary(("no", "yes"))
MULTILABEL = Multilabel(("a", "b", "c"))
MULTICLASS = Multiclass(("a", "b", "c"))


def test_a_binary_score_is_how_often_yes_ranks_above_no() -> None:
    gold = torch.tensor([[True, False], [True, False], [False, True], [False, True]])
    assert score_of(torch.tensor([[0.1], [0.4], [0.3], [0.9]]), gold, BINARY) == 0.75


def test_a_multilabel_score_leaves_labels_out_that_have_no_curve() -> None:
    gold = torch.tensor([[True, False, True], [False, True, True]])
    logits = torch.tensor([[0.9, 0.9, 0.0], [0.1, 0.1, 0.0]])
    assert score_of(logits, gold, MULTILABEL) == 0.5


def test_a_multiclass_score_is_accuracy() -> None:
    logits = torch.tensor([[0.1, 0.4, 0.3], [0.9, 0.1, -torch.inf]])
    gold = torch.tensor([[False, True, False], [False, True, False]])
    assert score_of(logits, gold, MULTICLASS) == 0.5


def test_one_class_alone_has_no_score() -> None:
    with pytest.raises(DataError, match="ROC AUC is undefined"):
        score_of(torch.zeros(2, 1), torch.tensor([[True, False]] * 2), BINARY)


def test_logits_come_in_the_order_of_the_examples(
    make_examples: Callable[..., list[Example]], train_on: Callable[..., TrainedModel]
) -> None:
    examples = make_examples(30)
    model = train_on(examples, examples, epochs=1)
    texts = [tokenize(model.settings.tokenizer, example.text) for example in examples]
    corpus = build_corpus(examples, texts, None, model.vocabulary, model.task, torch.device("cpu"))
    with torch.no_grad():
        alone = [corpus.logits(model.network, torch.tensor([i])) for i in range(len(examples))]
    torch.testing.assert_close(corpus_logits(model.network, corpus), torch.cat(alone))


def epochs(*scores_and_losses: tuple[float, float]) -> list[EpochResult]:
    return [
        EpochResult(i, 1.0, loss, score, "accuracy", is_best=False)
        for i, (score, loss) in enumerate(scores_and_losses, start=1)
    ]


def test_goes_on_before_the_first_epoch() -> None:
    assert not should_stop([], patience=1)


def test_stops_after_so_many_epochs_without_progress() -> None:
    history = epochs((0.5, 1.0), (0.6, 0.9), (0.6, 0.9), (0.5, 1.2), (0.55, 1.3))
    assert [should_stop(history[:n], patience=3) for n in range(1, 6)] == [False] * 4 + [True]


def test_a_falling_loss_is_progress() -> None:
    history = epochs((0.5, 1.0), (0.4, 0.9), (0.4, 0.8), (0.4, 0.7))
    assert not should_stop(history, patience=1)


def test_a_rising_score_is_progress() -> None:
    history = epochs((0.5, 1.0), (0.6, 1.1), (0.7, 1.2))
    assert not should_stop(history, patience=1)


def test_nothing_is_better_than_perfect() -> None:
    assert should_stop(epochs((1.0, 0.1)), patience=9)
