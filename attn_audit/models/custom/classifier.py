"""A user's module as interception takes it: texts in, logits out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from attn_audit.data.example import Example
from attn_audit.distances import Logits
from attn_audit.errors import ConfigurationError, IncompatibleDataError
from attn_audit.models.contract import EncodedExample
from attn_audit.models.custom.columns import GivenMask, Pieces, find_columns
from attn_audit.models.custom.custom_model import CustomModel, TokenLists, call_encode, call_module
from attn_audit.models.custom.encoding import (
    EncodedText,
    Splitter,
    arguments_of,
    takes_one_dict,
    without_units,
)
from attn_audit.models.interception.classifier import (
    NOT_AUDITED,
    Arguments,
    Classifier,
    ModelDetails,
    ModelInputs,
    NeutralToken,
    Provenance,
)
from attn_audit.models.interception.embedding import is_asked
from attn_audit.models.interception.key_order import TextChanges
from attn_audit.models.task import MAX_DEVIATION, limits_of, logits_of, place


class CustomClassifier(Classifier):
    """A user's module with the user's own encoding."""

    format = "adapter"

    def __init__(
        self,
        custom: CustomModel,
        trial: Sequence[Example],
        splitter: Splitter,
        provenance: Provenance,
    ) -> None:
        """Find out by trial where a text's tokens stand in what the module is called with.

        Raises:
            ConfigurationError: The user's functions do not give what is asked of them.
            IncompatibleDataError: A text of the trial does not fit the model.
        """
        self.custom, self.provenance = custom, provenance
        self.module, self.training = custom.module, custom.training
        inner = [m for m in self.module.modules() if next(m.children(), None) is None]
        parts = ", ".join(dict.fromkeys(type(each).__name__ for each in inner))
        name = type(self.module).__name__
        self.architecture = name if parts == name else f"{name} ({parts})"
        self.task = custom.audited_task
        self.takes_pairs = custom.takes_pairs
        self.unit = splitter.unit
        self.max_length = splitter.max_length
        self.device = next((p.device for p in self.module.parameters()), torch.device("cpu"))
        self._splitter = splitter
        texts = splitter.encode(trial)
        first, second = self._texts(texts)
        self._columns, probe = find_columns(self._arguments, first, second)
        self.ids = self._columns.name
        self._with_one_dict = takes_one_dict(self.module, call_encode(custom, first, second))
        self._second = None if second is None else second[0]
        self._pieces = Pieces(self._alone, self._columns, probe, self.takes_pairs)
        self._mask: GivenMask | None = None
        if custom.mask is not None:
            token = probe or texts[0].tokens[0]
            padded = self._alone([[token] * 3, [token]])
            self._mask = GivenMask.of(custom.mask, padded, self._columns)
        self.can_mask = self._mask is not None
        unknown = self._pieces.unknown_id()
        if unknown is not None:
            self.neutral_token = NeutralToken("the unknown token", unknown)
        encoded = self.located(texts)
        self._trial = self._inputs(encoded[:1])
        with torch.no_grad():
            for item in encoded:
                output = self._output(self._inputs([item]))
                output.require_probabilities()
                self.logit_limits = output.logit_limits

    @property
    def details(self) -> ModelDetails:
        """Where it comes from, and what the user said of it."""
        said = ("output", "attention", "embedding", "columns", "mask")
        return {**self.provenance.details, **{name: getattr(self.custom, name) for name in said}}

    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """Split texts into tokens and units; the user's `encode` gets them batch by batch."""
        return list(self.located(self._splitter.encode(examples)))

    def collate(self, encoded: Sequence[EncodedExample]) -> ModelInputs:
        """What the module is called with, and where in it the audited tokens stand.

        Raises:
            IncompatibleDataError: The columns of a text are not those of its tokens.
        """
        texts = [item for item in encoded if isinstance(item, EncodedText)]
        inputs = self._inputs(texts)
        self._pieces.require(texts, inputs[self._columns.name])
        return inputs

    def mask(self, inputs: ModelInputs, hidden: Bool[Tensor, "batch position"]) -> ModelInputs:
        """The inputs with some positions masked as padding is."""
        assert self._mask is not None
        return self._mask.hide(inputs, hidden)

    def changed(self, encoded: Sequence[EncodedExample], n_units: int) -> tuple[TextChanges, ...]:
        """Texts with one unit after the other replaced by a token of as many columns."""
        texts = [item for item in encoded if isinstance(item, EncodedText)]
        tokens = list(dict.fromkeys(token for text in texts for token in text.tokens))
        self._pieces.learn(tokens)
        found = []
        for text in texts:
            step = -(-text.n_units // n_units)
            others = {u: self._with_another(text, u, tokens) for u in range(0, text.n_units, step)}
            found.append(TextChanges(text, {u: other for u, other in others.items() if other}))
        return tuple(found)

    def _with_another(
        self, text: EncodedText, unit: int, tokens: Sequence[str]
    ) -> EncodedText | None:
        """A text with a unit's first token replaced; None where no token is as long and another.

        Which one depends on the unit, so that not all are replaced by the same.
        """
        place = text.unit_of_token.index(unit)
        first = unit % len(tokens)
        turned = (*tokens[first:], *tokens[:first])
        for token in turned:
            if self._pieces.may_stand_for(token, text.tokens[place]):
                others = (*text.tokens[:place], token, *text.tokens[place + 1 :])
                return replace(text, tokens=others)
        return None

    def delete(
        self, encoded: Sequence[EncodedExample], keep: Bool[Tensor, "batch unit"]
    ) -> ModelInputs:
        """Encode the tokens that are left."""
        rows = zip(encoded, keep.tolist(), strict=True)
        return self._inputs(
            self.located(
                without_units(item, kept) for item, kept in rows if isinstance(item, EncodedText)
            )
        )

    def logits(self, inputs: ModelInputs) -> Logits:
        """Call the module: its output as logits of the task, differentiable."""
        return self._output(inputs).logits

    def outputs(self, inputs: ModelInputs) -> Float[Tensor, "batch output"]:
        """One for each label, or one for two."""
        return self._output(inputs).of_labels

    def embedding_table(self) -> Tensor | None:
        """The table that is named, or that is seen to be asked for the tokens.

        Raises:
            ConfigurationError: Several are, and none is named.
        """
        if self.custom.embedding is not None:
            return self.custom.embedding_table()
        modules = self.module.named_modules()
        every = {name: each.weight for name, each in modules if isinstance(each, nn.Embedding)}
        asked = {
            id(table)
            for table in {id(table): table for table in every.values()}.values()
            if is_asked(self, self._trial, self._columns.name, table)
        }
        if len(asked) > 1:
            names = [name for name, table in every.items() if id(table) in asked]
            raise ConfigurationError(
                f"the module looks its tokens up in several tables: {', '.join(names)}",
                hint='Name the one that gradients are to be taken at: embedding="...".',
            )
        return next((table for table in every.values() if id(table) in asked), None)

    def _output(self, inputs: ModelInputs) -> "ModuleOutput":
        returned = call_module(self.custom, inputs, self._with_one_dict)
        return ModuleOutput.of(self.custom, returned, len(inputs))

    def _arguments(self, texts: TokenLists, second: TokenLists | None) -> Arguments:
        given = call_encode(self.custom, texts, second)
        return arguments_of(given, len(texts), self.device)

    def _alone(self, texts: TokenLists) -> Arguments:
        return self._arguments(texts, self._second and [self._second] * len(texts))

    def located(self, texts: Iterable[EncodedText]) -> list[EncodedText]:
        """The texts with the unit of each of their columns."""
        every = list(texts)
        self._pieces.learn(token for text in every for token in text.tokens)
        return [
            replace(text, unit_of_position=self._columns.with_markers(self._pieces.units(text)))
            for text in every
        ]

    def _inputs(self, rows: Sequence[EncodedText]) -> ModelInputs:
        arguments = self._arguments(*self._texts(rows))
        holder = arguments[self._columns.name]
        of_columns = [torch.tensor(self._pieces.units(row)) for row in rows]
        n_columns = torch.tensor([len(units) for units in of_columns])
        self._require_all_tokens(rows, n_columns, holder)
        held = self._columns.tokens(holder.shape[1], n_columns)
        padded = pad_sequence(of_columns, batch_first=True, padding_value=NOT_AUDITED)
        units = padded.gather(1, held.clamp_min(0))
        return ModelInputs(
            arguments.arguments,
            arguments.keywords,
            units.masked_fill(held < 0, NOT_AUDITED).to(self.device),
            self._columns.real(holder, (held >= 0).to(self.device)),
        )

    def _require_all_tokens(
        self, rows: Sequence[EncodedText], n_columns: Tensor, holder: Tensor
    ) -> None:
        starts = self._columns.starts(holder.shape[1], n_columns).tolist()
        for row, start in zip(rows, starts, strict=True):
            if start < 0:
                raise IncompatibleDataError(
                    place(row.example),
                    f"the adapter's encode returns {holder.shape[1]} columns, too few for the "
                    f"text's {len(row.tokens)} tokens and what stands around them: it cuts the "
                    "text, or leaves tokens out, or joins some",
                    hint="Cut texts to what the module takes with --max-length; let tokenize leave "
                    "out and join what encode does.",
                )

    def _texts(self, rows: Sequence[EncodedText]) -> tuple[TokenLists, TokenLists | None]:
        second = [row.second_tokens for row in rows] if self.takes_pairs else None
        return [row.tokens for row in rows], second


@dataclass(frozen=True)
class ModuleOutput:
    """What a user's module says of some texts: logits or probabilities, a row for each text."""

    custom: CustomModel
    numbers: Float[Tensor, "batch output"]
    """In single precision at least."""

    @staticmethod
    def of(custom: CustomModel, returned: object, n_texts: int) -> "ModuleOutput":
        """Take what the module returned.

        Raises:
            ConfigurationError: It holds no output for each label.
        """
        output = _tensor(returned)
        if output is None or not output.is_floating_point():
            kind = type(returned).__name__ if output is None else f"tensor of {output.dtype}"
            raise ConfigurationError(
                f"the adapter's module returned a {kind}",
                hint="Return logits or probabilities: a tensor, a tuple that starts with it, or an "
                "object with `logits`.",
            )
        task = custom.audited_task
        if output.dim() == 1 and task.n_logits == 1:
            output = output.unsqueeze(1)
        if output.dim() != 2 or len(output) != n_texts or output.shape[1] not in task.n_outputs:
            wanted = " or ".join(f"{n_texts} x {width}" for width in task.n_outputs)
            raise ConfigurationError(
                f"the adapter's module returned a tensor of {' x '.join(map(str, output.shape))} "
                f"for {n_texts} texts; a {task.name} task with {len(task.labels)} labels needs "
                f"{wanted}",
                hint="squeeze() drops the batch's axis too where there is one text: say "
                "squeeze(-1)."
                if n_texts == 1 and output.dim() < 2 and output.numel() in task.n_outputs
                else None,
            )
        return ModuleOutput(custom, output.to(torch.promote_types(output.dtype, torch.float32)))

    @property
    def of_labels(self) -> Float[Tensor, "batch output"]:
        """What it says of each label, as logits."""
        if self.custom.output == "logits":
            return self.numbers
        return logits_of(self.numbers, compete=self._compete)

    @property
    def logits(self) -> Logits:
        """The task's; of labels that compete, relative to the first label's.

        What a softmax takes off all labels alike says nothing, and would hide that a readout is
        linear in attention.
        """
        logits = self.custom.audited_task.from_outputs(self.of_labels)
        return logits - logits[:, :1] if self.custom.audited_task.is_softmax else logits

    @property
    def logit_limits(self) -> tuple[float, float] | None:
        """What logits of probabilities, or of competing labels their differences, can be at all.

        Returns:
            None where the module gives logits.
        """
        if self.custom.output == "logits":
            return None
        return limits_of(self.numbers.dtype, compete=self._compete)

    def require_probabilities(self) -> None:
        """Refuse outputs that are not what the user says they are.

        Raises:
            ConfigurationError: Probabilities are none.
        """
        if self.custom.output == "logits":
            return
        low, high = float(self.numbers.min()), float(self.numbers.max())
        if low < 0 or high > 1:
            raise ConfigurationError(
                f'output="probabilities": the module returns numbers from {low:.3g} to {high:.3g}',
                hint='Say output="logits" if they are logits or log-probabilities.',
            )
        if not self._compete:
            return
        sums = self.numbers.sum(dim=1)
        wrong = float(sums[(sums - 1).abs().argmax()])
        if abs(wrong - 1) > MAX_DEVIATION:
            raise ConfigurationError(
                f'output="probabilities": the outputs of one text sum to {wrong:.3g}, not to 1',
                hint='Say task="multilabel" if each label has a sigmoid of its own.',
            )

    @property
    def _compete(self) -> bool:
        """Whether a text's probabilities sum to 1."""
        task = self.custom.audited_task
        return task.is_softmax or self.numbers.shape[1] > task.n_logits


def _tensor(returned: object) -> Tensor | None:
    if isinstance(returned, Mapping):
        returned = returned.get("logits")
    elif hasattr(returned, "logits"):
        returned = returned.logits
    elif isinstance(returned, Sequence) and returned:
        returned = returned[0]
    return returned if isinstance(returned, Tensor) else None
