"""The order in which a training sees its examples."""

import torch
from jaxtyping import Int
from torch import Tensor

NOISE = 0.1


def random_batches(
    lengths: Int[Tensor, " example"], batch_size: int, generator: torch.Generator
) -> list[Int[Tensor, " batch"]]:
    """Batches of similar length in random order, so that little of a batch is padding.

    Lengths are shaken by a tenth before they are sorted: the company that an example keeps changes
    from epoch to epoch.

    Args:
        lengths: Of each example.
        batch_size: Examples a batch; one batch takes what is left.
        generator: Draws everything that is random, on the CPU.

    Returns:
        Indices of examples, each once, where `lengths` is.

    Source: the released code of Jain & Wallace (2019) buckets in the same way.
    """
    noise = 2 * torch.rand(len(lengths), generator=generator) - 1
    by_length = (lengths.cpu() * (1 + NOISE * noise)).argsort(stable=True)
    batches = torch.split(by_length, batch_size)
    order = torch.randperm(len(batches), generator=generator).tolist()
    return [batches[i].to(lengths.device) for i in order]
