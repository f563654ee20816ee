"""What a measure speaks for: the prediction on the full text, on two scales."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from attn_audit.distances import Logits
from attn_audit.models.margin import Margin
from attn_audit.models.task import Task, log_odds


@dataclass(frozen=True)
class Target:
    """What is predicted of each text of a batch; of several labels those that are audited."""

    task: Task
    margin: Margin

    @staticmethod
    def of(task: Task, logits: Logits) -> "Target":
        """That of these logits, of the full texts."""
        return Target(task, Margin.of(task, logits))

    def log_odds(self, logits: Logits) -> Float[Tensor, " batch"]:
        """Of what was predicted on the full text, whatever these logits predict; differentiable.

        Of several labels the mean over the audited ones, of each with the sign that it has.
        """
        if self.task.is_softmax:
            return log_odds(logits, self.margin.own)
        return self._mean(logits)

    def output(self, outputs: Float[Tensor, "batch output"]) -> Float[Tensor, " batch"]:
        """The model's own output for it, which does not fall where another's rises."""
        if self.task.n_logits == 1 and outputs.shape[1] == 2:
            return outputs.gather(1, (self.margin.sign > 0).long()).squeeze(1)
        if self.task.is_softmax:
            return outputs.gather(1, self.margin.own).squeeze(1)
        return self._mean(outputs)

    def _mean(self, logits: Logits) -> Float[Tensor, " batch"]:
        parts = self.margin.sign * self.margin.share
        return (logits.double().gather(1, self.margin.own) * parts).sum(dim=1)
