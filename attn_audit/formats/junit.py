"""What a policy says of a report as JUnit XML: one test case a bound, for any CI system.

A bound that fails is a failure; one that is inconclusive an error: the question could not be
answered, and the build must not pass on it. A waived one is skipped, so that it is seen and stops
nothing. A warning passes, and says what it warns of.
"""

from collections import Counter
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from attn_audit.formats.documents.verdict import Standing, explained, found, name, standing, wanted
from attn_audit.quoting import xml
from attn_audit.results.report import Report
from attn_audit.results.verdict import Comparison, Judgement, Verdict

TOOL = "attn-audit"

_ELEMENTS = {Standing.FAILED: "failure", Standing.INCONCLUSIVE: "error", Standing.WAIVED: "skipped"}


def render(judged: Report | Comparison, verdict: Verdict) -> str:
    """One test suite with one test case for each bound."""
    kinds = Counter(standing(judgement) for judgement in verdict.judgements)
    counts = {
        "tests": str(len(verdict.judgements)),
        "failures": str(kinds[Standing.FAILED]),
        "errors": str(kinds[Standing.INCONCLUSIVE]),
    }
    root = Element("testsuites", _written({"name": TOOL, **counts}))
    named = {"name": f"{TOOL}: policy {verdict.policy}", **counts}
    run = judged.run if isinstance(judged, Report) else None
    timed = {} if run is None else {"timestamp": run.started}
    suite = _add(root, "testsuite", named | {"skipped": str(kinds[Standing.WAIVED])} | timed)
    properties = _add(suite, "properties", {})
    judged_by = {"policy": verdict.policy, "policy_sha256": verdict.policy_sha256}
    answer = {} if verdict.answer is None else {"answer": verdict.answer.said}
    facts = {**answer, **_facts(judged), **judged_by, "outcome": verdict.outcome.value}
    for name_, value in facts.items():
        _add(properties, "property", {"name": name_, "value": value})
    for judgement in verdict.judgements:
        _add_case(suite, judgement)
    indent(root)
    declared: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return f"{declared.decode('utf-8')}\n"


def _facts(judged: Report | Comparison) -> dict[str, str]:
    if isinstance(judged, Comparison):
        base, new = judged.base, judged.new
        return {
            "base": base.model,
            "base_sha256": base.model_sha256 or "none",
            "new": new.model,
            "new_sha256": new.model_sha256 or "none",
            "data": new.data,
        }
    return {
        "model": judged.model.source,
        "model_sha256": judged.model.digest or "none",
        "data": judged.data.name,
        "data_sha256": judged.data.sha256 or "none",
    }


def _add(parent: Element, tag: str, attributes: dict[str, str], text: str | None = None) -> Element:
    """An element whose text XML can hold, whoever wrote it."""
    element = SubElement(parent, tag, _written(attributes))
    element.text = None if text is None else xml(text)
    return element


def _written(attributes: dict[str, str]) -> dict[str, str]:
    return {name: xml(value) for name, value in attributes.items()}


def _add_case(suite: Element, judgement: Judgement) -> None:
    """A bound, grouped under its check; what asks for the whole, under `report`."""
    named = {
        "name": f"{name(judgement)} {wanted(judgement)}",
        "classname": f"{TOOL}.{judgement.check or 'report'}",
    }
    case = _add(suite, "testcase", named)
    kind = standing(judgement)
    message = f"{found(judgement)}, asked for {wanted(judgement)}"
    if kind in _ELEMENTS:
        text = f"{judgement.definition} {explained(judgement)}"
        _add(case, _ELEMENTS[kind], {"type": kind.value, "message": message}, text)
    else:
        said = "" if kind is Standing.PASSED else f"{kind.value}: "
        _add(case, "system-out", {}, f"{said}{message}. {explained(judgement)}")
