"""Policies: the bounds that a report, or the change between two, is held against."""
