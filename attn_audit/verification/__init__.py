"""Checking a report again: its witnesses, its numbers, its summaries."""
