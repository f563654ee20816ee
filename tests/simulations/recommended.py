"""What is recommended of a trained model, and whether other texts confirm it.

    python -m tests.simulations.recommended MODEL DATA [--split test] [--unit word] [--limit 400]
        [--sample 200] [--longest WORDS] [--seed 0] [--measures NAME,...]

The even lines of the data are audited and then the odd ones, each with two halves of its own that
choose and judge. Markdown: of each what a report says of it, with tables of how measures rank and
what they cost, and at the end a line for the table of models of `docs/instead.md`, which has what
came out. Confirmed: the odd lines alone show the same measure, or one that ties with it.
"""

import argparse
from pathlib import Path
from typing import Any

from attn_audit import audit
from attn_audit.data.example import Example, sample_examples
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.document import Paragraph, Phrase, Table
from attn_audit.formats.documents.recommendation import section
from attn_audit.results.verdict import Recommendation


def halves(given: argparse.Namespace) -> list[list[Example]]:
    """A sample of the even lines, and one of the odd ones."""
    source = DataSource(given.data, split=given.split)
    every = list(read_examples(source))
    chosen = [e for e in every if given.longest is None or _n_words(e) <= given.longest]
    limit = given.limit or len(chosen)
    return [sample_examples(chosen[first::2], limit, given.seed) for first in (0, 1)]


def _n_words(example: Example) -> int:
    return len(f"{example.text} {example.text_pair or ''}".split())


def recommended(
    model: str, texts: list[Example], given: argparse.Namespace
) -> tuple[Recommendation, list[str]]:
    """What an audit of some texts recommends, and what its report says of that."""
    options: dict[str, Any] = {"unit": given.unit} if given.unit else {}
    if given.measures:
        options["measures"] = given.measures
    report = audit(
        model, texts, checks="erasure", erasure_sample=given.sample, seed=given.seed, threads=1,
        **options,
    )  # fmt: skip
    found = report.recommendation
    assert found is not None, "erasure was run"
    assert report.run is not None, "it is timed"
    _, *blocks, _ = section(found, report.head_mix, report.run.costs).blocks
    return found, [
        markdown(block) if isinstance(block, Table) else block.text
        for block in blocks
        if isinstance(block, Table | Paragraph)
    ]


def markdown(table: Table) -> str:
    """Rows as they stand in the documentation."""
    cells = [[each.text if isinstance(each, Phrase) else each for each in r] for r in table.rows]
    rows = [table.columns, ["---"] * len(table.columns), *cells]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def said(found: Recommendation) -> str:
    """What is shown, and what ties with it, in a cell."""
    texts = f"{found.n_judged} texts"
    if found.attention is None:
        return f"not told; {texts}"
    tied = f" (tied: {', '.join(found.tied)})" if found.tied else ""
    return f"{found.show_instead or 'none'}{tied}; {texts}"


def confirmed(first: Recommendation, second: Recommendation) -> str:
    """Whether the second, by itself, comes to what the first does."""
    if first.attention is None or second.attention is None:
        return "not told"
    if first.show_instead == second.show_instead:
        return "yes"
    shown = first.show_instead
    if shown is None:
        return "no"
    if shown in second.tied:
        return "tied"
    again = second.candidate(shown)
    return "better again, others are better still" if again and again.passed else "no"


def main() -> None:
    """Audit both halves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--split", default="test")
    parser.add_argument("--unit")
    parser.add_argument("--measures")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--longest", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    name = f"{Path(given.model).stem}, {Path(given.data).name}"
    found = []
    for which, texts in zip(("even", "odd"), halves(given), strict=True):
        one, lines = recommended(given.model, texts, given)
        found.append(one)
        print("\n\n".join([f"**{name}**, {which} lines:", *lines, ""]), flush=True)
    first, second = found
    print("| model | even lines | odd lines | confirmed |\n|---|---|---|---|")
    print(f"| {name} | {said(first)} | {said(second)} | {confirmed(first, second)} |")


if __name__ == "__main__":
    main()
