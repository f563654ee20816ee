"""Tiny adapters, as they are after training."""

from pathlib import Path
from typing import Any

import pytest
import torch

from attn_audit.models.huggingface.hub import quiet

PREFIX = "base_model.model."


def base_without_head(classifier: Path, folder: Path) -> Path:
    """A pretrained model whose head nobody trained yet."""
    from transformers import AutoModel, AutoTokenizer

    with quiet():
        AutoModel.from_pretrained(classifier).save_pretrained(folder)
    AutoTokenizer.from_pretrained(classifier).save_pretrained(folder)
    return folder


def train(
    base: Path, folder: Path, config: Any, n_labels: int = 2, n_new_tokens: int = 0, **saving: Any
) -> Path:
    """Add noise to all that an adapter trains, and save it with its tokenizer."""
    from transformers import AutoTokenizer

    peft = pytest.importorskip("peft")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens([f"<new{number}>" for number in range(n_new_tokens)])
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(0)
        size = len(tokenizer) if n_new_tokens else None
        model = peft.get_peft_model(plain(base, n_labels, size), config)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.2)
        model.save_pretrained(folder, **saving)
    if n_new_tokens:
        tokenizer.save_pretrained(folder)
    return folder


def plain(base: Path, n_labels: int = 2, n_tokens: int | None = None, **options: Any) -> Any:
    """The base model as people load it."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=n_labels, ignore_mismatched_sizes=True, **options
    )
    if n_tokens is not None:
        model.resize_token_embeddings(n_tokens)
    return model


def logits_of_peft(adapter: Path, base: Any, inputs: Any) -> torch.Tensor:
    """What `peft` itself makes of an adapter and its base model."""
    peft = pytest.importorskip("peft")
    with quiet(), torch.no_grad():
        model = peft.PeftModel.from_pretrained(base, adapter).eval()
        logits: torch.Tensor = model(**dict(inputs.keywords)).logits
    return logits
