"""What a policy says of a report as SARIF 2.1.0: one result a bound, for code scanning.

A bound that fails, or is inconclusive, is an error: neither may look as if it had passed, as the
kind `open` would, which must have the level `none`; `properties.outcome` tells them apart. A
warning is a warning. A waived one keeps its level, and is suppressed for the waiver's reason. One
that holds is of the kind `pass`.
"""

import hashlib
import json
from typing import Any
from urllib.parse import quote

from attn_audit import __version__
from attn_audit.formats.documents.verdict import Standing, explained, found, name, standing, wanted
from attn_audit.quoting import printable
from attn_audit.results.report import Report
from attn_audit.results.verdict import Answer, Comparison, Judgement, Verdict

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def render(judged: Report | Comparison, verdict: Verdict) -> str:
    """One run with a rule for each metric and a result for each bound; of changes at the new model.

    Each artifact is its path or name, and its SHA-256, where it is a file.
    """
    if isinstance(judged, Report):
        model, data, version = judged.model, judged.data, judged.tool.version
        artifacts = [(model.source, model.sha256), (data.name, data.sha256)]
    else:
        sides, version = (judged.new, judged.base), __version__
        # Two releases may lie at the same place; SARIF names each thing once.
        artifacts = list(dict.fromkeys((side.model, side.model_sha256) for side in sides))
    by_name: dict[str, Judgement] = {}
    for judgement in verdict.judgements:
        by_name.setdefault(name(judgement), judgement)
    driver = {
        "name": "attn-audit",
        "version": printable(version),
        "rules": [_rule(judgement) for judgement in by_name.values()],
    }
    places = {named: i for i, named in enumerate(by_name)}
    target = _location(artifacts[0][0])
    run = {
        "tool": {"driver": driver},
        "artifacts": [
            {"location": _location(source), "roles": ["analysisTarget"]}
            | ({} if sha256 is None else {"hashes": {"sha-256": printable(sha256)}})
            for source, sha256 in artifacts
        ],
        "results": [_result(j, places[name(j)], target) for j in verdict.judgements],
        "properties": {
            "policy": printable(verdict.policy),
            "policySha256": printable(verdict.policy_sha256),
            "outcome": verdict.outcome.value,
            **_answer(verdict.answer),
        },
    }
    content = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _answer(answer: Answer | None) -> dict[str, str]:
    if answer is None:
        return {}
    return {"verdict": answer.verdict.value, "answer": printable(answer.said)}


def _rule(judgement: Judgement) -> dict[str, Any]:
    definition = _message(judgement.definition)
    return {
        "id": printable(name(judgement)),
        "shortDescription": definition,
        "fullDescription": definition,
        "help": definition,
        "defaultConfiguration": {"level": _level(judgement)},
    }


def _result(judgement: Judgement, place: int, target: dict[str, Any]) -> dict[str, Any]:
    """A bound; the model as a whole is where it stands."""
    kind = standing(judgement)
    passed = kind is Standing.PASSED
    said = f"{name(judgement)} {kind}: {found(judgement)}, asked for {wanted(judgement)}. "
    result = {
        "ruleId": printable(name(judgement)),
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
    return "error" if judgement.level.decides else "warning"


def _fingerprint(judgement: Judgement) -> str:
    """Tells bounds apart, and knows each again, where all stand at the same place."""
    named = f"{name(judgement)} {judgement.direction}"
    return hashlib.sha256(named.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _location(source: str) -> dict[str, Any]:
    """A path as a reference, whatever stands in it."""
    path = quote(source.encode("utf-8", "backslashreplace"), safe="/")
    return {"uri": f"file://{path}" if path.startswith("/") else path}


def _message(text: str) -> dict[str, str]:
    """Text in which nothing is a placeholder or a link."""
    plain = printable(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")
    return {"text": plain}
