"""Labels that a model of inference was never trained on: how far a text entails that it is each.

Each label is put into a hypothesis, `This example is sports.`, and the text is read once with each.
All of that is one pass: the pairs stand in one sequence, one behind the other, and each sees itself
alone. A unit of the text stands in it as often as there are labels; it is left out and replaced in
all of them together, and its attention is the mean over them.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.models.contract import coarsest_dtype
from attn_audit.models.huggingface.configuration import Hypotheses, label_names
from attn_audit.models.huggingface.output import (
    FOLLOWING,
    IDS,
    MASK,
    PLACES,
    TYPES,
    Output,
    mask_of,
    raw_logits,
)
from attn_audit.models.huggingface.tokenizer import Tokens, tokenize
from attn_audit.models.interception.classifier import ModelInputs
from attn_audit.models.interception.module_calls import replaced_forwards
from attn_audit.models.task import Binary, Multiclass, Multilabel, Task
from attn_audit.quoting import listed

PARTS = ("encoder", "transformer", "")
"""What gives the states of which a classifier reads the first, by what base models call it; or the
base model itself."""

STAND_IN = "A text that is not very short. " * 80
"""Cut to the longest that is read: windows are narrower, and show there."""


class ZeroShot(Output):
    """Entailment of each hypothesis, of all labels that compete or of each against contradiction.

    Args:
        module: A classifier of pairs whose labels are those of inference.
        name: What messages call it.
        max_length: Of a text with one hypothesis.

    Raises:
        ConfigurationError: A hypothesis leaves no room for a text.
        UnsupportedModelError: It has no such labels, or cannot read several pairs in one pass.
    """

    def __init__(
        self,
        module: nn.Module,
        tokenizer: Any,
        hypotheses: Hypotheses,
        name: str,
        max_length: int | None,
    ) -> None:
        self._names = label_names(module.config, name)
        self._name, self._hypotheses = name, hypotheses
        self._entailment = self._index("entail")
        self._against = None if hypotheses.compete else self._index("contra", "not_entail")
        self.task = _task(hypotheses)
        self.has_following = len(hypotheses.labels) > 1
        self._dtype = coarsest_dtype(module)
        self._part: nn.Module = module
        self._first_place = 0
        how = "softmax of entailment" if hypotheses.compete else "entailment against contradiction"
        self.details = {
            "zero-shot": f"{', '.join(hypotheses.labels)}, by {hypotheses.template!r}: {how}; "
            "attention is the mean over the labels' hypotheses"
        }
        if self.has_following:
            self._try_out(module, tokenizer, max_length)

    def _index(self, *beginnings: str) -> int:
        found = (i for i, own in enumerate(self._names) if own.lower().startswith(beginnings))
        index = next(found, None)
        if index is None:
            raise UnsupportedModelError(
                f"--zero-shot: {self._name} has no label that begins with {beginnings[0]!r} "
                f"(labels: {listed(self._names)})",
                hint="Give a model of natural language inference, whose config.json names its "
                "labels: entailment, neutral, contradiction.",
            )
        return index

    @torch.no_grad()
    def _try_out(self, module: Any, tokenizer: Any, max_length: int | None) -> None:
        """Hold what is computed in one pass against what the module gives of each pair alone."""
        pairs = [rows[0] for rows in pairs_of(tokenizer, _EXAMPLE, self._hypotheses, max_length)]
        device = next(module.parameters()).device
        with_types = TYPES in tokenizer.model_input_names

        def given(rows: Sequence[Tokens]) -> dict[str, Tensor]:
            ids = torch.tensor([[i for row in rows for i in row.ids]], device=device)
            types = torch.tensor([[i for row in rows for i in row.type_ids]], device=device)
            return {IDS: ids, MASK: torch.ones_like(ids), **({TYPES: types} if with_types else {})}

        alone = [module(**given([row])) for row in pairs]
        expected = self._of(torch.cat([raw_logits(o, len(self._names), self._name) for o in alone]))
        inputs = given(pairs)
        blocks = torch.tensor([[i for i, row in enumerate(pairs) for _ in row.ids]], device=device)
        real = torch.ones_like(blocks, dtype=torch.bool)
        asked = ModelInputs((), {**inputs, FOLLOWING: blocks}, torch.full_like(blocks, -1), real)
        padding = module.config.get_text_config().pad_token_id
        for part in PARTS:
            found = getattr(module.base_model, part, None) if part else module.base_model
            for first_place in dict.fromkeys((0, (padding or 0) + 1)):
                if isinstance(found, nn.Module):
                    self._part, self._first_place = found, first_place
                    if self.gives(
                        lambda: module(**inputs | self.arguments(asked)),
                        asked,
                        expected,
                        self._dtype,
                    ):
                        return
        raise UnsupportedModelError(
            f"--zero-shot: {self._name} gives other numbers for several labels in one pass than "
            "for each by itself",
            hint="Ask for one label at a time, which any such model is taken for; or give one that "
            "reads its first token and takes a mask of pairs of tokens, as BERT and RoBERTa do.",
        )

    def arguments(self, inputs: ModelInputs) -> dict[str, Tensor]:
        """Each pair sees itself alone, and counts its places from its own beginning."""
        if not self.has_following:
            return {}
        blocks, seen = inputs.keywords[FOLLOWING], inputs.keywords[MASK].bool()
        sees = (blocks.unsqueeze(1) == blocks.unsqueeze(2)) & seen.unsqueeze(1)
        order = inputs.keywords.get(PLACES, inputs.real.cumsum(dim=1))
        starts = order.gather(1, self._firsts(inputs)).gather(1, blocks.clamp_min(0))
        places = (order - starts).masked_fill(~inputs.real, 0) + self._first_place
        return {MASK: mask_of(sees, self._dtype), PLACES: places}

    def _firsts(self, inputs: ModelInputs) -> Int[Tensor, "batch row"]:
        """Where each pair begins."""
        blocks = inputs.keywords[FOLLOWING].unsqueeze(1)
        numbers = torch.arange(len(self._hypotheses.labels), device=blocks.device)
        return (blocks == numbers[:, None]).int().argmax(dim=2)

    def asked(self, inputs: ModelInputs) -> AbstractContextManager[None]:
        """Around a call: the classifier gets the first state of each pair, as if it were a text."""
        return (
            _first_states(self._part, self._firsts(inputs)) if self.has_following else nullcontext()
        )

    def read_rows(self, inputs: ModelInputs) -> Bool[Tensor, "batch position"] | None:
        """The first token of each pair; None where there is one pair, and a trial finds it."""
        if not self.has_following:
            return None
        return torch.zeros_like(inputs.real).scatter(1, self._firsts(inputs), True)

    def read(self, output: Any, inputs: ModelInputs) -> Float[Tensor, "batch output"]:
        """One for each label."""
        return self._of(raw_logits(output, len(self._names), self._name))

    def _of(self, logits: Float[Tensor, "row label"]) -> Float[Tensor, "batch output"]:
        found = logits[:, self._entailment]
        if self._against is not None:
            found = found - logits[:, self._against]
        return found.reshape(-1, len(self._hypotheses.labels))


_EXAMPLE = [Example("stand-in", STAND_IN)]


def _task(hypotheses: Hypotheses) -> Task:
    if hypotheses.compete:
        return Multiclass(hypotheses.labels)
    if len(hypotheses.labels) > 1:
        return Multilabel(hypotheses.labels)
    (label,) = hypotheses.labels
    return Binary((f"not {label}", label))


def _first_states(
    part: nn.Module, firsts: Int[Tensor, "batch row"]
) -> AbstractContextManager[None]:
    """Within: of the states that a module gives of each text, some alone, each as a text."""
    texts = torch.arange(len(firsts), device=firsts.device).unsqueeze(1)

    def picked(output: Any) -> Any:
        states = output if isinstance(output, Tensor) else output[0]
        rows = states[texts, firsts].flatten(0, 1).unsqueeze(1)  # (text, label) position state
        if isinstance(output, Tensor):
            return rows
        if isinstance(output, tuple):
            return (rows, *output[1:])
        output.last_hidden_state = rows
        return output

    def replacement(_: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given, **named: picked(forward(*given, **named))

    return replaced_forwards([part], replacement)


def pairs_of(
    tokenizer: Any, examples: Sequence[Example], hypotheses: Hypotheses, max_length: int | None
) -> list[list[Tokens]]:
    """For each label the texts with its hypothesis, each cut to as many tokens in all of them.

    Raises:
        ConfigurationError: A hypothesis leaves no room for a text.
    """
    sizes = [
        len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in hypotheses.texts
    ]
    n_around = tokenizer.num_special_tokens_to_add(pair=True) + max(sizes)
    if max_length is not None and n_around >= max_length:
        raise ConfigurationError(
            f"--zero-shot: the longest hypothesis leaves no room for a text within {max_length} "
            "tokens"
        )
    return [
        tokenize(
            tokenizer,
            [replace(example, text_pair=text) for example in examples],
            None if max_length is None else max_length - max(sizes) + size,
            cut="only_first",
        )
        for text, size in zip(hypotheses.texts, sizes, strict=True)
    ]
