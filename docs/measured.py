"""Tables of models, made of `measured.json`, which `python -m tests.simulations.tables` writes."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

NUMBERS = {
    "permutation.within_reach": "within reach",
    "attended.unattended_decide": "unattended decide",
    "random words": "(random words)",
    "correlation.attention_margin": "tau",
    "attended.top_effect_small": "top effect small",
    "permutation.half_margin": "half of the margin",
    "attended.polarity": "polarity",
}
"""What decides an answer, as a column is called."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown; cells may hold markup."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in r) + " |" for r in lines
    )


def measured(name: str) -> list[Any]:
    """The rows of a table, without those that are for the tests alone."""
    stored = json.loads(Path(__file__).with_name("measured.json").read_text(encoding="utf-8"))
    return [row for row in stored["rows"] if row["table"] == name and not row["is_small"]]


def by_name(rows: list[Any], head: Sequence[str], cells: Callable[[Any], Sequence[str]]) -> str:
    """A table of each row's name and of what is made of what was found."""
    lines = ((row["name"] + " \\*" * row["is_earlier"], *cells(row["found"])) for row in rows)
    earlier = "\n\n\\* of an earlier run." if any(row["is_earlier"] for row in rows) else ""
    return table(("model", *head), lines) + earlier


def brief(value: float | None, decimals: int = 2) -> str:
    """A number without the 0 in front of its point; `-` where there is none."""
    return "-" if value is None else re.sub(r"^(-?)0\.", r"\1.", f"{value:.{decimals}f}")


def ranged(value: Sequence[float] | None, decimals: int = 2) -> str:
    """A number and its interval."""
    if value is None:
        return "-"
    first, *ends = (brief(each, decimals) for each in value)
    return f"{first} [{', '.join(ends)}]" if ends else first


def both(value: Sequence[float]) -> str:
    """Left out, and by neutral units."""
    return " / ".join(map(brief, value))


# --- answers --------------------------------------------------------------------------------------


def answers(name: str, columns: Sequence[str]) -> str:
    """The numbers that decide, and the answer."""

    def cells(found: Any) -> list[str]:
        own = {**found, "random words": found.get("random words", [])[:1]}
        numbers = (own[column] for column in columns)
        written = (ranged(n, 3) if isinstance(n, list) else brief(n) for n in numbers)
        return [*written, answer(found)]

    return by_name(measured(name), (*(NUMBERS[column] for column in columns), "answer"), cells)


def answer(found: Any) -> str:
    """In a word, and of a No the units that decide."""
    word = str({"unknown": "cannot be told"}.get(found["answer"], found["answer"]))
    named = found["named"] if word == "no" else ()
    return f"{word}: {' and '.join(named)}" if named else word


def known_truth() -> str:
    """For models whose truth is built in."""
    shown = ("unattended decide", "top effect small", "half of the margin", "polarity")
    return answers("truth", [name for name, called in NUMBERS.items() if called in shown])


def trained() -> str:
    """For trained models."""
    return answers("trained", [*NUMBERS])


def deceiving() -> str:
    """For attention that was trained to deceive: the seeds in a row."""
    rows, lines = measured("deceiving"), []
    for penalty, of_penalty in groupby(rows, key=lambda row: row["of"]["lambda"]):
        found = [row["found"] for row in of_penalty]
        attention = (brief(each["on listed words"]) for each in found)
        unattended = (f"{100 * each['attended.unattended_decide'][0]:.0f} %" for each in found)
        cells = (attention, unattended, map(answer, found))
        lines.append((f"{penalty:g}", *("; ".join(each) for each in cells)))
    head = ("lambda", "attention on the listed words", "texts that unattended words decide")
    least = min(row["found"]["accuracy"] for row in rows)
    return f"{table((*head, 'answer'), lines)}\n\nAccuracy is {brief(least, 3)} or more everywhere."


# --- what to show instead -------------------------------------------------------------------------


def words_of(name: str | None) -> str:
    """What a measure is called."""
    from attn_audit.findings.measure import measure

    return "none" if name is None else measure(name).words


def recommended() -> str:
    """For trained models, by two samples."""

    def cells(found: Any) -> list[str]:
        tied, again = " and ".join(map(words_of, found["tied"])), found["again"]
        is_same = again["shown"] == found["shown"]
        return [
            words_of(found["shown"]) + (f" (tied: {tied})" if tied else ""),
            *(both(found[name]) for name in ("removes", "attention", "random")),
            ranged(found["more"]),
            str(found["judged"]),
            f"{'the same' if is_same else words_of(again['shown'])}; {again['judged']}",
        ]

    rows = measured("recommended")
    found = [row["found"] for row in rows]
    same = sum(each["again"]["shown"] == each["shown"] for each in found)
    none = sum(each["shown"] is None for each in found)
    integrated, left_out = (
        sum(name in each["passed"] for each in found)
        for name in ("integrated_gradients", "leave_one_out")
    )
    head = ("shown instead", "removes", "attention", "random order", "more than attention", "texts")
    return (
        f"{by_name(rows, (*head, 'by the second sample; texts'), cells)}\n\n"
        f"The second sample shows the same measure for {same} of the {len(rows)} models, and "
        f'{none or "none"} of them got the answer "none". By the first, integrated gradients (102 '
        f"passes) pass in {integrated}, leaving one out in {left_out}."
    )


def orders() -> str:
    """How every measure ranks the words of MiniLM, by two samples."""
    (row,) = measured("orders")
    found, again = row["found"], row["found"]["again"]
    shortest, longest = row["of"]["words"]

    def line(each: Any) -> tuple[str, ...]:
        is_shown = each["measure"] == found["shown"]
        return (
            words_of(each["measure"]) + " (sizes)" * each["by_magnitude"],
            both(each["removes"]),
            ranged(each["over_attention"]),
            ranged(each["over_random"]),
            str(each["passes"]),
            "**shown**" if is_shown else "yes" if each["passed"] else "no",
        )

    of_attention = both(found["attention"]), "-", ranged(found["over_random"]), "1", ""
    of_random = both(found["random"]), "-", "-", "-", ""
    ends = (("attention", *of_attention), ("random order", *of_random))
    shown = next(each for each in again["measures"] if each["measure"] == again["shown"])
    permuted = (" and ".join(map(ranged, each["permuted"])) for each in (found, again))
    head = ("order of", "removes", "more than attention", "more than random", "passes", "passed")
    return (
        f"**{row['name']}**, {row['of']['texts']} texts of {shortest} to {longest} words, of which "
        f"{found['judged']} judge; the head mix was fitted to the {found['fitting']} others"
        f"{' (an earlier run)' if row['is_earlier'] else ''}:\n\n"
        f"{table(head, [*map(line, found['measures']), *ends])}\n\n"
        f"As many other texts ({again['judged']} judge) show {words_of(again['shown'])}: it "
        f"removes {both(shown['removes'])}, attention {both(again['attention'])}, random order "
        f"{both(again['random'])}. Fitted to permuted effects, a head mix was "
        f"{' above random order on the first texts, '.join(permuted)} on the others."
    )


def heads() -> str:
    """Each head's tau, as a terminal without colours shows it."""
    from attn_audit.document import Place, Places
    from attn_audit.formats.documents.sites import LEAST_LIMIT
    from attn_audit.formats.terminal.charts import places
    from attn_audit.formats.terminal.style import UNICODE, Look, Shading
    from attn_audit.numbers import signed

    (row,) = measured("heads")
    found = tuple(
        Place(int(layer), head, mean, None, "", signed(mean))
        for layer, means in row["found"]["layers"].items()
        for head, mean in enumerate(means)
    )
    figure = Places("", "", "", (("Mean tau with gradients", "", found),), LEAST_LIMIT)
    lines = places(figure, Look(80, "utf-8", UNICODE, Shading.BARS))
    drawn = "\n".join(line.plain.rstrip() for line in lines)
    on = "in an earlier run" if row["is_earlier"] else f"on {row['of']['texts']} texts of SST"
    return f"Of MiniLM, {on}, on a terminal without colours:\n\n```text\n{drawn}\n```"


MEASURED: dict[str, Callable[[], str]] = {
    "deceiving": deceiving,
    "heads": heads,
    "known truth": known_truth,
    "orders": orders,
    "recommended": recommended,
    "trained": trained,
}
