"""Training the paper's models: from examples to a checkpoint that can be audited."""

from attn_audit.models.paper.training.loop import train
from attn_audit.models.paper.training.result import EpochResult, TrainedModel
from attn_audit.models.paper.training.settings import Precision, TrainingSettings
from attn_audit.models.paper.training.splitting import Splits, hold_out, read_splits

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
