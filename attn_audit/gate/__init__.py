"""The gate: a report held against a policy."""

from attn_audit.gate.judging import judge, require_bounds

__all__ = ["judge", "require_bounds"]
