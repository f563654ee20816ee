"""A user's module as interception takes it: texts in, logits out."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from attn_audit.data.example import Example
from attn_audit.errors import IncompatibleDataError
from attn_audit.models.base import Encoded
from attn_audit.models.custom.arguments import Arguments
from attn_audit.models.custom.calling import TokenLists, call_encode, call_module
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.embedding import find_table
from attn_audit.models.custom.encoding import Splitter, TextEncoded, without_units
from attn_audit.models.custom.locating import find_columns
from attn_audit.models.custom.outputs import require_outputs, task_logits
from attn_audit.models.fitting import place
from attn_audit.models.interception.classifier import NOT_AUDITED, Classifier, ModelInputs
from attn_audit.results.description import ModelDescription
from attn_audit.shapes import Logits


class CustomClassifier(Classifier):
    """A user's module with the user's own encoding."""

    can_mask = False

    def __init__(
        self,
        custom: CustomModel,
        trial: Sequence[Example],
        splitter: Splitter,
        description: ModelDescription,
    ) -> None:
        """Find out by trial where a text's tokens stand in what the module is called with.

        Args:
            custom: What the user says of it; its module on the device, in eval mode.
            trial: Some texts, of tokens that the module knows.
            splitter: Texts into tokens and units.
            description: What is known of it.

        Raises:
            ConfigurationError: The user's functions do not give what is asked of them.
            IncompatibleDataError: A text of the trial does not fit the model.
        """
        self.custom = custom
        self.module = custom.module
        self.task = custom.audited_task
        self.takes_pairs = custom.takes_pairs
        self.unit = splitter.unit
        self.device = next((p.device for p in self.module.parameters()), torch.device("cpu"))
        self._splitter = splitter
        self._description = description
        encoded = splitter.encode(trial)
        self._columns = find_columns(self._arguments, *self._texts(encoded))
        self.ids = self._columns.name
        self._trial = self._inputs(encoded)
        with torch.no_grad():
            require_outputs(custom, call_module(custom, self._trial), len(self._trial))

    def describe(self) -> ModelDescription:
        """What is known before anything is tried out."""
        return self._description

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        """Split texts into tokens and units; the user's `encode` gets them batch by batch."""
        return list(self._splitter.encode(examples))

    def collate(self, encoded: Sequence[Encoded]) -> ModelInputs:
        """What the module is called with, and where in it the audited tokens stand."""
        return self._inputs([item for item in encoded if isinstance(item, TextEncoded)])

    def mask(self, inputs: ModelInputs, hidden: Bool[Tensor, "batch position"]) -> ModelInputs:
        """Never called: of a mask nothing is known."""
        raise NotImplementedError

    def delete(self, encoded: Sequence[Encoded], keep: Bool[Tensor, "batch unit"]) -> ModelInputs:
        """Encode the tokens that are left."""
        rows = zip(encoded, keep.tolist(), strict=True)
        return self._inputs(
            [without_units(item, kept) for item, kept in rows if isinstance(item, TextEncoded)]
        )

    def logits(self, inputs: ModelInputs) -> Logits:
        """Call the module: its output as logits of the task, differentiable."""
        return task_logits(self.custom, call_module(self.custom, inputs), len(inputs))

    def embedding_table(self) -> Tensor | None:
        """The table that is named, or that was seen to be asked for the tokens."""
        return find_table(self.custom, self._trial, self._columns.name)

    def _arguments(self, texts: TokenLists, second: TokenLists | None) -> Arguments:
        given = call_encode(self.custom, texts, second)
        return Arguments.of(given, len(texts), self.device)

    def _inputs(self, rows: Sequence[TextEncoded]) -> ModelInputs:
        arguments = self._arguments(*self._texts(rows))
        holder = arguments[self._columns.name]
        n_tokens = torch.tensor([len(row.tokens) for row in rows])
        starts = self._columns.starts(holder.shape[1], n_tokens)
        _require_all_tokens(rows, starts, holder)
        offset = torch.arange(holder.shape[1]) - starts.unsqueeze(1)
        holds_token = (offset >= 0) & (offset < n_tokens.unsqueeze(1))
        unit_of_token = pad_sequence(
            [torch.tensor(row.unit_of_position) for row in rows], batch_first=True
        )
        units = unit_of_token.gather(1, offset.clamp(0, unit_of_token.shape[1] - 1))
        return ModelInputs(
            arguments.by_position,
            arguments.by_name,
            torch.where(holds_token, units, NOT_AUDITED).to(self.device),
            self._columns.real(holder, holds_token.to(self.device)),
        )

    def _texts(self, rows: Sequence[TextEncoded]) -> tuple[TokenLists, TokenLists | None]:
        second = [row.second_tokens for row in rows] if self.takes_pairs else None
        return [row.tokens for row in rows], second


def _require_all_tokens(rows: Sequence[TextEncoded], starts: Tensor, holder: Tensor) -> None:
    for row, start in zip(rows, starts.tolist(), strict=True):
        if start < 0:
            raise IncompatibleDataError(
                place(row.example),
                f"the adapter's encode returns {holder.shape[1]} columns, too few for the text's "
                f"{len(row.tokens)} tokens and what stands around them",
                hint="Cut texts to what the module takes with --max-length.",
            )
