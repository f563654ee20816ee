"""How often something is recommended where no measure knows anything: in at most 4 of 60.

    python -m tests.simulations.shuffled_measures DATA MODEL.pt ... [--redrawn MODEL.pt ...]
        [--seeds 20] [--first 0] [--limit 110] [--longest 9] [--measures NAME,...]

Each measure's scores are shuffled within each text before units are ranked by them, every measure
and every seed otherwise, so that no order of theirs is better than a random one; attention stays as
it is. `--redrawn` models have their parameters drawn anew for each seed, as before training. Texts
have at most `--longest` words, so that many audits are quick. A line each audit; `docs/instead.md`
has what came out.
"""

import argparse
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from attn_audit import audit
from attn_audit.data.example import Example
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.measures.registry import Importances
from attn_audit.models.contract import AuditedModel
from attn_audit.models.loading import load_model
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.randomness import example_keys, hashes
from attn_audit.results.verdict import Recommendation


@contextmanager
def shuffled(seed: int) -> Iterator[None]:
    """Every measure's scores, as erasure ranks by them, belong to other units of their text."""
    own = Importances.scores

    def scores(self: Importances, measure: str) -> Tensor:
        found = own(self, measure).clone()
        encoded = self._batch.encoded
        keys = example_keys(seed, [item.example.id for item in encoded], f"shuffled/{measure}")
        draws = hashes(keys, range(1), found.shape[1])[:, 0]
        for row, draw, item in zip(found, draws, encoded, strict=True):
            order = torch.from_numpy(draw[: item.n_units].argsort())
            row[: item.n_units] = row[: item.n_units][order]
        return found

    with patch.object(Importances, "scores", scores):
        yield


def redrawn(path: str, seed: int) -> AuditedModel:
    """A model of the paper as it was before training."""
    model = load_model(path, torch.device("cpu"))
    assert isinstance(model, PaperModel), "a model that `attn-audit train` wrote"
    torch.manual_seed(seed)
    for module in model.network.modules():
        if isinstance(module, nn.Embedding | nn.Linear | nn.Conv1d | nn.LSTM):
            module.reset_parameters()
    return model


def short(data: str, longest: int) -> list[Example]:
    """Texts of few words."""
    return [each for each in read_examples(DataSource(data)) if len(each.text.split()) <= longest]


def recommendation(
    model: str | AuditedModel,
    texts: list[Example],
    seed: int,
    limit: int,
    measures: str | None = None,
) -> Recommendation:
    """What an audit recommends with shuffled measures: those that are named, or all of them."""
    options: Any = {} if measures is None else {"measures": measures}
    with shuffled(seed):
        found = audit(
            model, texts, checks="erasure", limit=limit, erasure_sample=limit, seed=seed, threads=1,
            **options,
        ).recommendation  # fmt: skip
    assert found is not None, "erasure was run"
    assert found.attention is not None, found.sentence
    return found


def tell(runs: Iterable[tuple[str, int, Recommendation]]) -> None:
    """A line each, and how many recommend anything, or are above random order alone."""
    shown = n_runs = above = n_candidates = 0
    for name, seed, found in runs:
        is_above = [each.measure for each in found.candidates if each.over_random.is_above_zero]
        lowest = min(each.p_value for each in found.candidates)
        print(
            f"{name} seed {seed}: {found.n_judged} texts, {len(found.candidates)} measures, "
            f"smallest p {lowest:.3f}, above random {is_above}, shown {found.show_instead}",
            flush=True,
        )
        n_runs, shown = n_runs + 1, shown + (found.show_instead is not None)
        n_candidates, above = n_candidates + len(found.candidates), above + len(is_above)
    print(f"{shown} of {n_runs} recommend something")
    print(f"{above} of {n_candidates} measures are above random order, without any correction")


def main() -> None:
    """Audit what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("models", nargs="*")
    parser.add_argument("--redrawn", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--limit", type=int, default=110)
    parser.add_argument("--longest", type=int, default=9)
    parser.add_argument("--measures")
    given = parser.parse_args()
    texts = short(given.data, given.longest)
    seeds = range(given.first, given.first + given.seeds)
    tell(
        (
            f"{path}{' redrawn' if is_redrawn else ''}",
            seed,
            recommendation(model, texts, seed, given.limit, given.measures),
        )
        for seed in seeds
        for paths, is_redrawn in ((given.models, False), (given.redrawn, True))
        for path in paths
        for model in [redrawn(path, seed) if is_redrawn else path]
    )


if __name__ == "__main__":
    main()
