"""Modules that came out wrong, and what is true of them, computed without this tool."""

import importlib.util
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, Literal

import pytest
import torch
from scipy.stats import kendalltau

from attn_audit import CustomModel, audit
from tests.cli.conftest import AttnAudit

# The case file leaves its texts open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ADAPTERS = ("head_major", "own_cls", "pieces", "backwards")
N_TEXTS = 12
WAYS: tuple[tuple[str, int | Literal["auto"]], ...] = (
    ("texts", 1),
    ("shuffled", 7),
    ("shuffled", "auto"),
)


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def modules(shared: Path) -> Path:
    return shared / "cases" / "modules"


@pytest.fixture(scope="module")
def records_of(
    modules: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], list[dict[str, Any]]]:
    """The records of an adapter, made when they are first asked for."""
    folder = tmp_path_factory.mktemp("adapters")

    @cache
    def made(name: str) -> list[dict[str, Any]]:
        where, records = f"{modules / 'adapters.py'}:load_{name}", folder / f"{name}.jsonl"
        texts = str(modules / "texts.jsonl")
        audit("x", texts, adapter=where, checks="correlation", records=records, batch_size=8)
        return lines(records)

    return made


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_weight_is_its_own_tokens(
    modules: Path, records_of: Callable[[str], list[dict[str, Any]]], name: str
) -> None:
    true: Callable[[str, str], torch.Tensor] = imported(modules / "adapters.py").true_attention
    for record, row in zip(records_of(name), lines(modules / "texts.jsonl"), strict=True):
        assert record["attention"] == pytest.approx(true(name, row["text"]).tolist(), abs=1e-5)


@pytest.mark.parametrize("name", ["own_cls", "backwards"])
def test_taus_with_leave_one_out_are_those_computed_by_hand(
    modules: Path, records_of: Callable[[str], list[dict[str, Any]]], name: str
) -> None:
    by_hand = imported(modules / "adapters.py")
    custom: CustomModel = getattr(by_hand, f"load_{name}")("")

    def probability(words: list[str]) -> float:
        with torch.no_grad():
            output: torch.Tensor = custom.module(custom.encode([words]))
        return float(output.double().softmax(-1)[0, 1])

    n_compared = 0
    for record, row in zip(records_of(name), lines(modules / "texts.jsonl"), strict=True):
        words = row["text"].split()
        effects = [
            abs(probability(words[:i] + words[i + 1 :]) - probability(words))
            for i in range(len(words))
        ]
        gaps = [abs(a - b) for i, a in enumerate(effects) for b in effects[:i]]
        if min(gaps) > 1e-6:  # closer ones are ties to the audit
            tau = kendalltau(by_hand.true_attention(name, row["text"]), effects).statistic
            assert record["correlation.attention_leave_one_out"] == pytest.approx(tau)
            n_compared += 1
    assert n_compared >= 3


# --- a batch that is sorted by length inside the module -------------------------------------------


@pytest.fixture(scope="module")
def sorting(modules: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module with weights as large as training makes them, and texts in two orders."""
    net = imported(modules / "sorting_net.py")
    folder = tmp_path_factory.mktemp("sorting")
    rows = lines(shared / "data" / "sst_paper" / "test.jsonl")[:N_TEXTS]
    words = sorted({word for row in rows for word in net.words(row["text"])})
    torch.manual_seed(0)
    module = net.SortingNet(len(words) + 2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(2.5)
    vocabulary = {word: i + 2 for i, word in enumerate(words)}
    torch.save(
        {"weights": module.state_dict(), "vocabulary": vocabulary}, folder / "sorting_net.pt"
    )
    shuffled = list(rows)
    Random(0).shuffle(shuffled)
    for name, some in (("texts", rows), ("shuffled", shuffled)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, some)) + "\n")
    return folder


@pytest.fixture(scope="module")
def found(sorting: Path, modules: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Records by batch size and order, then by id."""
    kept = {}
    for order, size in WAYS:
        audit(
            str(sorting / "sorting_net.pt"),
            str(sorting / f"{order}.jsonl"),
            adapter=f"{modules / 'sorting_net.py'}:load",
            checks="correlation,permutation",
            batch_size=size,
            records=str(sorting / "records.jsonl"),
        )
        kept[f"{order} {size}"] = {row["id"]: row for row in lines(sorting / "records.jsonl")}
        (sorting / "records.jsonl").unlink()
    return kept


@pytest.mark.parametrize("field", ["probability", "permutation.distance", "attention"])
def test_numbers_depend_neither_on_the_batch_nor_on_the_order(
    found: dict[str, dict[str, dict[str, Any]]], field: str
) -> None:
    alone = found["texts 1"]
    for records in found.values():
        for name, record in records.items():
            assert record[field] == pytest.approx(alone[name][field], abs=1e-5)


def test_taus_are_the_same_but_for_a_step_in_one_of_a_hundred_texts(
    found: dict[str, dict[str, dict[str, Any]]],
) -> None:
    alone = found["texts 1"]
    for records in found.values():
        moved = [
            name
            for name, record in records.items()
            if record["correlation.attention_gradient"]
            != pytest.approx(alone[name]["correlation.attention_gradient"], abs=1e-9)
        ]
        assert len(moved) <= 0.01 * len(records)


def test_shuffling_moves_the_output_as_it_does_by_hand(
    found: dict[str, dict[str, dict[str, Any]]], sorting: Path, modules: Path
) -> None:
    """With permutations of our own: medians of a hundred differ by sampling alone."""
    net = imported(modules / "sorting_net.py")
    custom: CustomModel = net.load(str(sorting / "sorting_net.pt"))
    module: Any = custom.module.eval()
    for row in lines(sorting / "texts.jsonl"):
        tokens = row["text"].split()
        inputs = custom.encode([tokens])
        with torch.no_grad():
            states = module.rnn(module.embedding(inputs["ids"]))[0][0]
            output = module(**inputs)
            generator = torch.Generator().manual_seed(1)
            orders = [torch.randperm(len(tokens), generator=generator) for _ in range(200)]
            mixed = torch.stack([output["attention"][0][order] @ states for order in orders])
            moved = module.out(mixed).softmax(-1)[:, 1] - output["logits"].softmax(-1)[0, 1]
        median = float(moved.abs().median())
        stored = found["shuffled auto"][row["id"]]["permutation.distance"]
        assert stored == pytest.approx(median, abs=0.05)


def test_verify_finds_that_it_holds(attn_audit: AttnAudit, sorting: Path, modules: Path) -> None:
    where = f"{modules / 'sorting_net.py'}:load"
    model, texts = sorting / "sorting_net.pt", sorting / "texts.jsonl"
    outcome = attn_audit(
        *("audit", model, texts, "--adapter", where, "--checks"),
        *("correlation,permutation", "--records", "r.jsonl", "--output", "r.json"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    outcome = attn_audit("verify", "r.json", model, texts, "--adapter", where)
    assert outcome.exit_code == 0, outcome.stdout
    assert "may not share a batch" in " ".join(outcome.stdout.split())


def test_inspect_says_that_texts_stand_alone_and_why(
    attn_audit: AttnAudit, sorting: Path, modules: Path
) -> None:
    outcome = attn_audit(
        *("inspect", sorting / "sorting_net.pt", sorting / "texts.jsonl"),
        *("--adapter", f"{modules / 'sorting_net.py'}:load"),
    )
    said = " ".join(outcome.stdout.split())
    assert "one text at a time" in said
    assert "what lies before its attention with the texts in another order" in said
