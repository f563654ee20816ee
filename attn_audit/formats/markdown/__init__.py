"""The report as Markdown, for a comment on a pull request or the summary of a CI job."""

from attn_audit.formats.markdown.report import render

__all__ = ["render"]
