"""Examples that fail: they end the audit, or become records that say so."""

from collections.abc import Sequence

from attn_audit.data.example import Example
from attn_audit.data.quoting import one_line
from attn_audit.engine.batch import Finding, audit_batch, gold_label
from attn_audit.engine.memory import is_out_of_memory
from attn_audit.engine.plan import Plan
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.errors import AttnAuditError, ConfigurationError
from attn_audit.models.base import AuditedModel, Encoded
from attn_audit.results.record import FAILED, Record


def encode_or_record(
    model: AuditedModel, examples: Sequence[Example], plan: Plan
) -> tuple[list[Encoded], dict[int, Finding]]:
    """Examples as the model takes them, and those that it does not take.

    Args:
        model: The model.
        examples: Of a shard.
        plan: Says whether failures are recorded.

    Returns:
        The encoded examples in order, and by index what stands for each of the others.

    Raises:
        AttnAuditError: An example cannot be encoded, and failures are not recorded.
    """
    try:
        return list(model.encode(examples)), {}
    except Exception as error:
        if not _is_recorded(error, plan):
            raise
    encoded: list[Encoded] = []
    failed: dict[int, Finding] = {}
    for i, example in enumerate(examples):
        try:
            encoded += model.encode([example])
        except Exception as error:
            if not _is_recorded(error, plan):
                raise
            failed[i] = _failure(model, example, error)
    return encoded, failed


def audit_or_record(
    model: AuditedModel, batch: Sequence[Encoded], plan: Plan, stopwatch: Stopwatch
) -> list[Finding]:
    """Audit a batch; where it fails, by halves, until the examples are found at which it does.

    Args:
        model: The model.
        batch: Examples of similar length.
        plan: Says whether failures are recorded.
        stopwatch: Gets the time of each stage.

    Raises:
        AttnAuditError: An example fails, and failures are not recorded.
        Exception: Memory is not enough.
    """
    try:
        return audit_batch(model, batch, plan, stopwatch)
    except Exception as error:
        if is_out_of_memory(error) or not _is_recorded(error, plan):
            raise
        if len(batch) == 1:
            return [_failure(model, batch[0].example, error)]
    half = len(batch) // 2
    parts = (batch[:half], batch[half:])
    return [found for part in parts for found in audit_or_record(model, part, plan, stopwatch)]


def _is_recorded(error: Exception, plan: Plan) -> bool:
    """A wrong setting fails at every example: it ends the audit."""
    return plan.records_failures and not isinstance(error, ConfigurationError)


def _failure(model: AuditedModel, example: Example, error: Exception) -> Finding:
    message = error.message if isinstance(error, AttnAuditError) else one_line(error)
    label = gold_label(model.task, example)
    record = Record(id=example.id, label=label, status=FAILED, reason=message)
    return Finding(record, ())
