"""What a model predicts: its labels, the link from logits to them, and what data calls them."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from math import log
from typing import ClassVar

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from attn_audit.data.example import Example
from attn_audit.data.labels import NO_LABEL
from attn_audit.distances import Logits, mean_absolute_difference, total_variation_distance
from attn_audit.errors import Fault, IncompatibleDataError
from attn_audit.findings.example import Probability
from attn_audit.quoting import listed


class TaskKind(StrEnum):
    """The four kinds of labels that commands and files name."""

    BINARY = "binary"
    """Two labels, one logit: the log-odds of the second label."""
    MULTICLASS = "multiclass"
    """One of several labels, softmax."""
    MULTILABEL = "multilabel"
    """Any number of labels, each with its own sigmoid."""
    CANDIDATES = "candidates"
    """One of several labels, softmax over those that the example allows."""


Scores = tuple[Float[Tensor, "batch score"], Float64[Tensor, "batch score"]]
"""What is differentiated, and the factor of each part."""


@dataclass(frozen=True)
class Task(ABC):
    """What kind of output a model gives, and the names of its labels: a class for each kind."""

    labels: tuple[str, ...]
    """In the order of the logits; binary: the negative one first."""
    explained: str | None = field(default=None, kw_only=True)
    """The label that gradients and margins are of; None: what is predicted."""

    name: ClassVar[str]
    """Of the kind, as reports have it."""
    is_softmax: ClassVar[bool]
    """Whether the outputs compete: softmax, against one sigmoid for each."""
    is_multilabel: ClassVar[bool] = False
    """Whether any number of labels may be given, against exactly one."""
    is_vocabulary: ClassVar[bool] = False
    """Whether its labels are a vocabulary's tokens: too many to be listed, or gone through."""
    n_labels: ClassVar[tuple[int, int | None]] = (2, None)
    """How many labels there are at least and at most; None: any number."""

    @property
    def n_logits(self) -> int:
        """Number of logits the model gives."""
        return len(self.labels)

    @property
    def is_one_number(self) -> bool:
        """Whether one probability says all: one sigmoid, or a softmax over two labels."""
        return self.n_logits == (2 if self.is_softmax else 1)

    @property
    def n_outputs(self) -> tuple[int, ...]:
        """How many outputs the head of a module may have that logits are made of."""
        return (self.n_logits,)

    def from_outputs(self, outputs: Float[Tensor, "batch output"]) -> Float[Tensor, "batch label"]:
        """The logits that the outputs of a module's head mean, as many as it may have."""
        return outputs

    def probabilities(self, logits: Float[Tensor, "*batch label"]) -> Float[Tensor, "*batch label"]:
        """Output probabilities in float64, 0 to 1; softmax outputs sum to 1.

        Args:
            logits: The model's logits; -inf for answers that an example does not allow.

        Returns:
            One probability for each logit. Binary: of the second label.
        """
        doubled = logits.double()
        return doubled.softmax(dim=-1) if self.is_softmax else doubled.sigmoid()

    def distance(
        self, p: Float[Tensor, "*#batch label"], q: Float[Tensor, "*#batch label"]
    ) -> Float[Tensor, "*batch"]:
        """The output distance, 0 to 1: how far the prediction moved.

        |p - q| for one sigmoid, total variation for a softmax (over the candidates, where there
        are any), the mean over labels of |p - q| for multilabel outputs. Shapes broadcast.
        """
        return total_variation_distance(p, q) if self.is_softmax else mean_absolute_difference(p, q)

    @abstractmethod
    def predictions(
        self, probabilities: Float[Tensor, "batch label"]
    ) -> list[str] | list[tuple[str, ...]]:
        """The label that each example is given; multilabel: all of at least one half, maybe none.

        Args:
            probabilities: From `probabilities`; ties go to the lower index, one half to the second
                label of a binary task.

        Returns:
            One label for each example, or a tuple of labels where the task is multilabel.
        """

    def recorded(self, probabilities: Float[Tensor, "batch label"]) -> list[Probability]:
        """What records keep of each example's probabilities: of one sigmoid a number, else all."""
        rows = probabilities.tolist()
        return [row[0] if self.n_logits == 1 else tuple(row) for row in rows]

    def likeliest(
        self, probabilities: Float[Tensor, "batch label"]
    ) -> list[tuple[str, ...] | None]:
        """The names of what `recorded` keeps; None where that is every label, in order."""
        return [None] * len(probabilities)

    @abstractmethod
    def scores(self, logits: Logits) -> Scores:
        """What importance by gradient differentiates, and the factor of each part.

        Args:
            logits: Differentiable; -inf for answers that an example does not allow.
        """

    @property
    def explained_index(self) -> int | None:
        """Of the label that is explained, among all; None: what is predicted is."""
        return None if self.explained is None else self.labels.index(self.explained)

    def own_name(self, text: str, classes: tuple[str, ...] = ()) -> str | None:
        """What the model calls the label that a data set calls `text`; None if it has none such.

        Args:
            classes: What the data calls its classes, in order.
        """
        return _own_name(self, text, classes)

    def unknown_label(self, labels: Sequence[str]) -> str | None:
        """The first of `labels` that this task does not have, or None."""
        return next((label for label in labels if label not in self.labels), None)


def logits_of(
    probabilities: Float[Tensor, "batch label"], *, compete: bool
) -> Float[Tensor, "batch label"]:
    """Probabilities as logits, kept off 0 and 1 by the smallest steps that their type can make.

    Args:
        compete: Whether a text's probabilities sum to 1.
    """
    limits = torch.finfo(probabilities.dtype)
    against = (1 - probabilities).clamp_min(limits.eps / 2).log()
    logits = probabilities.clamp_min(limits.tiny).log()
    return logits if compete else logits - against


def limits_of(dtype: torch.dtype, *, compete: bool) -> tuple[float, float]:
    """Between which such logits, or of competing labels their differences, lie.

    What lies at an end is a probability of 0 or 1, of which nobody knows how far it went.
    """
    limits = torch.finfo(dtype)
    low = log(limits.tiny)
    return low, -low if compete else -log(limits.eps / 2)


MAX_DEVIATION = 1e-2
"""Of a sum of probabilities from 1 that may be rounding, in half precision too."""


def mask_candidates(
    logits: Float[Tensor, "batch *variant label"], allowed: Tensor | None
) -> Float[Tensor, "batch *variant label"]:
    """Give every label that an example does not allow the logit -inf; None: all are allowed."""
    if allowed is None:
        return logits
    shape = (allowed.shape[0], *(1,) * (logits.dim() - 2), allowed.shape[1])
    return logits.masked_fill(~allowed.reshape(shape), -torch.inf)


class Binary(Task):
    """One sigmoid; or, in a module, a softmax over two outputs."""

    name = TaskKind.BINARY.value
    is_softmax = False
    n_labels = (2, 2)
    n_logits = 1
    n_outputs = (1, 2)  # one sigmoid, or two classes that compete

    def from_outputs(self, outputs: Float[Tensor, "batch output"]) -> Float[Tensor, "batch label"]:
        """Of two classes the log-odds of the second."""
        return outputs[:, 1:] - outputs[:, :1] if outputs.shape[1] == 2 else outputs

    def predictions(self, probabilities: Float[Tensor, "batch label"]) -> list[str]:
        """One half goes to the second label."""
        return [self.labels[int(p >= 0.5)] for p in probabilities[:, 0].tolist()]

    def scores(self, logits: Logits) -> Scores:
        """The log-odds."""
        return logits, torch.ones_like(logits, dtype=torch.float64)


class Multiclass(Task):
    """Labels that compete."""

    name = TaskKind.MULTICLASS.value
    is_softmax = True

    def predictions(self, probabilities: Float[Tensor, "batch label"]) -> list[str]:
        """The likeliest label; ties go to the lower index."""
        return [self.labels[i] for i in probabilities.argmax(dim=-1).tolist()]

    def scores(self, logits: Logits) -> Scores:
        """The log-odds of the predicted label, or of the one that is explained."""
        odds = log_odds(logits, self.explained_index).unsqueeze(1)
        return odds, torch.ones_like(odds, dtype=torch.float64)


class Candidates(Multiclass):
    """Labels of which each example may allow some."""

    name = TaskKind.CANDIDATES.value


N_LIKELIEST = 5
"""Tokens of a vocabulary whose probabilities records keep."""


@dataclass(frozen=True)
class NextToken(Multiclass):
    """Every token of a vocabulary, as what may follow a prompt."""

    token_of: Callable[[str], int | None] = field(kw_only=True, compare=False, repr=False)
    """The index of the token with which a text begins behind the prompt; None: no token does."""

    name = "next_token"
    is_vocabulary = True

    def recorded(self, probabilities: Float[Tensor, "batch label"]) -> list[Probability]:
        """The largest few, the first of them that of the prediction."""
        values = probabilities.gather(1, self._first_few(probabilities))
        return [tuple(row) for row in values.tolist()]

    def likeliest(
        self, probabilities: Float[Tensor, "batch label"]
    ) -> list[tuple[str, ...] | None]:
        """The names of these tokens."""
        few = self._first_few(probabilities).tolist()
        return [tuple(self.labels[index] for index in row) for row in few]

    def own_name(self, text: str, classes: tuple[str, ...] = ()) -> str | None:
        """The name of the token with which a text begins behind the prompt."""
        index = self.token_of(text)
        return None if index is None else self.labels[index]

    def _first_few(
        self, probabilities: Float[Tensor, "batch label"]
    ) -> Int64[Tensor, "batch likeliest"]:
        order = probabilities.argsort(dim=1, descending=True, stable=True)
        return order[:, :N_LIKELIEST]


def log_odds(
    logits: Logits, label: int | Int64[Tensor, "batch 1"] | None = None
) -> Float[Tensor, " batch"]:
    """Log-odds of a softmax output against all others; 0 where there is no other, or not itself.

    Args:
        label: Of all texts, or of each; None: of the largest.

    Returns:
        z_c - logsumexp of the other logits, differentiable.
    """
    chosen = logits.detach().argmax(dim=-1, keepdim=True)
    if isinstance(label, Tensor):
        chosen = label
    elif label is not None:
        chosen = torch.full_like(chosen, label)
    is_allowed = logits.detach() > -torch.inf
    is_other = is_allowed.scatter(1, chosen, False)
    low = torch.finfo(logits.dtype).min
    others = logits.masked_fill(~is_other, low).logsumexp(dim=-1)
    own = logits.masked_fill(~is_allowed, 0).gather(1, chosen).squeeze(1)
    is_told = is_other.any(dim=-1) & is_allowed.gather(1, chosen).squeeze(1)
    return torch.where(is_told, own - others, torch.zeros_like(own) * own)


class Multilabel(Task):
    """One sigmoid for each label."""

    name = TaskKind.MULTILABEL.value
    is_softmax = False
    is_multilabel = True
    n_labels = (1, None)

    def predictions(self, probabilities: Float[Tensor, "batch label"]) -> list[tuple[str, ...]]:
        """All labels of at least one half, maybe none."""
        chosen = (probabilities >= 0.5).tolist()
        return [
            tuple(name for name, on in zip(self.labels, row, strict=True) if on) for row in chosen
        ]

    def scores(self, logits: Logits) -> Scores:
        """Each logit, or that of the explained label, by how much its probability moves with it."""
        if self.explained_index is not None:
            logits = logits[:, self.explained_index, None]
        probability = logits.detach().double().sigmoid()
        return logits, probability * (1 - probability)


TASKS: Mapping[TaskKind, type[Task]] = {
    TaskKind(task.name): task for task in (Binary, Multiclass, Multilabel, Candidates)
}


_IS = re.compile(r"^(?:[Ii][Ss][\s_-]+|is(?=[A-Z]))")
_TRUTH = (("True", "False"), ("true", "false"), ("TRUE", "FALSE"))
_INDEX = re.compile(r"(?:LABEL_)?([0-9]{1,6})", re.IGNORECASE)


def place(example: Example) -> str:
    """Where an example stands, for messages: file and line, and its id."""
    name = f"example {example.id!r}"
    return f"{example.where} ({name})" if example.where else name


def require_second_text(example: Example) -> str:
    """The second text of an example, for a model of pairs.

    Raises:
        IncompatibleDataError: It has none.
    """
    if example.text_pair is None:
        raise IncompatibleDataError(
            place(example),
            "the model takes pairs of texts, and this example has no second text",
            hint="Name the field that holds it with --text-pair-field.",
            fault=Fault.NO_SECOND_TEXT,
        )
    return example.text_pair


def match_labels(task: Task, examples: Sequence[Example]) -> list[Example]:
    """The examples with their labels and candidates in the model's own names.

    A name stands for the label that is spelled so; else for the one that is spelled so in other
    case, where there is one such; else, if it is a number or `LABEL_` and a number, for the label
    of that index. The name of a class stands for the label of its number only where the model's
    labels have no names (`LABEL_0`, `LABEL_1`) and are as many. -1 in a data set is no label,
    unless the model has one of that name. Candidates mean something to a softmax only and stay as
    they are elsewhere.

    Raises:
        IncompatibleDataError: An unknown label or candidate, not exactly one label where the model
            gives one, or labels that stand where they are not read.
    """
    matched = []
    for example in examples:
        labels, candidates = _labels(task, example), example.candidates
        if candidates is not None and task.is_vocabulary:
            raise IncompatibleDataError(
                place(example),
                "it names candidates, and every token of the vocabulary may follow a prompt "
                "(--target next)",
                hint="Ask for them with --options, or read another field as candidates: "
                "--candidates-field NAME.",
                fault=Fault.WRONG_CANDIDATES,
            )
        if candidates is not None and task.is_softmax:
            candidates = _names(task, example, "candidate", candidates)
        is_as_it_was = (labels, candidates) == (example.labels, example.candidates)
        matched.append(
            example if is_as_it_was else replace(example, labels=labels, candidates=candidates)
        )
    return matched


def allowed_labels(task: Task, example: Example) -> tuple[bool, ...] | None:
    """For each label whether a softmax may give it to an example of `match_labels`; None: all."""
    if example.candidates is None or not task.is_softmax:
        return None
    return tuple(label in example.candidates for label in task.labels)


def _labels(task: Task, example: Example) -> tuple[str, ...] | None:
    if example.labels is None:
        _require_no_label_columns(task, example)
        return None
    if says_no_label(example) and (task.is_vocabulary or task.own_name(NO_LABEL) is None):
        _require_no_scale(task, example)
        return None
    labels = multi_hot_labels(example, len(task.labels))
    if labels is None:
        labels = _names(task, example, "label", example.labels)
    else:
        labels = tuple(
            dict.fromkeys(
                task.labels[index] if name is None else _names(task, example, "label", (name,))[0]
                for index, name in zip(example.on or (), labels, strict=True)
            )
        )
    if not task.is_multilabel and len(labels) != 1:
        raise IncompatibleDataError(
            place(example),
            f"{len(labels)} labels, and the model gives exactly one",
            fault=Fault.WRONG_LABEL,
        )
    return labels


def says_no_label(example: Example) -> bool:
    """Whether the label is -1 in a data set, which is how data sets say that there is none."""
    return example.labels == (NO_LABEL,) and example.labelling.signs is not None


def multi_hot_labels(example: Example, n_labels: int) -> tuple[str | None, ...] | None:
    """What the data calls the labels that are on, None for one that it gives no name.

    Returns:
        None where the labels are no multi-hot list.

    Raises:
        IncompatibleDataError: They can be nothing else, and are a list for more or fewer labels.
    """
    places = example.labelling.places
    if example.on is None:
        return None
    if len(places) == n_labels:
        return tuple(places[index] for index in example.on)
    if example.labelling.is_multi_hot:
        raise IncompatibleDataError(
            place(example),
            f"its labels are a list of {len(places)} zeros and ones, one for each label, and "
            f"there are {n_labels} labels",
            hint="Give each list an item for every label in order, or the names of labels.",
            fault=Fault.WRONG_LABEL,
        )
    return None


def _require_no_label_columns(task: Task, example: Example) -> None:
    """Refuse labels in fields of their own, which would silently not be there."""
    if task.is_vocabulary:  # a field may well be called as some token is
        return
    columns, flags = example.labelling.columns, example.labelling.flags
    found, why = _called_as_labels(task, columns), "called as labels of the model are"
    if not found and len(flags) > 1:
        found, why = flags, "that hold nothing but 0 and 1, or true and false"
    if found:
        raise IncompatibleDataError(
            place(example),
            f"the data has no field of labels, but fields {why}: {listed(found)}",
            hint="Put the labels of a text into one field and name it with --label-field, or a "
            "list of them with --labels-field. If the data has no labels, leave these fields out.",
            fault=Fault.WRONG_LABEL,
        )


@lru_cache(maxsize=16)
def _called_as_labels(task: Task, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Fields that have the name of a label, however it is written, or `is_` and the name."""
    names = {_squeezed(label) for label in task.labels} - {""}
    return tuple(
        column for column in columns if {_squeezed(column), _squeezed(_IS.sub("", column))} & names
    )


def _squeezed(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold())


def _require_no_scale(task: Task, example: Example) -> None:
    """Refuse to take -1 for no label where it may be the name of a class as well."""
    signs = example.labelling.signs or ()
    are_all_labels = "0" in signs and len(task.labels) == 2  # 0 and 1; none is left for -1
    if signs and not are_all_labels:
        raise IncompatibleDataError(
            place(example),
            f"its label is -1, which says that there is none; but the data's labels are "
            f"{listed(sorted(signs, key=int))}, which may be a scale",
            hint="If -1 is a class, name it: --label-map -1=NAME,... If not, leave the label out.",
            fault=Fault.WRONG_LABEL,
        )


def _names(task: Task, example: Example, what: str, given: Sequence[str]) -> tuple[str, ...]:
    classes = example.labelling.classes
    names = {text: task.own_name(text, classes) for text in given}
    unknown = next((text for text, name in names.items() if name is None), None)
    if unknown is not None:
        truth = next((pair for pair in _TRUTH if unknown in pair), None)
        renaming = "DATA=MODEL,..." if truth is None else f"{truth[0]}=...,{truth[1]}=..."
        raise IncompatibleDataError(
            place(example),
            f"the model has no label {unknown!r}, which is this example's {what} "
            f"({_labels_in_words(task)})",
            hint=f"Rename the data's labels with --label-map {renaming}",
            fault=Fault.UNKNOWN_LABEL if what == "label" else Fault.WRONG_CANDIDATES,
            label=unknown if what == "label" else None,
        )
    return tuple(dict.fromkeys(name for name in names.values() if name is not None))


def _labels_in_words(task: Task) -> str:
    if task.is_vocabulary:
        return "its labels are the tokens that may follow the prompt"
    return f"the model's labels: {listed(task.labels)}"


@lru_cache(maxsize=4096)
def _own_name(task: Task, text: str, classes: tuple[str, ...]) -> str | None:
    if text in task.labels:
        return text
    same = [label for label in task.labels if label.strip().casefold() == text.casefold()]
    if len(same) == 1:
        return same[0]
    index = _index_of(text) if text not in classes else _index_of_class(task, text, classes)
    if index is None or index >= len(task.labels) or not _is_numbered_by_index(task):
        return None
    return task.labels[index]


def _index_of(text: str) -> int | None:
    match = _INDEX.fullmatch(text)
    return None if match is None else int(match[1])


def _index_of_class(task: Task, text: str, classes: tuple[str, ...]) -> int | None:
    """The number of a class, where the data or the model has nothing but numbers for names."""
    model_has_none = _are_numbers(task.labels) and len(task.labels) == len(classes)
    is_partly_the_models = any(name in task.labels for name in classes)
    if _are_numbers(classes) or (model_has_none and not is_partly_the_models):
        return classes.index(text)
    return None


def _are_numbers(names: Sequence[str]) -> bool:
    return all(_index_of(name) == index for index, name in enumerate(names))


@lru_cache(maxsize=16)
def _is_numbered_by_index(task: Task) -> bool:
    """False where names hold other numbers: of `1 star`, `2 stars`, ... "1" is not the second."""
    return all(
        int(number) == index
        for index, label in enumerate(task.labels)
        for number in re.findall(r"[0-9]{1,9}", label)
    )
