"""When a training has learnt what it will."""

from collections.abc import Sequence

from attn_audit.models.paper.training.result import EpochResult

PERFECT = 1.0


def should_stop(epochs: Sequence[EpochResult], patience: int) -> bool:
    """Whether neither dev score nor dev loss has been better than ever before for too long.

    The score decides which epoch is kept. The loss says whether something is still being learnt:
    on question answering it falls for many epochs before the first answers are right.

    Args:
        epochs: All epochs so far.
        patience: How many epochs may pass without either.

    Returns:
        True also if the score cannot get better.
    """
    if not epochs:
        return False
    scores = [epoch.dev_score for epoch in epochs]
    losses = [epoch.dev_loss for epoch in epochs]
    last_progress = max(scores.index(max(scores)), losses.index(min(losses)))
    return max(scores) >= PERFECT or len(epochs) - 1 - last_progress >= patience
