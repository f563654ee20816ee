"""The paper's models as plain modules that an adapter brings in."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.data.example import Example
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.intercepted_model import build_custom_model
from attn_audit.models.paper.checkpoint import Vocabulary
from attn_audit.models.paper.classifier import PaperModel
from tests.goldens import Golden


class Encoding:
    """Tokens to padded ids, markers included, and lengths; of both texts where there are two."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def __call__(
        self, texts: list[list[str]], second: list[list[str]] | None = None
    ) -> tuple[Tensor, ...]:
        return self._padded(texts) + (() if second is None else self._padded(second))

    def _padded(self, texts: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
        rows = [torch.tensor(self.vocabulary.ids(tokens)) for tokens in texts]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor(list(map(len, rows)))


def as_custom_model(native: PaperModel) -> CustomModel:
    """What a user would say of the same model."""
    return CustomModel(
        native.network,
        Encoding(native.vocabulary),
        native.task.labels,
        native.task.name,
        takes_pairs=native.network.architecture.is_pair,
    )


def through_an_adapter(golden: Golden) -> AuditedBatch:
    """The golden's texts as the same model behind an adapter reads them."""
    native = golden.audited.model
    assert isinstance(native, PaperModel)
    examples: list[Example] = [item.example for item in golden.audited.batch.encoded]
    custom = as_custom_model(native)
    model = build_custom_model(custom, examples[:4], native.device)
    return read_batch(model, model.collate(model.encode(examples)), model.default_site, seed=0)
