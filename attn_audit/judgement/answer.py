"""The answer: may this attention be shown to people as the reason for predictions?

Always by the packaged rules, never by a policy, and without any waiver.
"""

from collections.abc import Collection, Sequence
from typing import Any

from attn_audit.findings.attended import DECIDER, HARDLY_ATTENDED, UNATTENDED
from attn_audit.findings.check import TARGET, naming_target
from attn_audit.findings.example import UNITS, places
from attn_audit.findings.permutation import REACH
from attn_audit.findings.rule import Outcome, outcome_of
from attn_audit.findings.thresholds import HALF_OF_BEST, LEAST_REACH
from attn_audit.judgement.gate import examples_needed, judge
from attn_audit.judgement.policy import Bound, Policy, load_policy
from attn_audit.numbers import count, counted, exact, number, percent, short, with_interval
from attn_audit.results.model_description import SiteLeverage
from attn_audit.results.report import Report
from attn_audit.results.verdict import N_NAMED, Answer, CountedUnit, Judgement, Level, MayShow

MAX_UNITS = 5
"""Of those that decide without attention, named in the answer."""

OFTEN = 0.1
"""Part of the texts that the first of them decides, from which on another one is named."""

MAX_LAYERS = 3
"""Of those at which attention matters, named in the answer."""


def answer_of(report: Report) -> Answer:
    """Hold a report against the packaged rules."""
    rules, instead = load_policy(), report.recommendation
    named = f"{rules.version} ({short(rules.sha256)})"
    if report.model.no_attention_because is not None:  # no rule can be held against it
        why = report.model.no_attention_because
        return Answer(
            verdict=MayShow.UNKNOWN,
            sentence=f"There is no attention to show, as far as can be seen: {why}.",
            because=(),
            show_instead=None if instead is None else instead.show_instead,
            instead="" if instead is None else instead.short,
            rules=named,
            judgements=(),
        )
    judgements = judge(report, rules).judgements
    verdict, because = _decide(judgements, [bound.metric for bound in rules.bounds])
    reach = next((j for j in judgements if j.metric == REACH.name), None)
    elsewhere: tuple[SiteLeverage, ...] = ()
    if reach is not None and reach.estimate is not None and reach.outcome is not Outcome.PASS:
        elsewhere = _where_it_matters(report)
        if reach.outcome is Outcome.FAIL:  # the other rules are about what hardly matters
            is_known = report.layers is not None or len(report.model.layers) == 1
            verdict = MayShow.NO if is_known and not elsewhere else MayShow.UNKNOWN
            because = [reach]
    is_unattended = UNATTENDED.name in {judgement.metric for judgement in because}
    units = _deciding(report) if is_unattended and verdict is MayShow.NO else ()
    instead = None if verdict is MayShow.YES else instead
    return Answer(
        verdict=verdict,
        sentence=_sentence(report, rules, verdict, because, judgements)
        + _at_layers(report, elsewhere),
        because=tuple(dict.fromkeys(judgement.metric for judgement in because)),
        units=units,
        layers=tuple(site.layer for site in elsewhere if site.layer is not None),
        show_instead=None if instead is None else instead.show_instead,
        instead="" if instead is None else instead.short,
        rules=named,
        judgements=judgements,
    )


def _decide(
    judgements: Sequence[Judgement], names: Collection[str]
) -> tuple[MayShow, list[Judgement]]:
    """What the rules make of it, and which of them decided.

    Args:
        names: Metrics of the rules; the other judgements are of requirements.
    """
    broken = [j for j in judgements if j.level.decides and j.outcome is Outcome.FAIL]
    if broken:
        return MayShow.NO, broken
    left = [j for j in judgements if j.level.decides and j.outcome is Outcome.INCONCLUSIVE]
    if left:
        return MayShow.UNKNOWN, left
    doubted = [j for j in judgements if j.level is Level.HINT and j.outcome is not Outcome.PASS]
    if doubted:
        return MayShow.HINT, doubted
    return MayShow.YES, [j for j in judgements if j.metric in names]


def _where_it_matters(report: Report) -> tuple[SiteLeverage, ...]:
    """Layers beside the audited one, or all together, that are not known to hardly matter."""
    found = report.layers
    if found is None:
        return ()
    others = [site for site in found.layers if site.layer != report.settings.layer]
    order = sorted(others, key=lambda site: (site.matters.share or 0.0, site.margin), reverse=True)
    return tuple(site for site in (*order, found.together) if not _hardly_matters(site))


def _hardly_matters(site: SiteLeverage) -> bool:
    share, interval = site.matters.share, site.matters.interval
    if share is None or interval is None:
        return False
    return outcome_of("min", LEAST_REACH, share, interval) is Outcome.FAIL


def _at_layers(report: Report, elsewhere: Sequence[SiteLeverage]) -> str:
    """Which layer to look at, where the audited one hardly matters or much less than another."""
    if elsewhere:
        seen = [site for site in elsewhere if site.matters.count][:MAX_LAYERS]
        if not seen:  # too few texts to tell
            return ""
        return f" {_capital('; '.join(map(_cut_off, seen)))}.{_advice(report, seen[0].layer)}"
    found, layer = report.layers, report.settings.layer
    if found is None or layer is None or report.data.n_choosing:  # a layer that was chosen stands
        return ""
    here, best = found.layers[layer], found.best
    if here.margin >= HALF_OF_BEST * best.margin or _hardly_matters(best):
        return ""
    return (
        f" {_capital(_cut_off(best))}, and {percent(here.matters.share or 0.0)} at the audited "
        f"layer {here.layer}."
    )


def _advice(report: Report, best_layer: int | None) -> str:
    if best_layer is None:
        return ""
    if report.data.n_choosing:  # a choice is not made again on the texts that are judged
        return (
            f" {counted(report.data.n_choosing, 'other text')} chose layer "
            f"{report.settings.layer}: more texts would tell which matters more."
        )
    return f" Audit that one: --layer {best_layer}."


def _cut_off(site: SiteLeverage) -> str:
    where = "in all layers together" if site.layer is None else f"at layer {site.layer}"
    return (
        f"cutting attention off {where} turns the decision, or makes the model surer or less sure "
        f"by half, in {percent(site.matters.share or 0.0)} of {counted(site.matters.n, 'text')}"
    )


def _sentence(
    report: Report,
    rules: Policy,
    verdict: MayShow,
    because: Sequence[Judgement],
    judgements: Sequence[Judgement],
) -> str:
    label = report.settings.explain_label
    reason = "the reason" if label is None else naming_target(f"the reason for {TARGET}", label)

    def clause_of(judgement: Judgement, *, passes: bool | None = None) -> str:
        bound = bounds[judgement.metric, judgement.level]
        return naming_target(_clause(bound, judgement, passes=passes), label)

    bounds = {(bound.metric, bound.level): bound for bound in rules.bounds}
    first = because[0]
    if verdict is MayShow.UNKNOWN and first.metric == REACH.name and first.outcome is Outcome.FAIL:
        clause = _capital(clause_of(first))
        known = "" if report.layers else " Whether other layers matter is not known."
        return f"{clause}: do not show this layer's attention as {reason}.{known}"
    match verdict:
        case MayShow.NO:
            clause = clause_of(first)
            if first.metric == REACH.name:
                first_words = "This output hardly depends on attention"
                return f"{first_words}: {clause}. Do not show it as {reason}."
            named = _named(_deciding(report)) if first.metric == UNATTENDED.name else ""
            return f"{_capital(clause)}{named}. Do not show attention as {reason}."
        case MayShow.UNKNOWN:
            bound = bounds.get((first.metric, first.level))
            also = _also_open(because, rules)
            hints = [j for j in judgements if j.level is Level.HINT and j.outcome is Outcome.FAIL]
            until = f"as {reason} before that is known"
            if hints:  # more texts cannot make it a Yes
                until = (
                    f"before that is known, and then at most as where the model looked, not as "
                    f"{reason}: {'; '.join(map(clause_of, hints))}"
                )
            before = f"{also}Do not show attention {until}."
            if bound is None or first.estimate is None:
                return f"{first.reason} {before}"
            clause = _capital(clause_of(first, passes=True))
            held = outcome_of(bound.direction, bound.limit, first.estimate, first.interval)
            if held is Outcome.INCONCLUSIVE:
                most = exact(bound.limit, is_share=bound.measured.is_share)
                why = f"{clause}, and the limit is {most}: {_undecided(first)}."
            else:
                why = f"{clause}. {first.reason}"
            return f"{why} {before}"
        case MayShow.HINT:
            clause = "; ".join(map(clause_of, because))
            return f"Attention may be shown as where the model looked, not as {reason}: {clause}."
        case MayShow.YES:
            clause = " and ".join(map(clause_of, because[:N_NAMED]))
            return f"Attention may be shown as {reason}: {clause}.{_limit(because)}"


def _undecided(judged: Judgement) -> str:
    """That the texts do not decide, and how many would."""
    needed = examples_needed(judged)
    if needed is None:
        return "these texts cannot decide, and many more hardly would: it is all but on the limit"
    return f"these texts cannot decide; about {count(needed)} would, if the number stays"


def _also_open(because: Sequence[Judgement], rules: Policy) -> str:
    """The other rules that are open; none is named where it is the whole report that decides none.

    They are named as the table of all rules names them.
    """
    first, *others = because
    names = {bound.metric for bound in rules.bounds} - {first.metric}
    also = list(dict.fromkeys(j.metric for j in others if j.metric in names))
    if first.check is None or not also:
        return ""
    are = "is" if len(also) == 1 else "are"
    return f"{counted(len(also), 'other rule')} {are} open as well: {', '.join(also)}. "


def _limit(because: Sequence[Judgement]) -> str:
    """What has to be said beside attention that may be shown."""
    interval = next((j.interval for j in because if j.metric == UNATTENDED.name), None)
    if interval is None:
        return ""
    most = percent(interval.high)
    return f" Say beside it that {HARDLY_ATTENDED} may decide up to {most} of the texts."


def _clause(bound: Bound, judgement: Judgement, *, passes: bool | None = None) -> str:
    """What a rule found, with its number and interval."""
    if judgement.estimate is None:
        return judgement.reason.rstrip(".")
    is_passed = judgement.outcome is Outcome.PASS if passes is None else passes
    words = bound.passes if is_passed else bound.fails
    assert words is not None, "packaged rules have both"
    write = percent if bound.measured.is_share else number
    found = with_interval(judgement.estimate, judgement.interval, write)
    return words.replace("{number}", found)


def _deciding(report: Report) -> tuple[CountedUnit, ...]:
    """The units that decide without attention, but for those that do so far less often."""
    units = report.unattended_units
    most = max((unit.n for unit in units), default=0)
    return tuple(unit for unit in units if unit.n >= OFTEN * most)[:MAX_UNITS]


def without_units(answer: Answer) -> Answer:
    """The same, without the words that it quotes."""
    sentence = answer.sentence.replace(_named(answer.units), "")
    return answer.model_copy(update={"sentence": sentence, "units": ()})


def without_texts(report: Report) -> Report:
    """The same without a word of the texts, and without its records, which hold them."""
    if report.settings.no_texts:
        return report

    def hidden(record: dict[str, Any]) -> dict[str, Any]:
        return record | {UNITS.name: places(len(record[UNITS.name])), DECIDER.name: None}

    of_labels = (
        each.model_copy(update={"answer": without_units(each.answer)}) for each in report.labels
    )
    return report.model_copy(
        update={
            "settings": report.settings.model_copy(update={"no_texts": True}),
            "answer": None if report.answer is None else without_units(report.answer),
            "labels": tuple(of_labels),
            "unattended_units": (),
            "telling_examples": tuple(
                telling.model_copy(update={"record": hidden(telling.record)})
                for telling in report.telling_examples
            ),
            "sampled_examples": tuple(map(hidden, report.sampled_examples)),
            "records_file": None,
        }
    )


def _named(units: Sequence[CountedUnit]) -> str:
    """The units that decide, and in how many texts."""
    if not units:
        return ""
    first, *others = units
    said = (
        f"{first.unit!r} in {counted(first.n, 'text')}",
        *(f"{unit.unit!r} in {count(unit.n)}" for unit in others),
    )
    return f" ({', '.join(said)})"


def _capital(clause: str) -> str:
    return clause[:1].upper() + clause[1:]
