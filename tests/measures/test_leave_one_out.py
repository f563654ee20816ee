import pytest
import torch

from attn_audit.data.example import Example
from attn_audit.errors import InvalidOutputError
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.models.capacity import Capacity
from attn_audit.models.task import TaskKind
from tests.rows import RowsModel, texts
from tests.tiny import tiny_examples, tiny_model


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.MULTICLASS, TaskKind.MULTILABEL])
def test_is_the_distance_to_the_shorter_text(kind: TaskKind) -> None:
    model = tiny_model(kind=kind, n_labels=2 if kind is TaskKind.BINARY else 3)
    examples = tiny_examples(4, lengths=(3, 6))
    found = leave_out(model, model.collate(model.encode(examples))).distance

    def probability(text: str) -> torch.Tensor:
        batch = model.collate(model.encode([Example(id="x", text=text)]))
        return model.task.probabilities(model.read(batch, [model.default_site])[0].logits)[0]

    for i, example in enumerate(examples):
        words = example.text.split()
        for unit in range(len(words)):
            rest = " ".join(words[:unit] + words[unit + 1 :])
            expected = model.task.distance(probability(rest), probability(example.text))
            assert torch.allclose(found[i, unit], expected, atol=1e-6)
        assert not found[i, len(words) :].any()


def test_long_texts_in_portions_give_the_same() -> None:
    model = tiny_model()
    batch = model.collate(model.encode(tiny_examples(7, lengths=(2, 12))))
    at_once = leave_out(model, batch).distance
    model.capacity = Capacity(memory=300 * 64, cache=2**20, n_tokens=2**10)
    assert torch.allclose(leave_out(model, batch).distance, at_once, atol=1e-6)


def test_a_shorter_text_that_overflows_is_named() -> None:
    model = tiny_model()
    model.network.attention.get_parameter("score.weight").data.fill_(3e38)
    batch = model.collate(model.encode(tiny_examples(2, lengths=(3, 6))))
    with pytest.raises(InvalidOutputError, match="output without one of its units is not finite"):
        leave_out(model, batch)


def test_the_only_unit_of_a_text_may_leave_nothing_that_is_a_number() -> None:
    model = RowsModel(every_row=True)
    batch = model.collate(model.encode(texts(1, 4)))
    assert model.erase(batch, torch.zeros_like(batch.unit_mask).unsqueeze(1))[0].isnan().any()
    found = leave_out(model, batch).distance
    assert found[0].tolist() == [0, 0, 0, 0]
    assert found.isfinite().all()
