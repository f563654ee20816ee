"""What a policy says of a report as SARIF 2.1.0: one result a bound, for code scanning.

A bound that fails, or is inconclusive, is an error: neither may look as if it had passed. A warning
is a warning. A waived one keeps its level, and is suppressed for the waiver's reason. One that
holds is of the kind `pass`.
"""

import hashlib
import json
from typing import Any
from urllib.parse import quote

from attn_audit.formats.safety import printable
from attn_audit.formats.sentences.judgements import Standing, explained, found, standing, wanted
from attn_audit.results.report import Report
from attn_audit.results.verdict import Judgement, Level, Verdict

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def render(report: Report, verdict: Verdict) -> str:
    """One run with a rule for each metric and a result for each bound.

    Args:
        report: Any report.
        verdict: What a policy says of it.
    """
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(report, verdict)]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _run(report: Report, verdict: Verdict) -> dict[str, Any]:
    by_metric: dict[str, Judgement] = {}
    for judgement in verdict.judgements:
        by_metric.setdefault(judgement.metric, judgement)
    driver = {
        "name": printable(report.tool.name),
        "version": printable(report.tool.version),
        "rules": [_rule(judgement) for judgement in by_metric.values()],
    }
    places = {metric: i for i, metric in enumerate(by_metric)}
    target = _location(report.model.source)
    return {
        "tool": {"driver": driver},
        "artifacts": [
            _artifact(report.model.source, report.model.sha256),
            _artifact(report.data.name, report.data.sha256),
        ],
        "results": [_result(j, places[j.metric], target) for j in verdict.judgements],
        "properties": {
            "policy": printable(verdict.policy),
            "policySha256": printable(verdict.policy_sha256),
            "outcome": verdict.outcome.value,
        },
    }


def _rule(judgement: Judgement) -> dict[str, Any]:
    definition = _message(judgement.definition)
    return {
        "id": printable(judgement.metric),
        "shortDescription": definition,
        "fullDescription": definition,
        "help": definition,
        "defaultConfiguration": {"level": _level(judgement)},
    }


def _result(judgement: Judgement, place: int, target: dict[str, Any]) -> dict[str, Any]:
    """A bound; the model as a whole is where it stands."""
    kind = standing(judgement)
    passed = kind is Standing.PASSED
    said = f"{judgement.metric} {kind}: {found(judgement)}, asked for {wanted(judgement)}. "
    result = {
        "ruleId": printable(judgement.metric),
        "ruleIndex": place,
        "kind": "pass" if passed else "fail",
        "level": "none" if passed else _level(judgement),
        "message": _message(said + explained(judgement)),
        "locations": [{"physicalLocation": {"artifactLocation": target | {"index": 0},
                                            "region": {"startLine": 1}}}],
        "partialFingerprints": {"primaryLocationLineHash": _fingerprint(judgement)},
        "properties": {"outcome": judgement.outcome.value},
    }  # fmt: skip
    if kind is Standing.WAIVED and (waiver := judgement.waiver) is not None:
        reason = f"{waiver.reason} (until {waiver.expires})"
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": printable(reason)}
        ]
    return result


def _level(judgement: Judgement) -> str:
    return "warning" if judgement.level is Level.WARN else "error"


def _fingerprint(judgement: Judgement) -> str:
    """Tells bounds apart, and knows each again, where all stand at the same place."""
    named = f"{judgement.metric} {judgement.direction}"
    return hashlib.sha256(named.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _artifact(source: str, sha256: str | None) -> dict[str, Any]:
    artifact: dict[str, Any] = {"location": _location(source), "roles": ["analysisTarget"]}
    return artifact if sha256 is None else artifact | {"hashes": {"sha-256": printable(sha256)}}


def _location(source: str) -> dict[str, Any]:
    """A path as a reference, whatever stands in it."""
    path = quote(source.encode("utf-8", "backslashreplace"), safe="/")
    return {"uri": f"file://{path}" if path.startswith("/") else path}


def _message(text: str) -> dict[str, str]:
    """Text in which nothing is a placeholder or a link."""
    plain = printable(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")
    return {"text": plain}
