"""How a report was made, in words: what it takes to get the same numbers again."""

from attn_audit.formats.numbers import count
from attn_audit.results.report import Report, Settings


def made_with(report: Report) -> tuple[tuple[str, str], ...]:
    """Settings, versions, hashes, records and time: headings and what belongs to them.

    Args:
        report: Any report.
    """
    entries = [
        ("Settings", _settings(report.settings)),
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
        f"{settings.device}, {settings.threads} threads",
    ]
    return "; ".join(parts)


def _versions(report: Report) -> str:
    libraries = (f"{name} {version}" for name, version in report.tool.libraries.items())
    return ", ".join((f"{report.tool.name} {report.tool.version}", *libraries))


def _records(report: Report) -> str:
    if report.records is None:
        return "not written"
    return f"{report.records.path}, one for each example (sha256 {short(report.records.sha256)})"
