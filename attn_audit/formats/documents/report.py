"""The report of an audit as a document: the answers first, how it was made last."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath

from attn_audit.document import (
    Block,
    Card,
    Cell,
    Details,
    Document,
    Facts,
    Figure,
    Glance,
    Paragraph,
    Section,
    Table,
)
from attn_audit.findings.check import TARGET, CheckFindings, naming_target
from attn_audit.findings.measure import GRADIENT_NOISE, PROBABILITY_NOISE
from attn_audit.findings.performance import ACCURACY
from attn_audit.findings.registry import checks
from attn_audit.findings.tolerance import HALF_PRECISION
from attn_audit.formats.documents import (
    definitions,
    example,
    performance,
    recommendation,
    sites,
    verdict,
)
from attn_audit.formats.documents import model as models
from attn_audit.numbers import count, counted, number, percent, scientific, short
from attn_audit.results.model_description import LONG_TEXTS, ModelDescription
from attn_audit.results.report import DataDescription, RecordsFile, Report, SelfCheck, Settings
from attn_audit.results.verdict import Answer, Recommendation, Verdict
from attn_audit.settings import TEXTS_IN_WORDS
from attn_audit.statistics.summary import Distribution

QUESTION = "May its attention weights be shown as the reason for its predictions?"

NOTE = (
    "[low, high]: 95% interval over the examples.",
    "Tau 1: the same order, 0: unrelated, -1: reversed.",
    "Agreement with other measures is not by itself faithfulness, and that other attention gives "
    "the same output does not make the model's own wrong.",
)
"""Before and after what is said of the target; tau where there is one."""


def document(report: Report, judged: Verdict | None = None) -> Document:
    """Everything that is said of an audit, and what a policy says of it, where one was named."""
    data, alone = report.data, _instead_alone(report)
    source = report.model.source
    name = PurePath(source).name if source.startswith(("/", ".", "~")) else source
    of = f"{name}: " if report.title else ""
    answer = None if report.answer is None else verdict.answered(report.answer, judged)
    return Document(
        kind="Attention audit",
        title=report.title or name,
        subject=f"{of}{report.model.architecture}, on {counted(data.n_examples, 'example')} of "
        f"{data.name}",
        made=_made(report),
        question=_question(report) if alone is None else recommendation.QUESTION,
        answer=answer if alone is None else recommendation.conclusion(alone),
        outcome=None if judged is None else verdict.outcome(judged),
        sections=tuple(_sections(report, judged)),
    )


def _made(report: Report) -> str:
    """When, by what and by whom, and of what exactly."""
    started = "" if report.run is None else report.run.started.partition("T")[0]
    by = f"{report.tool.name} {report.tool.version}"
    hashes = (("model", report.model.digest), ("data", report.data.sha256))
    of = (f"{name} {short(sha256)}" for name, sha256 in hashes if sha256 is not None)
    return ", ".join(filter(None, (started, by, report.author and f"by {report.author}", *of)))


def _sections(report: Report, judged: Verdict | None) -> Iterator[Section]:
    answer, layers, layer = _answer_by_rules(report), report.layers, report.settings.layer
    yield _glance(report, judged)
    if answer is not None:
        yield verdict.answer_section(answer)
    if layers is not None and layers.shares:
        yield models.shares_section(layers, layer)
    if report.recommendation is not None:
        costs = None if report.run is None else report.run.costs
        yield recommendation.section(report.recommendation, report.head_mix, costs)
    if report.labels:
        yield verdict.labels_section(report.labels)
    yield performance.section(report)
    yield from (check.section(report) for check in _measured(report))
    if layers is not None:
        yield models.leverage_section(layers, layer, is_chosen=report.data.n_choosing > 0)
    if report.sites:
        yield sites.section(report)
    if (examples := example.section(report)) is not None:
        yield examples
    yield Section("made", "How it was made", (Facts(made_with(report)), *_degenerate(report)))
    yield definitions.section()


def _glance(report: Report, judged: Verdict | None) -> Section:
    answer, notices = _answer_by_rules(report), list[Block]()
    if judged is not None:
        is_told = answer is not None and judged.judgements == answer.judgements
        notices.append(verdict.notice(judged, is_told=is_told))
    missing = [f.check for f in checks() if f.is_default and not report.has(f.check)]
    interval, tau, caveat = NOTE
    of_tau = f" {tau}" if report.has("correlation") else ""
    note = f"{interval}{of_tau} {target(report.settings)} {caveat}"
    if missing:
        has_attention = report.model.no_attention_because is None
        why = "Not run" if has_attention else "Not to be run where no attention is seen"
        note += f" {why}: {', '.join(missing)}."
    decisive, others = _parted(report)
    blocks: tuple[Block, ...] = (
        *notices,
        Glance(decisive, others, note),
        Details("What was audited", (Facts(audited(report)),)),
    )
    return Section("glance", "In short", blocks)


def _answer_by_rules(report: Report) -> Answer | None:
    """None where no rule tells anything: without attention there is nothing to ask of."""
    answer = report.answer
    has_rules = answer is not None and answer.judgements and _instead_alone(report) is None
    return answer if has_rules else None


def _instead_alone(report: Report) -> Recommendation | None:
    """What to show instead, where nothing was run that could say whether attention may be shown."""
    if report.model.no_attention_because is not None:
        return None
    judgements = () if report.answer is None else report.answer.judgements
    asked = {judgement.check for judgement in judgements if judgement.level.decides}
    return None if asked & set(report.settings.checks) else report.recommendation


def _question(report: Report) -> str:
    label = report.settings.explain_label
    if label is None:
        return QUESTION
    return naming_target(f"May its attention weights be shown as the reason for {TARGET}?", label)


def cards(report: Report) -> tuple[Card, ...]:
    """The model first, then every check that was run, then layers and heads."""
    site = _site(report)
    return (
        performance.card(report),
        *(
            replace(check.card(report), site=site if check.is_of_sites else "")
            for check in _measured(report)
        ),
        *([sites.card(report)] if report.sites else []),
    )


def _site(report: Report) -> str:
    """Whose attention the checks are about, in a few words; of the only one there is, nothing."""
    layer, head = report.settings.layer, report.settings.head
    if layer is None or (len(report.model.layers) == 1 and report.model.layers[layer].n_heads == 1):
        return ""
    return f"layer {layer}, {'heads averaged' if head is None else f'head {head}'}"


def _parted(report: Report) -> tuple[tuple[Card, ...], tuple[Card, ...]]:
    """Those whose check decided the answer, and the others."""
    shown = {card.id: card for card in cards(report)}
    if report.answer is None:
        return (), tuple(shown.values())
    decisive = []
    for check in report.answer.deciding_checks:
        card = shown.pop(performance.CARD if check == ACCURACY.check else check, None)
        if card is not None:
            picture = verdict.deciding_numbers(report.answer, check) or card.picture
            decisive.append(replace(card, picture=picture))
    return tuple(decisive), tuple(shown.values())


def _measured(report: Report) -> list[CheckFindings]:
    return [found for found in checks() if report.has(found.check)]


def figures(report: Report) -> tuple[Figure, ...]:
    """The pictures of all checks, in the order in which a reader meets them."""
    found = [check.section(report) for check in _measured(report)]
    found += [sites.section(report)] if report.sites else []
    return tuple(b for section in found for b in section.blocks if isinstance(b, Figure))


def _degenerate(report: Report) -> Iterator[Block]:
    """The examples about which a check says nothing, or less, counted by reason."""
    if not report.degenerate:
        yield Paragraph("Degenerate examples: none, every check says something of every example.")
        return
    checks = tuple(dict.fromkeys(entry.check for entry in report.degenerate))
    counts = {(entry.meaning, entry.check): entry.n for entry in report.degenerate}
    rows: list[tuple[Cell, ...]] = []
    for meaning in dict.fromkeys(entry.meaning for entry in report.degenerate):
        found = (counts.get((meaning, check)) for check in checks)
        rows.append((meaning, *("-" if n is None else count(n) for n in found)))
    yield Table(
        ("", *checks),
        tuple(rows),
        title="Degenerate examples: a check says nothing of them, or less",
        note="Counted here, never averaged in. An example can have several reasons.",
    )


OWN = "Every check explains the model's own prediction, right or wrong, never the gold label."

UNFINISHED = "The audit is not finished: these are the examples so far."


def audited(report: Report) -> tuple[tuple[str, str], ...]:
    """What was audited: headings and what belongs to them."""
    model, data, settings = report.model, report.data, report.settings
    layer = settings.layer
    # numbers of half the precision, or twice, are worth a word: they decide what can be told
    precision = "" if model.dtype == "float32" else f" in {model.dtype}"
    size = f"; {counted(model.n_parameters, 'parameter')}{precision}" if model.n_parameters else ""
    found = model.findings
    batches = "" if found is None or found.sharing == "texts" else models.batching(found)
    what = f"{settings.unit}s"
    if settings.prompt is not None:
        what += f" of {{{settings.audited or 'text'}}}"
    elif model.takes_pairs:
        named = (words for name, words in TEXTS_IN_WORDS.items() if name == settings.audited)
        what += f" of {next(named, TEXTS_IN_WORDS['first'])}"
    entries = (
        ("Model", f"{model.architecture}{size}"),
        ("", model.source),
        ("Precision", _unresolved(model.dtype)),
        ("Task", models.task(model)),
        ("Asked", models.asked(model)),
        ("Data", _data(data, settings)),
        ("Unfinished", "" if data.is_complete else UNFINISHED),
        ("Left out", left_out(data)),
        ("Failed", failed(data)),
        ("Units", f"{what}: {_lengths(report.n_units)}{_truncated(data, settings)}"),
        ("Long texts", _windows(report)),
        ("Attention", audited_attention(report)),
        ("Leaving out", str(model.details.get("left out", ""))),
        ("Sight", "" if layer is None or not model.layers else models.sight(model.layers[layer])),
        ("Batches", batches),
        ("Self-check", self_checked(report.self_checks) if report.self_checks else ""),
        ("Target", target(settings)),
    )
    return tuple((name, text) for name, text in entries if text)


def _unresolved(dtype: str) -> str:
    """What numbers of half the precision cannot tell apart; of others nothing needs to be said."""
    if dtype not in HALF_PRECISION:
        return ""
    coarser = HALF_PRECISION[dtype]
    return (
        f"{dtype}: probabilities that are less than {number(PROBABILITY_NOISE * coarser, 4)} "
        f"apart, and gradients less than {percent(GRADIENT_NOISE * coarser)} of the largest, are "
        "equal within rounding, and rank alike; float32 tells more apart"
    )


def target(settings: Settings) -> str:
    """What the checks explain."""
    if settings.explain_label is None:
        return OWN
    return naming_target(
        f"Gradients, margins and decisions are those of {TARGET}, whatever is predicted; output "
        "distances are of the whole output.",
        settings.explain_label,
    )


def _ignored(settings: Settings) -> str:
    named = " and ".join(f"{name}s" for name in settings.ignore_field)
    return f"; {named} of the data not read" if named else ""


def _data(data: DataDescription, settings: Settings) -> str:
    split = f", split {data.split}" if data.split else ""
    sample = "" if data.limit is None else f" (at most {count(data.limit)} drawn at random)"
    examples = counted(data.n_examples, "example")
    return f"{data.name}{split}: {examples}, {_labelled(data)}{sample}{_ignored(settings)}"


def left_out(data: DataDescription) -> str:
    """How many rows of the data were not audited, reason by reason; nothing where all were."""
    if not data.left_out or data.n_rows is None:
        return ""
    more = {rows.fault: ", ..." * (rows.n > len(rows.first)) for rows in data.left_out}
    reasons = "; ".join(
        f"{count(rows.n)} {rows.meaning} ({', '.join(rows.first)}{more[rows.fault]})"
        for rows in data.left_out
    )
    return f"{counted(data.n_left_out, 'row')} of {count(data.n_rows)}: {reasons}"


def failed(data: DataDescription) -> str:
    """How many examples could not be audited; nothing where all could."""
    if data.n_failed == 0:
        return ""
    return (
        f"{counted(data.n_failed, 'example')} of {count(data.n_read)} could not be audited, and "
        "count for nothing below: the records say why"
    )


def _labelled(data: DataDescription) -> str:
    if data.n_labelled == 0:
        return "without labels"
    if data.n_labelled == data.n_examples:
        return "all labelled"
    return f"{count(data.n_labelled)} of them labelled"


def _lengths(n_units: Distribution) -> str:
    median = n_units.median
    if median is None or n_units.minimum is None or n_units.maximum is None:
        return "no example"
    span = f"{number(n_units.minimum, 0)} to {number(n_units.maximum, 0)}"
    return f"{median:g} at the median ({span})"


def _truncated(data: DataDescription, settings: Settings) -> str:
    if data.n_truncated == 0:
        return ""
    limit = "" if settings.max_length is None else f" at {counted(settings.max_length, 'token')}"
    return f"; {counted(data.n_truncated, 'example')} truncated{limit}"


def _windows(report: Report) -> str:
    how = report.model.details.get(LONG_TEXTS)
    if how is None:
        return ""
    n = report.data.n_windowed
    return f"{counted(n, 'example')} {how}" if n else "none: every example was read at once"


def audited_attention(report: Report) -> str:
    """The audited site: `layer 5 of 0-5 (bert...self), 12 heads averaged, read out at ...`."""
    model, settings = report.model, report.settings
    if model.no_attention_because is not None:
        return f"none is seen: {model.no_attention_because}"
    if model.findings is None:
        return "; ".join(model.sites)
    read = "every query row" if settings.rows == "all" else models.readout(model.findings)
    assert settings.layer is not None
    layer, last = model.layers[settings.layer], len(model.layers) - 1
    place = f"layer {settings.layer} of 0-{last}" if last else "the only layer"
    audited = f"{place} ({layer.name}), {_heads(layer.n_heads, settings.head)}, {read}"
    return audited + (f"; {_chosen(report)}" if report.data.n_choosing else "")


def _chosen(report: Report) -> str:
    """By what the layer was chosen, in how many of the texts that are not judged."""
    found, others = report.layers, counted(report.data.n_choosing, "other text")
    if found is None:
        return f"the last one, since {others} tell no layers apart"
    if (reach := found.chosen.reach) is None:
        by = f"most leverage, in {found.n_texts} of them (reach could not be measured)"
    else:
        by = f"most reach, in {reach.n} of them"
    return f"chosen on {others}: {by}"


def _heads(n_heads: int, head: int | None) -> str:
    if n_heads == 1:
        return "one head"
    return f"{n_heads} heads averaged" if head is None else f"head {head} of 0-{n_heads - 1}"


def self_checked(checks: Sequence[SelfCheck]) -> str:
    """What was found to hold, with the largest deviation of each; an error of 0 is no news.

    Example:
        >>> sums = SelfCheck(name="rows sum to 1", error=1.2e-7, tolerance=1e-5, passed=True)
        >>> self_checked([sums])
        'passed: rows sum to 1 (1e-7)'
    """
    verdict = "passed" if all(check.passed for check in checks) else "failed"
    named = (f"{c.name} ({scientific(c.error)})" if c.error else c.name for c in checks)
    return f"{verdict}: {', '.join(named)}"


def made_with(report: Report) -> tuple[tuple[str, str], ...]:
    """Settings, versions, hashes, records and time: headings and what belongs to them."""
    tool = report.tool
    libraries = {tool.name: tool.version, **tool.libraries}
    versions = (f"{name} {version}" for name, version in libraries.items())
    plugins = ", ".join(f"{name} ({short(of)})" for name, of in tool.plugins.items())
    entries = [
        ("Settings", _settings(report)),
        *_loaded(report.model, report.settings),
        ("Intervals", "95%, over examples: bootstrap or normal for means, Wilson for shares"),
        ("Versions", ", ".join(versions)),
        *([("Plugins", plugins)] if plugins else []),
        ("Model hash", report.model.digest or "none"),
        ("Data hash", report.data.sha256 or "none"),
        ("Records", _records(report)),
    ]
    if report.run is not None:
        entries.append(("Time", f"{report.run.seconds:.1f} s, started {report.run.started}"))
    return tuple(entries)


def _loaded(model: ModelDescription, settings: Settings) -> Iterator[tuple[str, str]]:
    """How the model was loaded, where that was said, and what trying it out showed."""
    said = (
        f"revision {settings.revision}" if settings.revision else "",
        "running the code that came with it" if settings.trust_remote_code else "",
        f"by {settings.adapter}" if settings.adapter else "",
        f"attention by {settings.attention_implementation}"
        if settings.attention_implementation
        else "",
    )
    if any(said):
        yield "Loaded", "; ".join(filter(None, said))
    if model.findings is not None:
        yield "Tried out", models.tried_out(model)


def _settings(report: Report) -> str:
    settings = report.settings
    parts = [f"checks {', '.join(settings.checks)}"]
    if "correlation" in settings.checks:
        parts.append(f"measures {', '.join(settings.correlated)}")
    if settings.shown:
        parts.append(f"shown scores {', '.join(settings.shown)}")
    if "permutation" in settings.checks:
        parts.append(f"{count(settings.permutations)} permutations")
    if "adversarial" in settings.checks:
        searched = f"{count(settings.iterations)} iterations, {settings.restarts} restarts"
        parts.append(f"adversary {settings.method} ({searched} where it searches)")
    if "replacement" in settings.checks:
        parts.append(f"layers replaced: {settings.replace_layers}")
    if "erasure" in settings.checks:
        judged = report.recommendation.candidates if report.recommendation else ()
        of = f" of {', '.join(each.measure for each in judged)}" if judged else ""
        parts.append(f"erasure{of} in {counted(settings.erasure_sample, 'text')} at most")
    if {"permutation", "adversarial"} & set(settings.checks):
        parts.append(f"epsilon {settings.epsilon:g}")
    parts += [
        f"seed {settings.seed}",
        f"batch size {settings.batch_size}",
        f"{settings.device}, {counted(settings.threads, 'thread')}",
    ]
    return "; ".join(parts)


def _records(report: Report) -> str:
    if report.records_file is None:
        return "not written"
    examples = f"{_file(report.records_file)}, one for each example"
    sites = report.records_file.sites
    return examples if sites is None else f"{examples}; {_file(sites)}, one for each at each site"


def _file(records: RecordsFile) -> str:
    return f"{records.path} (sha256 {short(records.sha256)})"
