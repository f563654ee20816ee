"""From the records of an audit, some at a time, to its report and the user's records files."""

import tempfile
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from attn_audit.reporting.recording import Recording, RecordsPaths
from attn_audit.reporting.report import build_report
from attn_audit.results.examples import Examples
from attn_audit.results.record import Record
from attn_audit.results.report import DataDescription, RecordsFile, Report
from attn_audit.results.subject import Subject

Found = tuple[Sequence[Record], Sequence[Record]]
"""Records of some examples, in order, and those of their other sites."""


def sum_up(
    subject: Subject,
    found: Iterable[Found],
    files: RecordsPaths,
    report: Path | None = None,
    records_file: RecordsFile | None = None,
    timing: AbstractContextManager[None] | None = None,
) -> Report:
    """Keep records as they come, and sum them up.

    Args:
        subject: What was audited, and how.
        found: Consumed to its end.
        files: The records files that the user asked for.
        report: Where the report will be, which names the records files relative to it.
        records_file: Of records that were written before.
        timing: Entered for the summing up itself.

    Returns:
        The report without its times.

    Raises:
        OutputError: A records file cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="attn-audit-") as folder:
        spool = Path(folder) / "records.parquet"
        with Recording(
            spool,
            files,
            n_logits=subject.n_logits,
            is_multilabel=subject.is_multilabel,
            seed=subject.settings.seed,
        ) as recording:
            for records, site_records in found:
                recording.add(records, site_records)
        with timing or nullcontext():
            examples = Examples(spool, subject.model.labels, subject.model.task)
            return build_report(
                examples,
                tool=subject.tool,
                model=subject.model,
                data=_counted(subject.data, len(examples), recording),
                settings=subject.settings,
                self_checks=subject.self_checks,
                telling=recording.telling,
                sampled=recording.sampled,
                sites=recording.sites,
                n_failed=recording.n_failed,
                records_file=records_file or files.describe(report),
            )


def _counted(data: DataDescription, n_examples: int, recording: Recording) -> DataDescription:
    counts = {
        "n_examples": n_examples,
        "n_failed": recording.n_failed,
        "n_labelled": recording.n_labelled,
        "n_truncated": recording.n_truncated,
        "n_readout_deleted": recording.n_readout_deleted,
    }
    return data.model_copy(update=counts)
