"""What a policy says of a comparison as JUnit XML: one test case a bound."""

from attn_audit.formats.junit import suites
from attn_audit.results.comparison import Comparison


def render(comparison: Comparison) -> str:
    """The same test suite as a report's.

    Args:
        comparison: With a verdict.
    """
    assert comparison.verdict is not None, "the registry asks for a policy"
    base, new = comparison.base, comparison.new
    facts = {
        "base": base.model,
        "base_sha256": base.model_sha256 or "none",
        "new": new.model,
        "new_sha256": new.model_sha256 or "none",
        "data": new.data,
    }
    return suites(comparison.verdict, facts)
