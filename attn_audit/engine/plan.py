"""What an audit computes, and in which portions."""

from dataclasses import dataclass, field

from attn_audit.checks.base import Check
from attn_audit.engine.batch_limits import BatchLimits
from attn_audit.models.base import Site

SHARD_SIZE = 2000
"""Examples that are in memory together, at most."""


@dataclass(frozen=True)
class Plan:
    """What is computed, and how much of it at once."""

    checks: tuple[Check, ...]
    sites: tuple[Site, ...]
    """The audited one, then those that stand beside it, each with its own records."""
    seed: int
    limits: BatchLimits = field(default_factory=BatchLimits)
    shard_size: int = SHARD_SIZE
    records_failures: bool = False
    """Whether an example that fails becomes a record that says so; else it ends the audit."""
