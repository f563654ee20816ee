"""The use case: scores that a product shows, held against people and each other without a model."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Int

from attn_audit.data.example import Example
from attn_audit.data.skipped_rows import SkippedRows
from attn_audit.data.spans import Scores, overlap
from attn_audit.engine.inputs import AuditedData
from attn_audit.errors import BadRowError, ConfigurationError, Fault, RowError
from attn_audit.findings.measure import shown_measure
from attn_audit.models.units import words_in
from attn_audit.numbers import counted
from attn_audit.quoting import quoted
from attn_audit.results.answers import Plausible, ShownField, ShownPair, ShownScores
from attn_audit.settings import AuditSettings
from attn_audit.statistics.intervals import Resamples, distribution_of
from attn_audit.statistics.kendall import dense_ranks, kendall_tau_of_ranks
from attn_audit.statistics.rankings import Agreement, agreement, expected_agreement

Ranks = Int[np.ndarray, " word"]


def compare_shown(settings: AuditSettings) -> ShownScores:
    """Say how fields of scores agree with what people marked, and with each other.

    Words are the units. Scores for other units than these need spans.

    Raises:
        DataError: The data cannot be read; or a row cannot, and none may be left out.
        ConfigurationError: A field has no scores, or there is nothing to hold them against.
    """
    data, left_out = AuditedData.of(settings), SkippedRows()
    texts = list(_texts(data.dataset.examples(left_out), settings.shown, left_out))
    if (left_out.n_bad and settings.on_bad_row == "stop") or not texts:
        raise left_out.error(data.dataset.name)
    for name in settings.shown:
        if not any(name in text.came for text in texts):
            raise ConfigurationError(f"--shown {name}: no row of the data has scores there")
    is_marked = any(text.n_marked for text in texts)
    if len(settings.shown) < 2 and not is_marked:
        raise ConfigurationError(
            f"--shown {settings.shown[0]}: there is nothing to hold these scores against",
            hint="Name another field of scores, or with --rationale-field what people marked.",
        )
    resamples = Resamples(settings.seed)
    several = [text for text in texts if text.n_words > 1]
    marked = [text for text in several if text.n_marked]
    chance = [expected_agreement(text.n_words, text.n_marked) for text in marked]
    return ShownScores(
        data=settings.data_in_words,
        sha256=data.dataset.fingerprint(),
        n_texts=len(texts),
        n_single=len(texts) - len(several),
        n_marked=len(marked),
        left_out=tuple(left_out.lines()),
        seed=settings.seed,
        fields=tuple(_of_field(name, several, resamples) for name in settings.shown),
        by_chance=_plausible(chance, None, resamples),
        pairs=tuple(
            _of_pair(one, other, several, resamples)
            for one, other in combinations(settings.shown, 2)
        ),
    )


@dataclass(frozen=True)
class _Text:
    """A text, and how each field that came with it ranks its words."""

    marked: Bool[np.ndarray, " word"]
    came: frozenset[str]
    ranks: dict[str, Ranks] = field(default_factory=dict)
    """Of the fields that rank them at all."""

    @property
    def n_words(self) -> int:
        return len(self.marked)

    @property
    def n_marked(self) -> int:
        return int(self.marked.sum())


def _texts(
    examples: Iterable[Example], fields: Sequence[str], left_out: SkippedRows
) -> Iterator[_Text]:
    for example in examples:
        words = words_in(example.text)
        marked = [any(overlap(word, span) for span in example.rationale) for word in words]
        text = _Text(np.array(marked), frozenset(example.shown))
        try:
            for name, scores in example.shown.items():
                of_words = np.array([_of_words(example, name, scores, words)])
                # Scores that differ by no more than rounding are ties, as in an audit.
                noise = shown_measure(name).noise * np.abs(of_words).max(axis=1)
                (ranks,) = dense_ranks(of_words, np.array([len(words)]), noise)
                if ranks.max() > 0:
                    text.ranks[name] = ranks
        except BadRowError as error:
            left_out.add(error, example.where)
        else:
            yield text


def _of_words(
    example: Example, name: str, scores: Scores, words: Sequence[tuple[int, int]]
) -> tuple[float, ...]:
    if not scores.fit(len(words)):
        found = counted(len(scores.by_unit or ()), "score")
        raise RowError(
            example.where,
            f"{quoted(name)} of example {quoted(example.id)} holds {found}, and the text has "
            f"{counted(len(words), 'word')}",
            hint="Without a model words are the units: give one for each, or spans "
            "[start, end, score].",
            fault=Fault.WRONG_SCORES,
        )
    return scores.of_units(words)


def _of_field(name: str, texts: Sequence[_Text], resamples: Resamples) -> ShownField:
    ranked = [text for text in texts if name in text.ranks]
    marked = [text for text in ranked if text.n_marked]
    found = [agreement(text.ranks[name], text.marked) for text in marked]
    chance = [expected_agreement(text.n_words, text.n_marked) for text in marked]
    n_came = sum(name in text.came for text in texts)
    return ShownField(
        field=name,
        n=len(ranked),
        n_absent=len(texts) - n_came,
        n_constant=n_came - len(ranked),
        plausible=_plausible(found, chance, resamples),
    )


def _plausible(
    found: Sequence[Agreement], chance: Sequence[Agreement] | None, resamples: Resamples
) -> Plausible | None:
    """None where there is no text."""
    if not found:
        return None
    gap = None if chance is None else np.array(found)[:, 0] - np.array(chance)[:, 0]
    auprc, f1, iou = (distribution_of(values, resamples) for values in np.array(found).T)
    return Plausible(
        auprc=auprc,
        token_f1=f1,
        iou=iou,
        gap=None if gap is None else distribution_of(gap, resamples),
    )


def _of_pair(one: str, other: str, texts: Sequence[_Text], resamples: Resamples) -> ShownPair:
    both = [(text.ranks[one], text.ranks[other]) for text in texts if {one, other} <= {*text.ranks}]
    taus = [kendall_tau_of_ranks(a[None], b[None], np.array([len(a)])).tau.item() for a, b in both]
    # Of the first words of either, the part that are the first of both.
    first = [(a == a.max(), b == b.max()) for a, b in both]
    same_top = [float((a & b).sum() / (a | b).sum()) for a, b in first]
    return ShownPair(
        first=one,
        second=other,
        tau=distribution_of(np.array(taus), resamples),
        same_top=distribution_of(np.array(same_top), resamples),
    )
