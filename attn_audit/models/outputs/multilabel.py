"""Any number of labels, each with its own sigmoid."""

from jaxtyping import Float, Float64
from torch import Tensor

from attn_audit.models.task import Task, TaskKind


class Multilabel(Task):
    """One sigmoid for each label."""

    name = TaskKind.MULTILABEL.value
    is_softmax = False
    is_multilabel = True
    n_labels = (1, None)

    def predictions(self, probabilities: Float[Tensor, "batch label"]) -> list[tuple[str, ...]]:
        """All labels of at least one half, maybe none."""
        chosen = (probabilities >= 0.5).tolist()
        return [
            tuple(name for name, on in zip(self.labels, row, strict=True) if on) for row in chosen
        ]

    def scores(
        self, logits: Float[Tensor, "batch label"]
    ) -> tuple[Float[Tensor, "batch score"], Float64[Tensor, "batch score"]]:
        """Each logit, or that of the explained label, by how much its probability moves with it."""
        if self.explained_index is not None:
            logits = logits[:, self.explained_index, None]
        probability = logits.detach().double().sigmoid()
        return logits, probability * (1 - probability)
