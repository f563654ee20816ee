"""How a report was made, in words: what it takes to get the same numbers again."""

from collections.abc import Iterator

from attn_audit.formats.numbers import count, counted
from attn_audit.formats.sentences import findings
from attn_audit.results.description import ModelDescription
from attn_audit.results.report import RecordsFile, Report, Settings


def made_with(report: Report) -> tuple[tuple[str, str], ...]:
    """Settings, versions, hashes, records and time: headings and what belongs to them.

    Args:
        report: Any report.
    """
    entries = [
        ("Settings", _settings(report.settings)),
        *_model(report.model, report.settings),
        ("Intervals", "95%, over examples: bootstrap or normal for means, Wilson for shares"),
        ("Versions", _versions(report)),
        ("Hashes", f"model {short(report.model.sha256)}, data {short(report.data.sha256)}"),
        ("Records", _records(report)),
    ]
    if report.run is not None:
        entries.append(("Time", f"{report.run.seconds:.1f} s, started {report.run.started}"))
    return tuple(entries)


def short(sha256: str | None) -> str:
    """The first digits of a hash: enough to tell two files apart.

    Args:
        sha256: In hexadecimal; None where there is no file.

    Example:
        >>> short("0123456789abcdef"), short(None)
        ('0123456789ab', 'none')
    """
    return "none" if sha256 is None else sha256[:12]


def _model(model: ModelDescription, settings: Settings) -> Iterator[tuple[str, str]]:
    """How the model was loaded, where that was said, and what trying it out showed."""
    said = (
        f"revision {settings.revision}" if settings.revision else "",
        "running the code that came with it" if settings.trust_remote_code else "",
        f"by {settings.adapter}" if settings.adapter else "",
    )
    if any(said):
        yield "Loaded", "; ".join(filter(None, said))
    if model.findings is not None:
        yield "Tried out", findings.in_short(model.findings)


def _settings(settings: Settings) -> str:
    parts = [f"checks {', '.join(settings.checks)}"]
    if "correlation" in settings.checks:
        parts.append(f"measures {', '.join(settings.measures)}")
    if "permutation" in settings.checks:
        parts.append(f"{count(settings.permutations)} permutations")
    if "adversarial" in settings.checks:
        searched = f"{count(settings.iterations)} iterations, {settings.restarts} restarts"
        parts.append(f"adversary {settings.method} ({searched} where it searches)")
    if set(settings.checks) - {"correlation"}:
        parts.append(f"epsilon {settings.epsilon:g}")
    parts += [
        f"seed {settings.seed}",
        f"batch size {settings.batch_size}",
        f"{settings.device}, {counted(settings.threads, 'thread')}",
    ]
    return "; ".join(parts)


def _versions(report: Report) -> str:
    libraries = (f"{name} {version}" for name, version in report.tool.libraries.items())
    return ", ".join((f"{report.tool.name} {report.tool.version}", *libraries))


def _records(report: Report) -> str:
    if report.records is None:
        return "not written"
    examples = f"{_file(report.records)}, one for each example"
    sites = report.records.sites
    return examples if sites is None else f"{examples}; {_file(sites)}, one for each at each site"


def _file(records: RecordsFile) -> str:
    return f"{records.path} (sha256 {short(records.sha256)})"
