"""Training the paper's models: from examples to a checkpoint that can be audited."""

from attn_audit.models.paper.training.examples import Splits, hold_out, read_splits
from attn_audit.models.paper.training.loop import TrainedModel, train
from attn_audit.models.paper.training.scoring import EpochResult
from attn_audit.models.paper.training.settings import Precision, TrainingSettings

__all__ = [
    "EpochResult",
    "Precision",
    "Splits",
    "TrainedModel",
    "TrainingSettings",
    "hold_out",
    "read_splits",
    "train",
]
