"""How often the packaged rules are wrong by chance.

    python -m tests.simulations.error_rates limits
    python -m tests.simulations.error_rates null [--seeds 40]
    python -m tests.simulations.error_rates shuffled MODEL DATA [--seeds 40] [--limit 200]

`limits`: of a model whose true numbers lie exactly on the limits of all rules of level `no`, the
share of audits that answer No, where each rule errs independently, which is the worst case; beside
it that of each rule, exact of a share and simulated of tau. `null`: answers of attention that is
random and cannot act, since all values are equal, or since the output comes past it; the random
numbers of words are drawn anew for each seed. `shuffled`: of a trained averaging model
(`model.pt`), each word's attention score is given to another word, and texts are sampled, anew for
each seed. `docs/rules.md` has what they said.
"""

import argparse
import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.stats import binom
from torch import Tensor, nn

from attn_audit import CustomModel, audit
from attn_audit.findings.metric import ShareMetric
from attn_audit.findings.registry import statistics
from attn_audit.findings.rule import Outcome
from attn_audit.judgement.bounds import Measurement, judge_bound
from attn_audit.judgement.policy import Bound, load_policy
from attn_audit.models.loading import load_model
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.models.task import TaskKind
from attn_audit.selftest import models
from attn_audit.selftest.models import Vocabulary
from attn_audit.statistics.estimate import Estimate, Interval
from attn_audit.statistics.intervals import Resamples, mean_interval, wilson_interval

RULES = load_policy()
RESAMPLES = Resamples(0)
N_SIMULATED = 2000
SPREAD_OF_TAU = 0.25
"""About that of trained models."""


def deciding() -> list[Bound]:
    """The rules that may answer No."""
    return [bound for bound in RULES.bounds if bound.level.decides]


def wrongly_violated(bound: Bound, n: int, n_simulated: int = N_SIMULATED) -> float:
    """Share of the audits of n texts that violate a rule on whose limit the truth lies."""

    def is_violated(value: float, interval: Interval | None) -> bool:
        found = Measurement(Estimate(value, n, interval), "", "", None, ())
        return judge_bound(bound, found, RULES).outcome is Outcome.FAIL

    if isinstance(statistics()[bound.metric].metric, ShareMetric):
        counts = range(n + 1)
        violated = [is_violated(k / n, wilson_interval(k, n)) for k in counts]
        return float(np.dot(binom.pmf(counts, n, bound.limit), violated))
    draw = np.random.default_rng(n)
    drawn = (draw.normal(bound.limit, SPREAD_OF_TAU, n) for _ in range(n_simulated))
    violated = [is_violated(v.mean(), mean_interval(v, RESAMPLES)) for v in drawn]
    return float(np.mean(violated))


def any_of(shares: Sequence[float]) -> float:
    """The share of any of several errors that are independent."""
    return 1 - math.prod(1 - share for share in shares)


def limits() -> None:
    """False No of a model on all limits."""
    print("texts  all rules  " + "  ".join(bound.metric for bound in deciding()))
    for n in (100, 200, 400, 1800):
        by_rule = {bound.metric: wrongly_violated(bound, n) for bound in deciding()}
        each = "  ".join(f"{share:{len(name)}.3f}" for name, share in by_rule.items())
        print(f"{n:5}  {any_of(list(by_rule.values())):9.3f}  {each}", flush=True)


def redrawn(seed: int, of: Callable[[models.LookedUp], Tensor]) -> models.Formula:
    """A formula with other random numbers of the words."""

    def formula(x: models.LookedUp) -> Tensor:
        rolled = models.LookedUp(x.value, x.one, x.is_word, x.size, _noise(x, seed), x.part)
        return of(rolled)

    return formula


def _noise(x: models.LookedUp, seed: int) -> Tensor:
    """A random number of the word, from the digits of the one that it has."""
    return 2 * (x.noise * (1e3 + 7 * seed)).sin()


def values_equal(x: models.LookedUp) -> Tensor:
    """Random attention; every word has the text's value."""
    return x.attend(x.noise, 4 * models.VALUE * x.mean.expand_as(x.value))


def past_it(x: models.LookedUp) -> Tensor:
    """Random attention; the output comes past it."""
    return x.attend(x.noise, 0.05 * x.value) + 4 * models.VALUE * x.mean.squeeze(1)


def null(n_seeds: int) -> None:
    """Answers of random attention that cannot act."""
    texts = Vocabulary.of(2).texts(with_players=0.0)
    for of in (values_equal, past_it):
        found: Counter[str] = Counter()
        for seed in range(n_seeds):
            answer = audit(models.build(TaskKind.BINARY, 2, redrawn(seed, of), 1.0), texts).answer
            found[answer.verdict if answer else "none"] += 1
        print(of.__name__, dict(found), flush=True)


class Shuffled(nn.Module):
    """An averaging model whose words have each other's attention."""

    def __init__(self, model: PaperModel, seed: int):
        super().__init__()
        network = model.network
        with torch.no_grad():
            n_words = len(model.vocabulary)
            states = network.text_encoder(
                torch.arange(n_words).unsqueeze(0), torch.tensor([n_words])
            )
            scores = network.attention.scores(states, None)[0]
            values = network.readout.unit_values(states)[0]
        order = torch.randperm(n_words, generator=torch.Generator().manual_seed(seed))
        self.embedding = nn.Embedding(n_words, values.shape[1], _weight=values.clone())
        self.register_buffer("score", scores[order])
        assert isinstance(network.readout.output.bias, Tensor)
        self.bias = network.readout.output.bias.detach()

    def forward(self, ids: Tensor) -> Tensor:
        """Logits."""
        scores = self.get_buffer("score")[ids].masked_fill(ids == 0, -1e9)
        pooled: Tensor = (scores.softmax(-1).unsqueeze(-1) * self.embedding(ids)).sum(1)
        return pooled + self.bias


def shuffled(path: str, data: str, n_seeds: int, limit: int) -> None:
    """Answers of a trained model with other words' attention."""
    model = load_model(path, torch.device("cpu"))
    assert isinstance(model, PaperModel), "an averaging model that `attn-audit train` wrote"

    def encode(texts: Sequence[Sequence[str]]) -> Tensor:
        rows = [torch.tensor(model.vocabulary.ids(text)[1:-1]) for text in texts]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)

    found: Counter[str] = Counter()
    for seed in range(n_seeds):
        custom = CustomModel(Shuffled(model, seed), encode, model.task.labels, model.task.name)
        report = audit(custom, data, limit=limit, seed=seed)
        assert report.answer is not None
        found[report.answer.verdict] += 1
        print(seed, report.answer.verdict, *report.answer.because, flush=True)
    print(dict(found))


def main() -> None:
    """Simulate what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["limits", "null", "shuffled"])
    parser.add_argument("model", nargs="?")
    parser.add_argument("data", nargs="?")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--limit", type=int, default=200)
    given = parser.parse_args()
    if given.what == "limits":
        limits()
    elif given.what == "null":
        null(given.seeds)
    else:
        shuffled(given.model, given.data, given.seeds, given.limit)


if __name__ == "__main__":
    main()
