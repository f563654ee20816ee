"""What was audited and how: all of a report but what was found."""

from attn_audit.results.description import ModelDescription
from attn_audit.results.report import DataDescription, Report, SelfCheck, Settings, Tool
from attn_audit.summary import Value


class Subject(Value):
    """Everything that is known of an audit before its first example."""

    tool: Tool
    model: ModelDescription
    data: DataDescription
    """What was counted in it is not known yet."""
    settings: Settings
    self_checks: tuple[SelfCheck, ...]

    @staticmethod
    def of(report: Report) -> "Subject":
        """That of a report.

        Args:
            report: Any report.
        """
        return Subject(**{name: getattr(report, name) for name in Subject.model_fields})

    @property
    def n_logits(self) -> int:
        """Outputs of the model."""
        return 1 if self.model.task == "binary" else len(self.model.labels)

    @property
    def is_multilabel(self) -> bool:
        """Whether labels and predictions are lists."""
        return self.model.task == "multilabel"
