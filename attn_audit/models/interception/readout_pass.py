"""Passes of which behind the last attention only the row that is read out is computed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
from attn_audit.models.interception.row_attention import (
    Projections,
    RowAttention,
    projections_of,
)
from attn_audit.models.interception.survey import Survey
from attn_audit.models.interception.ways import behind, handed_out, only

ROUNDING = 100
"""Spacings of the dtype that are rounding."""

MAX_ERROR = 1e-3
"""Of what the texts of a trial differ by: where rounding is coarser, a trial proves nothing."""


@dataclass(frozen=True)
class ReadoutPass:
    """Most of the last layer's arithmetic is spared: rows that nothing reads."""

    classifier: Classifier
    found: Survey
    projections: Projections | None = None
    """Of the last attention, where they need not be run."""

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
        index, _ = rows_by_rule(self.found.rule, point.real_rows(inputs, inputs.n_positions))
        at = index[:, 0]
        row = RowAttention(at, self.projections)
        mode = Interception(
            len(inputs),
            lambda *seen: None,
            wanted=[point.number],
            sight=self.found.sight,
            product=row.product,
        )
        with (
            row.without_projections(),
            kept_outputs(script.finished) as outputs,
            handed_out(follower, lambda: mode.n_seen > point.number) as received,  # layers share it
            mode.active(),
        ):
            self.classifier.logits(inputs)
        mixtures = only(received, inputs)
        rows = torch.arange(len(inputs), device=at.device)
        mixture = mixtures[rows, at].unsqueeze(1)
        logits = behind(self.classifier, point, outputs, inputs, at, mixture)
        if not bool(logits.isfinite().all()):  # something reads the projections that were not run
            raise UnknownLayoutError
        return logits

    @torch.no_grad()
    def proved(self, trial: Sequence[ModelInputs]) -> "ReadoutPass | None":
        """The cheapest one that gives what the whole module does, by a trial; None: there is none.

        Raises:
            MemoryError: There is not enough memory for the trial.
        """
        if self.found.rule not in ONE_ROW:
            return None
        whole = torch.cat([self.classifier.logits(inputs) for inputs in trial])
        for candidate in self._candidates(trial[0]):
            try:
                found = torch.cat([candidate._logits(inputs) for inputs in trial])
            except (MemoryError, torch.OutOfMemoryError):
                raise
            except Exception:  # a model may fail in any way when calls are skipped
                continue
            if are_equal(found, whole):
                return candidate
        return None

    def _candidates(self, inputs: ModelInputs) -> Iterator["ReadoutPass"]:
        point = self.found.points[self.found.default]
        try:
            found = projections_of(self.classifier, point, self.found.sight, inputs)
            yield replace(self, projections=found)
        except UnknownLayoutError:
            pass
        yield self


def are_equal(found: Logits, expected: Logits) -> bool:
    """Whether logits are the same as far as rounding goes."""
    effect = float((expected.amax(dim=0) - expected.amin(dim=0)).max())
    spacing = torch.finfo(expected.dtype).eps * float(expected.abs().max())
    gap = float((found - expected).abs().max())
    return gap <= min(ROUNDING * spacing, MAX_ERROR * effect)
