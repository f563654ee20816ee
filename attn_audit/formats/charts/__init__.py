"""The paper's figures, one definition a file, for the page and as files.

Importing this imports Altair: only what draws does so.
"""

from pathlib import Path

from attn_audit.formats.charts import (
    jsd,
    jsd_by_weight,
    output_change,
    sites,
    tau_by_class,
    tau_pairs,
    writing,
)
from attn_audit.formats.charts.figure import Figure
from attn_audit.results.report import Report

FIGURES: tuple[Figure, ...] = (
    tau_pairs.FIGURE,
    tau_by_class.FIGURE,
    output_change.FIGURE,
    jsd.FIGURE,
    jsd_by_weight.FIGURE,
    sites.FIGURE,
)
"""In the order in which a reader meets them."""


def write_figures(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write every figure that the report has data for, as PNG, SVG and PDF.

    Args:
        report: Any report.
        folder: Made if it does not exist; files of the same names are replaced.

    Returns:
        The files, in the order of the figures.

    Raises:
        OutputError: The folder cannot be made, or a file cannot be written.
    """
    return writing.write_figures(report, folder, FIGURES)
