"""The gate: a report held against a policy."""

from attn_audit.gate.judging import judge

__all__ = ["judge"]
