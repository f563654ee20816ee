"""What is answered of attention that was drawn at random: Yes is wrong, in at most 9 of 200.

    python -m tests.simulations.null_runs values_equal [--seeds 200] [--first 0]
    python -m tests.simulations.null_runs past_it [--seeds 200]
    python -m tests.simulations.null_runs shuffled MODEL DATA [--seeds 200] [--limit 200]

`values_equal` and `past_it`: attention is a random number of the word and cannot act, since all
values of a text are equal, or since the output comes past it; the numbers are drawn anew for each
seed. `shuffled`: of a trained averaging model (`model.pt`), each word's attention score is given to
another word, and texts are sampled, anew for each seed. (Where each text's weights are shuffled
among its own words, an audit refuses the model: a word's weight is then other words' doing.) A line
each seed has the numbers that the rules read. `docs/rules.md` has what came out.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from attn_audit import CustomModel, Report, audit
from attn_audit import selftest as models
from attn_audit.data.example import Example
from attn_audit.judgement.policy import load_policy
from attn_audit.models.contract import AuditedModel, Unit
from attn_audit.models.custom.intercepted_model import build_custom_model
from attn_audit.models.loading import load_model
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.models.task import TaskKind
from attn_audit.selftest import Vocabulary

READ = tuple(dict.fromkeys(bound.metric for bound in load_policy().bounds))


N_TRIED = 4
"""Texts on which a module is tried out."""


def values_equal(x: models.WordFeatures) -> Tensor:
    """Random attention; every word has the text's value."""
    return x.attend(x.noise, 4 * models.VALUE * x.mean.expand_as(x.value))


def past_it(x: models.WordFeatures) -> Tensor:
    """Random attention; the output comes past it."""
    return x.attend(x.noise, 0.05 * x.value) + 4 * models.VALUE * x.mean.squeeze(1)


def tried(custom: CustomModel, texts: Sequence[str]) -> AuditedModel:
    """The module, found out by trial: once, since other scores are found in the same place."""
    trial = [Example(id=str(i), text=text, text_pair=None) for i, text in enumerate(texts)]
    return build_custom_model(custom, trial, torch.device("cpu"))


def of_formulas(of: models.Formula, seeds: Iterable[int]) -> Iterable[Report]:
    """Audits of attention that cannot act.

    The check on reach is enough: where no attention can move an output it is No, whatever the
    other rules say, and else there is no Yes without them.
    """
    texts = Vocabulary.of(2).texts(with_players=0.0)
    custom = models.build(TaskKind.BINARY, 2, of, 1.0)
    model = tried(custom, [str(row["text"]) for row in texts[:N_TRIED]])
    noise = custom.module.get_buffer("noise")
    for seed in seeds:
        noise.normal_(generator=torch.Generator().manual_seed(seed))
        yield audit(model, texts, checks="permutation")


class Averaging(nn.Module):
    """A trained averaging model, of which each word's score can be exchanged."""

    def __init__(self, model: PaperModel):
        super().__init__()
        network, n_words = model.network, len(model.vocabulary)
        with torch.no_grad():
            states = network.text_encoder(
                torch.arange(n_words).unsqueeze(0), torch.tensor([n_words])
            )
            scores = network.attention.scores(states, None)[0]
            values = network.readout.unit_values(states)[0]
        self.embedding = nn.Embedding(n_words, values.shape[1], _weight=values.clone())
        self.register_buffer("score", scores)
        assert isinstance(network.readout.output.bias, Tensor)
        self.bias = network.readout.output.bias.detach()

    def forward(self, ids: Tensor) -> Tensor:
        """Logits."""
        scores = self.get_buffer("score")[ids].masked_fill(ids == 0, -1e9)
        pooled: Tensor = (scores.softmax(-1).unsqueeze(-1) * self.embedding(ids)).sum(1)
        return pooled + self.bias


def of_shuffled(path: str, data: str, seeds: Iterable[int], limit: int) -> Iterable[Report]:
    """Audits of a trained model with other words' attention."""
    trained = load_model(path, torch.device("cpu"))
    assert isinstance(trained, PaperModel), "an averaging model that `attn-audit train` wrote"
    tokenizer, vocabulary, task = trained.tokenizer, trained.vocabulary, trained.task

    def words(text: str) -> list[str]:
        return [unit.text for unit in tokenizer.units(text)]

    def encode(texts: Sequence[Sequence[str]]) -> Tensor:
        looked_up = [[tokenizer.token(Unit(word, 0, len(word))) for word in text] for text in texts]
        rows = [torch.tensor(vocabulary.ids(text)[1:-1]) for text in looked_up]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)

    module = Averaging(trained)
    custom = CustomModel(module, encode, task.labels, task.name, tokenize=words)
    model = tried(custom, [" ".join(vocabulary.tokens[-n:]) for n in range(4, 4 + N_TRIED)])
    score = module.get_buffer("score")
    own = score.clone()
    for seed in seeds:
        order = torch.randperm(len(own), generator=torch.Generator().manual_seed(seed))
        score.copy_(own[order])
        yield audit(
            model,
            data,
            limit=limit,
            seed=seed,
            checks=("correlation", "attended", "permutation"),
            measures="leave_one_out",
        )


def tell(seeds: Iterable[int], reports: Iterable[Report]) -> None:
    """The numbers and the answer of each, and how often there was which answer."""
    found: Counter[str] = Counter()
    print("seed  " + "  ".join(READ) + "  answer")
    for seed, report in zip(seeds, reports, strict=True):
        answer = report.answer
        assert answer is not None
        found[answer.verdict] += 1
        found_in = {judgement.metric: judgement.estimate for judgement in answer.judgements}
        numbers = (found_in[metric] for metric in READ)
        written = ("-" if number is None else f"{number:.3f}" for number in numbers)
        columns = (f"{number:>{len(metric)}}" for metric, number in zip(READ, written, strict=True))
        print(f"{seed:4}  {'  '.join(columns)}  {answer.verdict}", *answer.because, flush=True)
    print(dict(found))


FORMULAS: dict[str, models.Formula] = {"values_equal": values_equal, "past_it": past_it}


def main() -> None:
    """Audit what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=[*FORMULAS, "shuffled"])
    parser.add_argument("model", nargs="?")
    parser.add_argument("data", nargs="?")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--limit", type=int, default=200)
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    if given.what in FORMULAS:
        tell(seeds, of_formulas(FORMULAS[given.what], seeds))
    else:
        tell(seeds, of_shuffled(given.model, given.data, seeds, given.limit))


if __name__ == "__main__":
    main()
