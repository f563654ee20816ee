"""`--explain-label each`: every label in turn, whatever is predicted, by the packaged rules."""

from dataclasses import replace

from attn_audit.engine.run_directory import LABELS as FOLDER
from attn_audit.errors import ConfigurationError
from attn_audit.judgement.policy import load_policy
from attn_audit.models.contract import AuditedModel
from attn_audit.numbers import count
from attn_audit.results.report import Report
from attn_audit.settings import EACH, AuditSettings

LABELS = "each label"
"""What the stage is called."""

MOST_LABELS = 50
"""That are explained in turn: each is an audit of its own, which only the adversary is left out
of."""


def labels_of(model: AuditedModel, settings: AuditSettings) -> tuple[str, ...]:
    """The labels that are explained in turn; none unless that was asked for.

    Raises:
        ConfigurationError: There is one question alone, there are too many, or no check that the
            packaged rules read is run.
    """
    if settings.explain_label != EACH:
        return ()
    labels = model.task.labels
    if model.task.is_one_number:
        raise ConfigurationError(
            f"--explain-label {EACH}: the model gives one number, and what speaks for one label "
            "speaks as much against the other: all names are the same question",
            hint=f"Leave it out, or name one label: --explain-label {labels[-1]}.",
        )
    if len(labels) > MOST_LABELS:
        raise ConfigurationError(
            f"--explain-label {EACH}: the model has {count(len(labels))} labels, and each takes "
            f"about as long as an audit without the adversary; {MOST_LABELS} is the most",
            hint="Name the one that matters: --explain-label NAME.",
        )
    if not answered_by(settings):
        raise ConfigurationError(
            f"--explain-label {EACH}: what is told of each label is the answer of the packaged "
            "rules, and no check that they read is run",
            hint="Add them to --checks: correlation,attended,permutation.",
        )
    return labels


def answered_by(settings: AuditSettings) -> tuple[str, ...]:
    """The checks that the packaged rules read, of those that were asked for."""
    read = {bound.measured.check for bound in load_policy().bounds}
    return tuple(check for check in settings.checks if check in read)


def settings_for(label: str, report: Report, settings: AuditSettings) -> AuditSettings:
    """Those of the audit of a label, at the site that was audited.

    Args:
        report: Of the prediction.
        settings: As the user gave them.
    """
    layer = report.settings.layer
    assert layer is not None, "the rules that labels are answered by need attention"
    head, number = report.settings.head, report.model.labels.index(label)
    folder = None if settings.run_dir is None else f"{settings.run_dir}/{FOLDER}/{number:03}"
    return replace(
        settings,
        explain_label=label,
        checks=answered_by(settings),
        layer=layer,
        head="mean" if head is None else head,
        records=None,
        output=(),
        run_dir=folder,
    )
