"""What a training starts from: the first weights, the optimizer, a machine that repeats itself."""

import os
from contextlib import AbstractContextManager, nullcontext

import torch

from attn_audit.models.paper.network import AttentionPoolingNetwork
from attn_audit.models.paper.training.embeddings import initialise
from attn_audit.models.paper.training.preparation import Prepared
from attn_audit.models.paper.training.settings import TrainingSettings


def repeatable(device: torch.device) -> AbstractContextManager[None]:
    """What CUDA needs for the same weights every time; on a CPU they are."""
    if device.type != "cuda":
        return nullcontext()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)


def initial_network(
    settings: TrainingSettings, prepared: Prepared, device: torch.device
) -> AttentionPoolingNetwork:
    """Drawn on the CPU, so that the first weights are the same on every device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = AttentionPoolingNetwork(prepared.architecture)
    for encoder in (network.text_encoder, network.pair_encoder):
        if encoder is not None:
            initialise(encoder.embedding, prepared.vectors)
    return network.to(device)


def optimizer_of(
    network: AttentionPoolingNetwork, settings: TrainingSettings
) -> torch.optim.Optimizer:
    """The paper's Adam: no weight decay on the attention."""
    attention = list(network.attention.parameters())
    ours = {id(parameter) for parameter in attention}
    others = [parameter for parameter in network.parameters() if id(parameter) not in ours]
    return torch.optim.Adam(
        [
            {"params": others, "weight_decay": settings.weight_decay},
            {"params": attention, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        amsgrad=True,
        fused=True,
    )
