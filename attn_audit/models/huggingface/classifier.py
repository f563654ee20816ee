"""A HuggingFace classifier as interception takes it: texts in, logits out."""

import copy
import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.distances import Logits
from attn_audit.errors import ConfigurationError
from attn_audit.models.contract import EncodedExample
from attn_audit.models.huggingface.encoding import (
    EncodedTokens,
    Encoder,
    Padding,
    Side,
    embedding_table,
    join,
    kept_positions,
    neutral_token,
    padded_with,
)
from attn_audit.models.huggingface.output import (
    FOLLOWING,
    IDS,
    MASK,
    PLACES,
    TYPES,
    Classes,
    Output,
    ZeroShot,
)
from attn_audit.models.huggingface.prompting import Asker, Continuation, Options, Vocabulary
from attn_audit.models.huggingface.tokenizer import max_length_of
from attn_audit.models.interception.classifier import (
    IN_MEMORY,
    NOT_AUDITED,
    Classifier,
    ModelDetails,
    ModelInputs,
    Provenance,
)
from attn_audit.models.options import ModelOptions
from attn_audit.models.units import how_words_are_found
from attn_audit.numbers import counted
from attn_audit.settings import TEXTS_IN_WORDS


class HuggingFaceClassifier(Classifier):
    """A sequence classifier of `transformers`, or a language model, with its tokenizer.

    Args:
        module: In eval mode; used as it is, and left as it is.
        tokenizer: The one that it was trained with.
        options: What only loading asks for is not looked at.

    Raises:
        ConfigurationError: The options do not fit the model or its tokenizer.
        UnsupportedModelError: It has no such head.
    """

    format = "HuggingFace"
    can_read_markers = True

    def __init__(
        self,
        module: nn.Module,
        tokenizer: Any,
        options: ModelOptions | None = None,
        provenance: Provenance = IN_MEMORY,
    ) -> None:
        options = options or ModelOptions()
        self.module = module
        self._config: Any = module.config
        self.provenance = provenance
        self.architecture = _architecture(module)
        self.question, self.asked = options.question, options.asked
        asker = None if options.question is None else Asker(tokenizer, options.question)
        self.output = self._output(asker, tokenizer, options)
        self.hypotheses = options.hypotheses
        self.task = self.output.task
        self.device = next(module.parameters()).device
        self.takes_pairs, self.audited = options.takes_pairs, options.audited_texts
        self.unit = options.unit
        self.can_mask = accepts(module, MASK)
        self.padding_side: Side = "right"
        """Where shorter texts are padded; a few models read at the last position, come what may."""
        self._padding = Padding.of(module, tokenizer)
        self.padding_token = self._padding.own_id
        self._arguments = [IDS, *([MASK] if self.can_mask else [])]
        if TYPES in tokenizer.model_input_names and accepts(module, TYPES):
            self._arguments.append(TYPES)
        if self.can_mask and accepts(module, PLACES):
            # Some count from behind the number that padding has.
            self.first_places = (0, (self._padding.own_id or 0) + 1)
        self._constants = {"use_cache": False} if accepts(module, "use_cache") else {}
        if self.output.has_following:
            self._arguments.append(FOLLOWING)
        self.neutral_token = neutral_token(module, tokenizer)
        self.encoder = Encoder.of(module, tokenizer, self.output, options, asker)

    def _output(self, asker: Asker | None, tokenizer: Any, options: ModelOptions) -> Output:
        name = self.provenance.source
        if options.hypotheses is not None or asker is not None:
            options.require_default(("task",), "a model whose answers are named")
        if options.hypotheses is not None:
            limit = max_length_of(self.module, tokenizer, options.max_length, takes_pairs=True)
            return ZeroShot(self.module, tokenizer, options.hypotheses, name, limit)
        if asker is None:
            if options.task == "reranker" and not options.takes_pairs:
                raise ConfigurationError(
                    "--task reranker: a reranker reads pairs, and the first text has no second one",
                    hint="Give each query as the text and its passage as the second text: "
                    "--text-field query --text-pair-field passage.",
                )
            return Classes(self._config, name, options.task)
        if asker.question.is_next:
            return Vocabulary(self.module, asker, name)
        if asker.question.target is not None:
            return Continuation(self.module, asker.question, name)
        return Options(self.module, asker, name)

    @property
    def details(self) -> ModelDetails:
        """What the configuration says of it, and what it is made to give."""
        encoder = self.encoder
        return {
            "model type": self._config.model_type,
            "vocabulary": encoder.n_ids,
            "hidden size": getattr(self._config, "hidden_size", None),
            "max length": "unlimited" if encoder.max_length is None else encoder.max_length,
            "tokenizer": type(encoder.tokenizer).__name__,
            "audited of a pair": None if self.audited == "first" else TEXTS_IN_WORDS[self.audited],
            "without blanks": how_words_are_found() if self.unit == "word" else None,
            **self.provenance.details,
            **self.output.details,
        }

    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """Turn examples into token sequences and their audited units."""
        return list(self.encoder.encode(examples))

    @property
    def is_decoder(self) -> bool:
        """Whether it reads a text from its beginning on, and could keep what it read."""
        return accepts(self.module, "past_key_values") and not self._config.is_encoder_decoder

    def collate(self, encoded: Sequence[EncodedExample]) -> ModelInputs:
        """Pad examples into one batch on the module's device."""
        rows = [item for item in encoded if isinstance(item, EncodedTokens)]
        inputs = join(rows, self._arguments, self._padding, self.padding_side)
        return inputs.map(lambda tensor: tensor.to(self.device))

    def mask(self, inputs: ModelInputs, hidden: Bool[Tensor, "batch position"]) -> ModelInputs:
        """The inputs with an attention mask of 0 at some positions."""
        mask = inputs.keywords[MASK].masked_fill(hidden, 0)
        return replace(inputs, keywords={**inputs.keywords, MASK: mask})

    def leave_gaps(
        self, inputs: ModelInputs, gone: Bool[Tensor, "batch position"], first_place: int
    ) -> ModelInputs:
        """The inputs of the other positions, with the numbers of their places."""
        places = first_place + (inputs.real.cumsum(dim=1) - 1).clamp_min(0)
        told = replace(inputs, keywords={**inputs.keywords, PLACES: places})
        return self.moved_together(told, inputs.real & ~gone)

    def moved_together(
        self, inputs: ModelInputs, stays: Bool[Tensor, "batch position"]
    ) -> ModelInputs:
        """Special tokens and second texts stay."""
        return kept_positions(inputs, stays, self._padding, self.padding_side)

    def logits(self, inputs: ModelInputs) -> Logits:
        """Call the module; nothing is cached between tokens."""
        return self.task.from_outputs(self.outputs(inputs))

    def outputs(self, inputs: ModelInputs) -> Float[Tensor, "batch output"]:
        """One for each of its labels."""
        return self.output.read(self.call(inputs, **self._constants), inputs)

    def call(self, inputs: ModelInputs, **others: Any) -> Any:
        """Call the module, with further arguments of its `forward`."""
        padding_id = None
        if self._padding.own_id is None:  # the model must be told what stands for padding here
            ids = inputs.keywords[IDS]
            padding = ids[~inputs.real]
            padding_id = int(padding[0]) if len(padding) else self._padding.id_for(ids.flatten())
        with padded_with(self.module, padding_id), self.output.asked(inputs):
            given = {**inputs.keywords, **self.output.arguments(inputs)}
            given.pop(FOLLOWING, None)
            return self.module(*inputs.arguments, **given, **others)

    @property
    def can_continue(self) -> bool:
        """Of decoders, whose texts begin where the batch does."""
        return self.is_decoder and self.can_mask and self.padding_side == "right"

    def kept_prefixes(self, inputs: ModelInputs) -> Any:
        """Keys and values."""
        return self.call(inputs, use_cache=True).past_key_values

    def continued(
        self,
        kept: Any,
        rows: Int[Tensor, " row"],
        n_kept: Int[Tensor, " row"],
        inputs: ModelInputs,
    ) -> Logits:
        """Keys and values of the beginnings; where one is shorter than another, some are hidden."""
        longest = int(n_kept.max())
        if not longest:
            return self.logits(inputs)
        own = copied(kept)
        if (n_more := own.get_seq_length() - longest) > 0:
            own.crop(-n_more)
        own.batch_select_indices(rows)
        behind = self.behind(inputs, n_kept, longest)
        found = self.call(behind, past_key_values=own, use_cache=True)
        return self.task.from_outputs(self.output.read(found, behind))

    def behind(self, inputs: ModelInputs, n_kept: Int[Tensor, " row"], width: int) -> ModelInputs:
        """What comes behind the beginnings of texts, in a cache of so many positions for each."""
        positions = torch.arange(inputs.n_positions, device=n_kept.device)
        is_kept = positions < n_kept.unsqueeze(1)
        n_left = (inputs.real & ~is_kept).sum(dim=1)
        real = positions[: int(n_left.max())] < n_left.unsqueeze(1)
        places = torch.where(real, n_kept.unsqueeze(1) + positions[: real.shape[1]], 0)
        fills = {IDS: self._padding.id_for(inputs.keywords[IDS][inputs.real]), MASK: 0}
        given = {
            name: value.gather(1, places).masked_fill(~real, fills.get(name, 0))
            for name, value in inputs.keywords.items()
        }
        kept = (inputs.keywords[MASK] * is_kept)[:, :width]
        given[MASK] = torch.cat([kept, given[MASK]], dim=1)
        if self.first_places:
            given.setdefault(PLACES, places)
        units = inputs.units.gather(1, places).masked_fill(~real, NOT_AUDITED)
        return ModelInputs((), given, units, real)

    def read_rows(self, inputs: ModelInputs) -> Bool[Tensor, "batch position"] | None:
        """As the output says."""
        return self.output.read_rows(inputs)

    def embedding_table(self) -> Tensor | None:
        """The weights of the module's input embeddings."""
        return embedding_table(self.module)


def copied(kept: Any) -> Any:
    """A cache with the same keys and values, which takes more, or others, without changing it.

    As far as its layers join old and new keys as new tensors: trials run twice to see it.
    """
    own = copy.copy(kept)
    own.layers = [copy.copy(layer) for layer in kept.layers]
    return own


def accepts(module: nn.Module, argument: str) -> bool:
    """Whether `forward` has an argument of this name; what it only passes on does not count."""
    return argument in inspect.signature(module.forward).parameters


def _architecture(module: nn.Module) -> str:
    config: Any = module.config
    layers = getattr(config, "num_hidden_layers", None)
    decoder_layers = getattr(config, "decoder_layers", getattr(config, "num_decoder_layers", None))
    heads = getattr(config, "num_attention_heads", None)
    size = getattr(config, "hidden_size", None)
    parts = [type(module).__name__]
    if layers is not None:
        both = config.is_encoder_decoder and decoder_layers is not None
        depth = f"{layers} + {decoder_layers} layers" if both else counted(layers, "layer")
        parts.append(depth if heads is None else f"{depth} x {counted(heads, 'head')}")
    if size is not None:
        parts.append(f"hidden size {size}")
    return ", ".join(parts)
