"""A comparison as JSON, for programs."""

from attn_audit.results.comparison import Comparison


def render(comparison: Comparison) -> str:
    """The whole comparison, the verdict on it included.

    Args:
        comparison: Any comparison.
    """
    return comparison.to_json()
