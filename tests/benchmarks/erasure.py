"""What erasure costs against the bare passes that it needs, on the same texts.

    python -m tests.benchmarks.erasure MODEL DATA [--sample 8] [--threads 1] [--unit word]

MODEL is a HuggingFace classifier, DATA its data set. The check runs once with all measures of the
model, both ways of leaving out, and limits of all texts. Then, alone: the same sets of units by
`AuditedModel.erase`, and the untouched module on as many texts, of as many tokens as were left of
each, sorted by length. Seconds are the process's own, which what else the machine does
disturbs less than the clock's.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from attn_audit.checks.base import read_batch
from attn_audit.checks.erasure.check import Erasure
from attn_audit.data.example import sample_examples
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.findings.measure import measure
from attn_audit.measures.registry import applicable
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.loading import ModelOptions, load_model
from tests.benchmarks.huggingface import batches_of

TOGETHER = 64
"""Texts that the untouched module reads at once."""


class Asked:
    """The sets that a model is asked for, and the tokens that were left of them."""

    def __init__(self, model: InterceptedModel) -> None:
        """Watch a model from now on."""
        self.calls: list[tuple[Any, ...]] = []
        self.lengths: list[int] = []
        self.n_sets, self._erase = 0, model.erase
        model.erase = self._of_erase  # type: ignore[method-assign]
        self._hook = model.module.register_forward_pre_hook(self._of_pass, with_kwargs=True)
        self._model, self._is_erasing = model, False

    def stop(self) -> None:
        """Leave the model as it was."""
        del self._model.erase
        self._hook.remove()

    def again(self) -> None:
        """Ask for the same once more."""
        for call in self.calls:
            self._model.erase(*call)

    def _of_erase(self, batch: Any, keep: Tensor, operator: str | None = None) -> Tensor:
        self.calls.append((batch, keep, operator))
        self.n_sets += sum(len(row.unique(dim=0)) for row in keep)
        self._is_erasing = True
        found = self._erase(batch, keep, operator)
        self._is_erasing = False
        return found

    def _of_pass(self, module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        if not self._is_erasing:
            return
        whole = named["input_ids"] if named.get("input_ids") is not None else named["inputs_embeds"]
        mask = named.get("attention_mask")
        if mask is None or mask.dim() != 2:
            mask = torch.ones(whole.shape[:2])
        left = mask.sum(1).int().tolist()
        # A last layer that is computed at the row that is read out alone is a call of one token.
        self.lengths += [length for length in left if length > 1]


def seconds_of(run: Callable[[], object]) -> float:
    """Of this process."""
    start = time.process_time()
    run()
    return time.process_time() - start


@torch.inference_mode()
def bare(model: InterceptedModel, lengths: list[int]) -> None:
    """The untouched module on texts of these lengths, each as long as the next."""
    ordered = sorted(lengths)
    for start in range(0, len(ordered), TOGETHER):
        some = torch.tensor(ordered[start : start + TOGETHER])
        mask = torch.arange(int(some.max())) < some[:, None]
        ids = torch.randint(1000, 2000, mask.shape)
        model.module(input_ids=ids, attention_mask=mask.long())


def main() -> None:
    """Measure, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--sample", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--unit", default="word", choices=["token", "word"])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    examples = list(read_examples(DataSource(given.data)))
    device = torch.device("cpu")
    model = load_model(given.model, device, ModelOptions(unit=given.unit), examples[:8])
    assert isinstance(model, InterceptedModel)
    encoded = model.encode(sample_examples(examples, given.sample, seed=0))
    names = [n for n in applicable(model) if not measure(n).is_of_correlation]
    check = Erasure(tuple(names), None, frozenset(item.example.id for item in encoded))
    batches = batches_of(model, encoded)
    read = [read_batch(model, batch, model.default_site, seed=0) for batch in batches]

    def measures() -> None:
        for audited in read:
            for name in names:
                audited.importances.scores(name)  # kept for the check

    measured = seconds_of(measures)
    asked = Asked(model)
    checked = seconds_of(lambda: [check.run(audited) for audited in read])
    asked.stop()
    again = seconds_of(asked.again)
    alone = seconds_of(lambda: bare(model, asked.lengths))
    n_passes = sum(check.passes_of(item) for item in encoded)
    print(
        f"{len(encoded)} texts of {[item.n_units for item in encoded]} units: {asked.n_sets} sets, "
        f"{len(asked.lengths)} texts of {sum(asked.lengths)} tokens run; {n_passes} passes planned"
    )
    print(f"measures {measured:.2f} s, the rest of erasure {checked:.2f} s")
    print(f"  of that `erase` of the same sets {again:.2f} s ({checked / again:.2f})")
    print(f"  bare passes {alone:.2f} s ({checked / alone:.2f})")
    print(f"erasure over measures and bare passes: {(measured + checked) / (measured + alone):.2f}")


if __name__ == "__main__":
    main()
