"""Typed results: records, summaries, reports. Nothing here shows or judges."""
