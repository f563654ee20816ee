"""Passes of which behind the last attention only the row that is read out is computed."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from attn_audit.distances import Logits
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.models.interception.mode import Interception
from attn_audit.models.interception.module_calls import (
    UnexpectedCallError,
    UnknownLayoutError,
    kept_outputs,
)
from attn_audit.models.interception.readout import ONE_ROW, rows_by_rule
from attn_audit.models.interception.survey import Survey
from attn_audit.models.interception.ways import behind, handed_out, only

ROUNDING = 100
"""Spacings of the dtype that are rounding."""

MAX_ERROR = 1e-3
"""Of what the texts of a trial differ by: where rounding is coarser, a trial proves nothing."""


@dataclass(frozen=True)
class ReadoutPass:
    """Half of the last layer's arithmetic and more is spared: rows that nothing reads."""

    classifier: Classifier
    found: Survey

    def logits(self, inputs: ModelInputs) -> Logits:
        """What the module gives, or the module itself where it calls its parts as never before."""
        try:
            return self._logits(inputs)
        except (UnknownLayoutError, UnexpectedCallError):
            return self.classifier.logits(inputs)

    def _logits(self, inputs: ModelInputs) -> Logits:
        point = self.found.points[self.found.default]
        script, follower = point.script, point.follower
        if script is None or follower is None or not point.is_square:
            raise UnknownLayoutError
        mode = Interception(len(inputs), lambda *seen: None, wanted=(), sight=self.found.sight)
        with (
            kept_outputs(script.finished) as outputs,
            handed_out(follower, lambda: mode.n_seen > point.number) as received,  # layers share it
            mode.active(),
        ):
            self.classifier.logits(inputs)
        mixtures = only(received, inputs)
        index, _ = rows_by_rule(self.found.rule, point.real_rows(inputs, inputs.n_positions))
        at = index[:, 0]
        rows = torch.arange(len(inputs), device=at.device)
        return behind(self.classifier, point, outputs, inputs, at, mixtures[rows, at].unsqueeze(1))

    @torch.no_grad()
    def is_exact(self, trial: Sequence[ModelInputs]) -> bool:
        """Whether it gives what the whole module does, by a trial."""
        if self.found.rule not in ONE_ROW:
            return False
        whole = torch.cat([self.classifier.logits(inputs) for inputs in trial])
        try:
            return are_equal(torch.cat([self._logits(inputs) for inputs in trial]), whole)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception:  # a model may fail in any way when calls are skipped
            return False


def are_equal(found: Logits, expected: Logits) -> bool:
    """Whether logits are the same as far as rounding goes."""
    effect = float((expected.amax(dim=0) - expected.amin(dim=0)).max())
    spacing = torch.finfo(expected.dtype).eps * float(expected.abs().max())
    gap = float((found - expected).abs().max())
    return gap <= min(ROUNDING * spacing, MAX_ERROR * effect)
