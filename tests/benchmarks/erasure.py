"""What erasure costs against the bare passes that it needs, and against Captum, on the same texts.

    python -m tests.benchmarks.erasure MODEL DATA [--limit 200] [--threads 1] [--unit word]
        [--together 10]

MODEL is a HuggingFace classifier, DATA its data set. The check runs with all measures of the model,
both ways of leaving out, and limits: of long texts those of one in four are searched for. Then, a
few texts after the others, so that what else the machine does disturbs all alike: the same sets of
units by `AuditedModel.erase`; the untouched module on as many texts, of as many tokens as were left
of each, sorted by length; and Captum's IntegratedGradients (50 steps) and FeatureAblation, where it
is installed. Seconds are the process's own.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.checks.erasure import Erasure
from attn_audit.data.example import sample_examples
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.findings.measure import LEAVE_ONE_OUT, measure
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.measures.registry import applicable
from attn_audit.models.contract import EncodedExample
from attn_audit.models.huggingface.encoding import EncodedTokens
from attn_audit.models.huggingface.output import MASK
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.loading import load_model
from attn_audit.models.options import ModelOptions
from attn_audit.statistics.rankings import MAX_UNITS_OF_TABLE
from tests.benchmarks.huggingface import batches_of
from tests.benchmarks.leaving_out import ablate

TOGETHER = 64
"""Texts that the untouched module reads at once."""

STEPS = 50
"""Of Captum's integrated gradients: its default."""

ONE_IN = 4
"""Long texts whose limits are searched for: the check's own default is 50 of 200 texts."""

INTEGRATED = "integrated_gradients"


class Asked:
    """The sets that a model is asked for, and the tokens that were left of them."""

    def __init__(self, model: InterceptedModel) -> None:
        """Watch a model from now on."""
        self.calls: list[tuple[Any, ...]] = []
        self.lengths: list[int] = []
        self.n_sets, self._erase = 0, model.erase
        model.erase = self._of_erase  # type: ignore[method-assign]
        self._model = model

    def stop(self) -> None:
        """Leave the model as it was."""
        del self._model.erase

    def again(self) -> None:
        """Ask for the same once more."""
        for call in self.calls:
            self._model.erase(*call)

    def _of_erase(self, batch: Any, keep: Tensor, operator: str | None = None) -> Tensor:
        self.calls.append((batch, keep, operator))
        removal = self._model.removals[operator or self._model.removal]
        for i, item in enumerate(batch.encoded):
            sets = torch.unique(keep[i, :, : item.n_units], dim=0)
            self.n_sets += len(sets)
            self.lengths += [_n_left(item, kept, removal.words) for kept in sets]
        return self._erase(batch, keep, operator)


def _n_left(item: EncodedExample, kept: Tensor, words: str) -> int:
    """Tokens of a text without some of its units; a neutral token stands where one was."""
    assert isinstance(item, EncodedTokens)
    if words.startswith("replaced"):
        return item.n_tokens
    stays = kept.tolist()
    return sum(unit < 0 or stays[unit] for unit in item.unit_of_position)


def seconds_of(run: Callable[[], object]) -> float:
    """Of this process."""
    start = time.process_time()
    run()
    return time.process_time() - start


@torch.inference_mode()
def bare(model: InterceptedModel, lengths: Sequence[int]) -> None:
    """The untouched module on texts of these lengths, each as long as the next."""
    ordered = sorted(lengths)
    for start in range(0, len(ordered), TOGETHER):
        some = torch.tensor(ordered[start : start + TOGETHER])
        mask = torch.arange(int(some.max())) < some[:, None]
        ids = torch.randint(1000, 2000, mask.shape)
        model.module(input_ids=ids, attention_mask=mask.long())


def integrate(model: InterceptedModel, encoded: Sequence[EncodedTokens]) -> None:
    """Captum's way, one text at a time, from the padding token's embedding."""
    table: nn.Module = model.module.get_input_embeddings()  # type: ignore[operator]

    def logits(embeddings: Tensor) -> Tensor:
        mask = torch.ones(embeddings.shape[:2], dtype=torch.long)
        found: Tensor = model.module(inputs_embeds=embeddings, **{MASK: mask}).logits
        return found

    method = import_module("captum.attr").IntegratedGradients(logits)
    for text in encoded:
        ids = torch.tensor([text.token_ids])
        baseline = torch.full_like(ids, model.classifier.padding_token or 0)
        baseline[0, [0, -1]] = ids[0, [0, -1]]
        method.attribute(
            table(ids).detach(), table(baseline).detach(), target=0, n_steps=STEPS,
            internal_batch_size=TOGETHER,
        )  # fmt: skip


class Costs:
    """Seconds of everything, over the texts so far."""

    def __init__(self, model: InterceptedModel, check: Erasure) -> None:
        """Nothing yet."""
        self._model, self._check = model, check
        self.seconds: dict[str, float] = {}
        self.n_sets, self.n_tokens, self.lengths = 0, 0, list[int]()

    def add(self, encoded: Sequence[EncodedTokens]) -> None:
        """Of some more texts."""
        model = self._model
        batches = batches_of(model, encoded)
        read = [read_batch(model, batch, model.default_site, seed=0) for batch in batches]
        for name in self._check.measures:
            self._spend(name, lambda name=name: self._measured(read, name))  # type: ignore[misc]
        asked = Asked(model)
        self._spend("erasure", lambda: [self._check.run(audited) for audited in read])
        asked.stop()
        self._spend("erase", asked.again)
        self._spend("bare", lambda: bare(model, asked.lengths))
        self.n_sets += asked.n_sets
        self.lengths += [item.n_units for item in encoded]
        if find_spec("captum") is not None:
            self._spend("IntegratedGradients", lambda: integrate(model, encoded))
            self._spend("FeatureAblation", lambda: ablate(model, encoded, TOGETHER))

    def _spend(self, name: str, run: Callable[[], object]) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds_of(run)

    @staticmethod
    def _measured(read: Sequence[AuditedBatch], name: str) -> None:
        for audited in read:
            audited.importances.scores(name)  # kept for the check

    def show(self) -> None:
        """A line each."""
        spent = self.seconds
        measured = sum(spent[name] for name in self._check.measures)
        checked, alone = spent["erasure"], spent["bare"]
        n_units = torch.tensor(self.lengths)
        print(
            f"{len(self.lengths)} texts of {int(n_units.min())} to {int(n_units.max())} units "
            f"(mean {float(n_units.double().mean()):.1f}), {self.n_sets} sets"
        )
        print(f"measures {measured:.1f} s, the rest of erasure {checked:.1f} s")
        print(f"  of that `erase` of the same sets {spent['erase']:.1f} s")
        print(f"  bare passes {alone:.1f} s ({checked / alone:.2f})")
        ratio = (measured + checked) / (measured + alone)
        print(f"erasure over measures and bare passes: {ratio:.2f}")
        pairs = {"IntegratedGradients": INTEGRATED, "FeatureAblation": LEAVE_ONE_OUT.name}
        for theirs, ours in pairs.items():
            if theirs in spent:
                print(
                    f"Captum's {theirs} {spent[theirs]:.1f} s: {ours} {spent[ours]:.1f} s "
                    f"({spent[ours] / spent[theirs]:.2f}), all of erasure "
                    f"{(measured + checked) / spent[theirs]:.1f} times as long"
                )


def main() -> None:
    """Measure, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--together", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--unit", default="word", choices=["token", "word"])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    examples = list(read_examples(DataSource(given.data)))
    device = torch.device("cpu")
    model = load_model(given.model, device, ModelOptions(unit=given.unit), examples[:8])
    assert isinstance(model, InterceptedModel)
    encoded = model.encode(sample_examples(examples, given.limit, seed=0))
    texts = [item for item in encoded if isinstance(item, EncodedTokens) and item.n_units > 1]
    names = tuple(n for n in applicable(model) if not measure(n).is_of_correlation)
    long = [item.example.id for item in texts if item.n_units > MAX_UNITS_OF_TABLE]
    sample = frozenset(item.example.id for item in texts)
    leave_out(model, model.collate([max(texts, key=lambda item: item.n_tokens)]))  # tries once
    costs = Costs(model, Erasure(names, sample, frozenset(long[::ONE_IN])))
    for start in range(0, len(texts), given.together):
        costs.add(texts[start : start + given.together])
        costs.show()


if __name__ == "__main__":
    main()
