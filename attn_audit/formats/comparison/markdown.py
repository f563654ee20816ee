"""A comparison as Markdown, for a comment on a pull request."""

from collections.abc import Iterator

from attn_audit.formats.markdown.escaping import code, escaped, table
from attn_audit.formats.markdown.verdict import OUTCOMES, verdict_lines
from attn_audit.formats.numbers import difference, number
from attn_audit.formats.sentences import comparison as words
from attn_audit.results.comparison import Change, Comparison

N_SHOWN = 3
"""Most changed examples of each telling number."""


def render(comparison: Comparison) -> str:
    """What changed beyond chance first; everything else folded away.

    Args:
        comparison: Any comparison.
    """
    title = "## Attention audit: new release against base"
    lines = [title, ""]
    if (verdict := comparison.verdict) is not None:
        lines = [f"{title}: {OUTCOMES[verdict.outcome]}", "", *verdict_lines(verdict)]
    lines += [f"- {name}: {escaped(text)}" for name, text in words.compared(comparison)]
    lines += ["", f"**{escaped(words.in_short(comparison))}**", ""]
    changed = [change for change in comparison.changes if words.has_changed(change)]
    if changed:
        lines += [*_table(changed), ""]
    rest = [change for change in comparison.changes if not words.has_changed(change)]
    if rest:
        lines += ["<details><summary>What did not change</summary>", "", *_table(rest), ""]
        lines += ["</details>", ""]
    return "\n".join([*lines, *_examples(comparison)]).rstrip() + "\n"


def _table(changes: list[Change]) -> list[str]:
    headers = ("metric", "base", "new", "change", "d_z")
    return table(headers, [_row(change) for change in changes])


def _row(change: Change) -> tuple[str, ...]:
    effect = "" if change.effect_size is None else difference(change.effect_size, None, 2)
    return (
        code(change.metric),
        number(change.base, 3),
        number(change.new, 3),
        escaped(difference(change.difference, change.interval)),
        escaped(effect),
    )


def _examples(comparison: Comparison) -> Iterator[str]:
    told = [c for c in comparison.changes if c.metric in words.TELLING and c.most_changed]
    if not told:
        return
    yield from ("<details><summary>Examples that changed most</summary>", "")
    for change in told:
        yield f"- {code(change.metric)}"
        for example in change.most_changed[:N_SHOWN]:
            sides = (words.value(change.metric, side) for side in (example.base, example.new))
            text = "" if example.text is None else f": {escaped(example.text)}"
            yield f"  - {code(example.id)}, {escaped(' → '.join(sides))}{text}"
    yield from ("", "</details>")
