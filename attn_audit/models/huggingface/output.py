"""What a model is made to give: one number for each label, of its own classes or of any named ones.

Labels that a model of inference was never trained on are each put into a hypothesis, `This example
is sports.`, and the text is read once with each: how far does it entail that? All of that is one
pass: the pairs stand in one sequence, one behind the other, and each sees itself alone. A unit of
the text stands in it as often as there are labels; it is left out and replaced in all of them
together, and its attention is the mean over them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.models.contract import coarsest_dtype
from attn_audit.models.huggingface.configuration import label_names, task_of
from attn_audit.models.huggingface.tokenizer import Tokens, tokenize
from attn_audit.models.interception.classifier import ModelInputs
from attn_audit.models.interception.module_calls import ModelMayFail, replaced_forwards
from attn_audit.models.options import Hypotheses, Question
from attn_audit.models.self_check import TOLERANCES
from attn_audit.models.task import Binary, Multiclass, Multilabel, Task
from attn_audit.quoting import listed
from attn_audit.settings import TaskName

IDS, MASK, TYPES, PLACES = "input_ids", "attention_mask", "token_type_ids", "position_ids"
"""What modules of `transformers` call their inputs."""

FOLLOWING = "following"
"""An input that no module gets: at each position the token that an output asks for, if any; of
several pairs in one sequence the number of the pair."""


class Output(ABC):
    """One kind of output of one module."""

    task: Task
    details: Mapping[str, str]
    """What a description of the model says of it, beside its labels."""
    behind: tuple[int, ...] = ()
    """Tokens that stand behind every text, and are no part of it."""
    has_following: bool = False
    """Whether each text says itself what is to follow it."""
    max_length: int | None = None
    """Of a text with all that stands around it, where the output needs the whole of it in sight."""

    def arguments(self, inputs: ModelInputs) -> Mapping[str, Tensor]:
        """What a call gets in place of some of its inputs."""
        return {}

    def asked(self, inputs: ModelInputs) -> AbstractContextManager[None]:
        """Around each call of the module: has it give no more than is read."""
        return nullcontext()

    def read_rows(self, inputs: ModelInputs) -> Bool[Tensor, "batch position"] | None:
        """The positions that it is read at; None where that is one of each text, or unknown."""
        return None

    @abstractmethod
    def read(self, output: Any, inputs: ModelInputs) -> Float[Tensor, "batch output"]:
        """The numbers that the task makes logits of, in float32 or better.

        Raises:
            UnsupportedModelError: They are not in it.
        """

    def gives(
        self, call: Callable[[], Any], inputs: ModelInputs, expected: Tensor, dtype: torch.dtype
    ) -> bool:
        """Whether one call gives what is expected, up to what the self-check allows a dtype."""
        with ModelMayFail():
            with self.asked(inputs):
                found = self.read(call(), inputs)
            size = expected.abs().amax().clamp_min(1)
            return float((found - expected).abs().amax() / size) <= TOLERANCES[dtype]
        return False


def in_full(logits: Tensor) -> Tensor:
    """In float32 or better."""
    return logits if logits.dtype == torch.float64 else logits.float()


def head_of(module: Any, name: str) -> Any:
    """The layer that gives the logits of a vocabulary.

    Raises:
        UnsupportedModelError: There is none.
    """
    head = module.get_output_embeddings()
    if not isinstance(head, nn.Module):
        raise UnsupportedModelError(f"{name} has no layer that gives a vocabulary's logits")
    return head


def mask_of(sees: Bool[Tensor, "batch query key"], dtype: torch.dtype) -> Tensor:
    """The mask that a module adds to its scores, for all heads."""
    mask = torch.zeros_like(sees, dtype=dtype).masked_fill(~sees, torch.finfo(dtype).min)
    return mask.unsqueeze(1)


def at_positions(
    head: nn.Module, at: Int[Tensor, "batch row"], give: Callable[[Tensor], Tensor]
) -> AbstractContextManager[None]:
    """Within: the layer gives what is made of the states of some positions of each text alone."""
    texts = torch.arange(len(at), device=at.device).unsqueeze(1)
    return replaced_forwards([head], lambda *_: lambda states: give(states[texts, at]))


def prompt_in_words(question: Question) -> str:
    """The prompt as it was written, and whether it is a message."""
    if question.role is not None:
        return question.written
    return repr(question.written) + (", in a chat" if question.is_chat else "")


class Classes(Output):
    """As the model's configuration names them, or as is said of a head of one output.

    Raises:
        ConfigurationError: That does not fit the head.
        UnsupportedModelError: It is a regression head.
    """

    def __init__(self, config: Any, name: str, said: TaskName | None) -> None:
        self.task = task_of(config, name, said)
        self.details = {}
        self._config, self._name = config, name

    def read(self, output: Any, inputs: ModelInputs) -> Float[Tensor, "batch output"]:
        """As many as the configuration says."""
        return raw_logits(output, int(self._config.num_labels), self._name)


def raw_logits(output: Any, n_outputs: int, name: str) -> Float[Tensor, "batch output"]:
    """The logits in what a classifier gave, in float32 or better.

    Raises:
        UnsupportedModelError: There are no such logits.
    """
    logits = output[0] if isinstance(output, tuple) else getattr(output, "logits", None)
    if not isinstance(logits, Tensor) or logits.dim() != 2 or logits.shape[1] != n_outputs:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(output).__name__
        raise UnsupportedModelError(
            f"{name} gives no {n_outputs} logits for each text, as its configuration says ({found})"
        )
    return in_full(logits)


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

        def one_pass() -> Any:
            return module(**inputs | self.arguments(asked))

        for part in PARTS:
            found = getattr(module.base_model, part, None) if part else module.base_model
            for first_place in dict.fromkeys((0, (padding or 0) + 1)):
                if isinstance(found, nn.Module):
                    self._part, self._first_place = found, first_place
                    if self.gives(one_pass, asked, expected, self._dtype):
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
