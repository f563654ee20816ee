import torch

from attn_audit.models.paper.training.shuffling import random_batches


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
