"""A HuggingFace classifier as interception takes it: texts in, logits out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.models.base import Encoded
from attn_audit.models.huggingface.calling import accepts, raw_logits
from attn_audit.models.huggingface.describing import describe
from attn_audit.models.huggingface.encoding import Encoder, TokenEncoded
from attn_audit.models.huggingface.inputs import IDS, MASK, TYPES, join, without_units
from attn_audit.models.huggingface.labels import task_of
from attn_audit.models.huggingface.options import LoadingOptions
from attn_audit.models.huggingface.padding import Padding, Side, padded_with
from attn_audit.models.huggingface.provenance import Provenance
from attn_audit.models.huggingface.vocabulary import embedding_table, neutral_token
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.results.description import ModelDescription
from attn_audit.shapes import Logits


class HuggingFaceClassifier(Classifier):
    """A sequence classifier of `transformers` with its tokenizer.

    Args:
        module: In eval mode; used as it is, and left as it is.
        tokenizer: The one that it was trained with.
        options: What only loading asks for is not looked at.
        provenance: Where they come from.

    Raises:
        ConfigurationError: The options do not fit the model or its tokenizer.
        UnsupportedModelError: It is no classifier.
    """

    def __init__(
        self,
        module: nn.Module,
        tokenizer: Any,
        options: LoadingOptions | None = None,
        provenance: Provenance | None = None,
    ) -> None:
        options = options or LoadingOptions()
        self.module = module
        self._config: Any = module.config
        self.provenance = provenance or Provenance()
        self.task = task_of(self._config, self.provenance.source, options.is_binary)
        self.device = next(module.parameters()).device
        self.takes_pairs = options.takes_pairs
        self.unit = options.unit
        self.can_mask = accepts(module, MASK)
        self.padding_side: Side = "right"
        """Where shorter texts are padded; a few models read at the last position, come what may."""
        self._padding = Padding.of(module, tokenizer)
        self._arguments = [IDS, *([MASK] if self.can_mask else [])]
        if TYPES in tokenizer.model_input_names and accepts(module, TYPES):
            self._arguments.append(TYPES)
        self._constants = {"use_cache": False} if accepts(module, "use_cache") else {}
        self.neutral_token = neutral_token(module, tokenizer)
        self._encoder = Encoder.of(module, tokenizer, self.task, options)

    def describe(self) -> ModelDescription:
        """What the configuration says; no layers, no findings."""
        return describe(self.module, self._encoder, self.provenance)

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        """Turn examples into token sequences and their audited units."""
        return list(self._encoder.encode(examples))

    def collate(self, encoded: Sequence[Encoded]) -> ModelInputs:
        """Pad examples into one batch on the module's device."""
        rows = [item for item in encoded if isinstance(item, TokenEncoded)]
        inputs = join(rows, self._arguments, self._padding, self.padding_side)
        return inputs.map(lambda tensor: tensor.to(self.device))

    def mask(self, inputs: ModelInputs, hidden: Bool[Tensor, "batch position"]) -> ModelInputs:
        """The inputs with an attention mask of 0 at some positions."""
        mask = inputs.keywords[MASK].masked_fill(hidden, 0)
        return replace(inputs, keywords={**inputs.keywords, MASK: mask})

    def delete(self, encoded: Sequence[Encoded], keep: Bool[Tensor, "batch unit"]) -> ModelInputs:
        """The inputs of shorter texts; positions of their units have the units' own indices."""
        texts = {id(item): item for item in encoded}
        row_of = {key: row for row, key in enumerate(texts)}
        rows = torch.tensor([row_of[id(item)] for item in encoded], device=self.device)
        whole = self.collate(list(texts.values())).take(rows)
        return without_units(whole, keep.to(self.device), self._padding, self.padding_side)

    def logits(self, inputs: ModelInputs) -> Logits:
        """Call the module; nothing is cached between tokens."""
        return self.logits_of(self.call(inputs, **self._constants))

    def call(self, inputs: ModelInputs, **others: Any) -> Any:
        """Call the module, and return what it returns.

        Args:
            inputs: A batch.
            others: Further arguments of its `forward`.
        """
        with padded_with(self.module, self._missing_padding_id(inputs)):
            return self.module(*inputs.arguments, **inputs.keywords, **others)

    def logits_of(self, output: Any) -> Logits:
        """The task's logits in what the module returned.

        Args:
            output: From `call`.
        """
        n_outputs = int(self._config.num_labels)
        return self.task.from_outputs(raw_logits(output, n_outputs, self.provenance.source))

    def embedding_table(self) -> Tensor | None:
        """The weights of the module's input embeddings."""
        return embedding_table(self.module)

    def _missing_padding_id(self, inputs: ModelInputs) -> int | None:
        """The id that stands for padding here, where the configuration names none."""
        if self._padding.own_id is not None:
            return None
        ids = inputs.keywords[IDS]
        padding = ids[~inputs.real]
        return int(padding[0]) if len(padding) else self._padding.id_for(ids.flatten())
