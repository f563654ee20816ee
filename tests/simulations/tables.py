"""Measure rows of the documentation's tables of models again: all of them, or those that are named.

    python -m tests.simulations.tables SHARED [ROW ...]

`docs/measured.json` has the rows: the table, a name, what it is of, and what was found.
`docs/measured.py` makes tables of them, and this command writes them anew, row by row. Models that
a row trains are trained as `attn-audit train` does it; data sets and MiniLM are those of the folder
SHARED. Rows of an earlier run are marked so, and so is each as soon as what decides is no more what
it was. Rows with `is_small` are for the tests alone.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict
from unittest.mock import patch

import numpy as np
import torch
from pydantic import JsonValue

from attn_audit import CustomModel, audit
from attn_audit.checks.attended import unattended_units
from attn_audit.cli import app
from attn_audit.data.example import Example, sample_examples
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.findings.attended import UNATTENDED
from attn_audit.findings.correlation_pairs import ATTENTION_GRADIENT
from attn_audit.findings.erasure import N_RANDOM
from attn_audit.findings.thresholds import SIGNIFICANT
from attn_audit.judgement.gate import WIDER
from attn_audit.judgement.policy import load_policy
from attn_audit.judgement.recommendation import FEWEST_TEXTS
from attn_audit.measures.head_mix import N_PERMUTED, N_SUBSETS
from attn_audit.models.contract import AuditedModel
from attn_audit.models.loading import load_model
from attn_audit.results.verdict import FEW_PASSES, Answer, Level, Part, Recommendation
from attn_audit.statistics.rankings import MAX_UNITS_OF_TABLE
from attn_audit.statistics.ridge import PENALTY
from tests.simulations import deception

STORED = Path(__file__).parents[2] / "docs/measured.json"
COMMAND = "python -m tests.simulations.tables SHARED NAME"
"""What measures a row."""

Found = dict[str, JsonValue]


class Row(TypedDict):
    """A line of a table."""

    table: str
    name: str
    of: Any
    """What is measured, by what `MEASURED` of the table reads of it; null: it cannot be again."""
    is_small: bool
    is_earlier: bool
    found: Found


class Tables(TypedDict):
    """What the file holds."""

    decided_by: dict[str, Any]
    rows: list[Row]


def decided_by() -> dict[str, Any]:
    """What answers and recommendations are decided by."""
    rules = load_policy()
    return {
        "rules": f"version {rules.version} of the rules (`{rules.sha256[:12]}`)",
        "wider": WIDER,
        "random orders": N_RANDOM,
        "units of all orders": MAX_UNITS_OF_TABLE,
        "fewest texts": FEWEST_TEXTS,
        "significant": SIGNIFICANT,
        "subsets": N_SUBSETS,
        "permuted mixes": N_PERMUTED,
        "few passes": FEW_PASSES,
        "penalty": PENALTY,
    }


def read() -> Tables:
    """As it is stored."""
    found: Tables = json.loads(STORED.read_text(encoding="utf-8"))
    return found


def written(tables: Tables) -> str:
    """A row on a line, so that changes can be read."""
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in tables["rows"])
    head = json.dumps({"command": COMMAND, "decided_by": tables["decided_by"]}, ensure_ascii=False)
    return f'{head[:-1]},\n"rows": [\n{rows}\n]}}\n'


# --- models ---------------------------------------------------------------------------------------


@cache
def trained(data: Path, options: str) -> AuditedModel:
    """As `attn-audit train` trains it."""
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.pt")
        words = ["train", str(data), *options.split(), "--output", path, "--quiet"]
        app(words, standalone_mode=False)
        return load_model(path, torch.device("cpu"))


def model_of(of: Any, shared: Path) -> str | AuditedModel:
    """That of a row: one of the folder, or trained."""
    if "model" in of:
        return str(shared / "models" / of["model"])
    return trained(shared / "data" / of["data"], of["train"])


# --- answers --------------------------------------------------------------------------------------

READ = tuple(
    dict.fromkeys(bound.metric for bound in load_policy().bounds if bound.level is not Level.NOTE)
)
"""What decides an answer."""


def answer_of(model: str | AuditedModel | CustomModel, data: Any, n_texts: int | None) -> Answer:
    """What the packaged rules say, from no more than they need of an audit."""
    checks, measures = ("correlation", "attended", "permutation"), ("leave_one_out",)
    answer = audit(model, data, checks=checks, measures=measures, limit=n_texts, threads=1).answer
    assert answer is not None, "every audit has one"
    return answer


def answered(answer: Answer) -> Found:
    """The numbers that decide, that of unattended words with its interval, and the answer."""
    found: Found = {}
    for judgement in answer.judgements:
        if judgement.metric == UNATTENDED.name and judgement.interval is not None:
            interval = judgement.interval
            found[judgement.metric] = rounded(judgement.estimate, interval.low, interval.high, to=3)
        elif judgement.metric in READ and judgement.estimate is not None:
            found[judgement.metric] = round(judgement.estimate, 2)
    return {**found, "answer": answer.verdict.value, "named": [u.unit for u in answer.units[:2]]}


def rounded(*numbers: float | None, to: int = 2) -> list[JsonValue]:
    """As they are shown; never -0."""
    return [None if number is None else round(number, to) + 0.0 for number in numbers]


def of_truth(of: Any, shared: Path) -> Found:
    """A model whose truth is built in."""
    load = run_path(str(shared / "cases/truth/models.py"))["load"]
    return answered(answer_of(load(of["case"]), shared / "data" / of["data"], of.get("texts")))


def of_trained(of: Any, shared: Path) -> Found:
    """A trained model; and what leaving out random words does, as many as are unattended."""
    model, data = model_of(of, shared), shared / "data" / of["data"]
    with patch("attn_audit.checks.attended.unattended_units", random_words):
        at_random = answered(answer_of(model, data, of["texts"]))[UNATTENDED.name]
    return {**answered(answer_of(model, data, of["texts"])), "random words": at_random}


def random_words(attention: np.ndarray, ranks: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """As many words of each text as are unattended, whatever their attention."""
    chosen = unattended_units(attention, ranks, lengths)
    draw = np.random.default_rng(attention.size)
    for row, length in zip(chosen, lengths, strict=True):
        row[:length] = draw.permutation(row[:length])
    return chosen


def of_deceiving(of: Any, _: Path) -> Found:
    """A model that was trained to hide which words decide."""
    model = deception.train(of["lambda"], of["seed"], of.get("epochs", deception.EPOCHS))
    texts = deception.draw_texts(of["texts"], seed=1_000)
    accuracy, attention = deception.learnt(model, texts)
    custom = CustomModel(model, deception.encode, ["0", "1"], "binary")
    rows = [
        {"id": str(i), "text": " ".join(text.words), "label": str(text.label)}
        for i, text in enumerate(texts)
    ]
    found = answered(answer_of(custom, rows, None))
    return {**found, "accuracy": round(accuracy, 3), "on listed words": round(attention, 2)}


# --- what to show instead -------------------------------------------------------------------------


def halves(of: Any, shared: Path) -> Iterator[list[Example]]:
    """A sample of the even lines, and one of the odd ones, of texts as long as is asked."""
    shortest, longest = of.get("words", (0, 10_000))
    examples = read_examples(DataSource(str(shared / "data" / of["data"]), split="test"))
    chosen = [each for each in examples if shortest <= len(each.text.split()) <= longest]
    return (sample_examples(chosen[first::2], of["texts"], 0) for first in (0, 1))


def audited(of: Any, shared: Path) -> list[tuple[Recommendation, dict[str, float]]]:
    """What an audit of each half recommends, and the passes that each measure took."""
    return _audited(json.dumps(of), shared)


@cache
def _audited(said: str, shared: Path) -> list[tuple[Recommendation, dict[str, float]]]:
    of, both = json.loads(said), []
    options = {name: of[name] for name in ("unit", "measures") if name in of}
    for texts in halves(of, shared):
        report = audit(
            model_of(of, shared), texts, checks="erasure", erasure_sample=of["texts"], threads=1,
            **options,
        )  # fmt: skip
        found, run = report.recommendation, report.run
        assert found is not None, "erasure was run"
        assert run is not None, "it is timed"
        both.append((found, {name: cost.passes for name, cost in run.costs.items()}))
    return both


def of_recommended(of: Any, shared: Path) -> Found:
    """What the even lines recommend, with its numbers, and what the odd ones do."""
    (first, _), (second, _) = audited(of, shared)
    shown = first.candidate(first.show_instead or first.candidates[0].measure)
    assert shown is not None
    assert shown.over_attention is not None, "the models have attention"
    return {
        **_recommended(first),
        "tied": list(first.tied),
        "removes": _both(shown.score),
        "attention": _both(first.attention),
        "random": _both(first.random),
        "more": _gap(shown.over_attention),
        "again": _recommended(second),
    }


def _recommended(found: Recommendation) -> Found:
    passed: list[JsonValue] = [each.measure for each in found.candidates if each.passed]
    return {"shown": found.show_instead, "judged": found.n_judged, "passed": passed}


def of_orders(of: Any, shared: Path) -> Found:
    """How every measure ranks on the even lines, and on the odd ones."""
    first, second = (_orders(*each) for each in audited(of, shared))
    return {**first, "again": second}


def _orders(found: Recommendation, passes: dict[str, float]) -> Found:
    above = found.attention_over_random
    assert above is not None, "the models have attention"
    permuted = found.permuted_over_random
    ranked: list[JsonValue] = [
        {
            "measure": each.measure,
            "by_magnitude": each.by_magnitude,
            "removes": _both(each.score),
            "over_attention": None if each.over_attention is None else _gap(each.over_attention),
            "over_random": _gap(each.over_random),
            "passes": round(passes[each.measure]),
            "passed": each.passed,
        }
        for each in found.candidates
    ]
    return {
        "shown": found.show_instead,
        "judged": found.n_judged,
        "fitting": found.n_fitting,
        "measures": ranked,
        "attention": _both(found.attention),
        "over_random": _gap(above),
        "random": _both(found.random),
        "permuted": None if permuted is None else [_own(permuted), _neutral(permuted)],
    }


def _both(part: Part | None) -> list[JsonValue]:
    assert part is not None, "enough texts judge"
    return rounded(part.own, part.neutral)


def _own(part: Part) -> list[JsonValue]:
    assert part.own_interval is not None
    return rounded(part.own, part.own_interval.low, part.own_interval.high)


def _neutral(part: Part) -> list[JsonValue]:
    assert part.neutral_interval is not None
    return rounded(part.neutral, part.neutral_interval.low, part.neutral_interval.high)


def _gap(part: Part) -> list[JsonValue]:
    """The smaller of both ways, with its interval."""
    return _own(part) if part.own <= part.neutral else _neutral(part)


# --- heads ----------------------------------------------------------------------------------------


def of_heads(of: Any, shared: Path) -> Found:
    """Each head's mean tau with gradients, by layer."""
    report = audit(
        model_of(of, shared), shared / "data" / of["data"], checks="correlation", unit="word",
        measures="gradient", layer=of["layer"], head="all", limit=of["texts"], threads=1,
    )  # fmt: skip
    layers: dict[str, list[JsonValue]] = {}
    for site in report.sites:
        if site.head is not None:
            mean = site.means[ATTENTION_GRADIENT.tau.name].mean
            layers.setdefault(str(site.layer), []).extend(rounded(mean))
    return {"layers": dict(layers)}


MEASURED: dict[str, Callable[[Any, Path], Found]] = {
    "truth": of_truth,
    "trained": of_trained,
    "deceiving": of_deceiving,
    "recommended": of_recommended,
    "orders": of_orders,
    "heads": of_heads,
}


def measure(row: Row, shared: Path) -> Found:
    """What is found today."""
    return MEASURED[row["table"]](row["of"], shared)


def update(shared: Path, names: Sequence[str]) -> None:
    """Measure and store, and say what was another number before."""
    for i, row in enumerate(read()["rows"]):
        if row["of"] is None or (names and not {row["name"], row["table"]} & {*names}):
            continue
        before, found = row["found"], measure(row, shared)
        store(i, found)
        print(row["name"], "the same" if before == found else f"before: {before}", flush=True)


def store(place: int, found: Found) -> None:
    """Write down a row; where what decides is no more what it was, all others are earlier ones."""
    tables = read()
    is_as_ever = tables["decided_by"] == decided_by()
    tables["decided_by"] = decided_by()
    for row in tables["rows"]:
        row["is_earlier"] |= not is_as_ever
    tables["rows"][place] |= {"found": found, "is_earlier": False}
    STORED.write_text(written(tables), encoding="utf-8")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="names of rows, or of tables")
    given = parser.parse_args()
    update(given.shared, given.rows)


if __name__ == "__main__":
    main()
