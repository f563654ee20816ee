"""Comparing two reports: did the new release get worse?"""

from attn_audit.comparison.comparing import compare

__all__ = ["compare"]
