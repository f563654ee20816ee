"""What a policy says of a comparison as SARIF 2.1.0: one result a bound, at the new model."""

from attn_audit.formats.sarif import log
from attn_audit.results.comparison import Comparison
from attn_audit.version import __version__


def render(comparison: Comparison) -> str:
    """The same log as a report's.

    Args:
        comparison: With a verdict.
    """
    assert comparison.verdict is not None, "the registry asks for a policy"
    sides = (comparison.new, comparison.base)
    # Two releases may lie at the same place; SARIF names each thing once.
    artifacts = list(dict.fromkeys((side.model, side.model_sha256) for side in sides))
    return log(comparison.verdict, artifacts, version=__version__)
