"""Checking a report again: its witnesses, its numbers, its summaries.

How far each kind of number may be off is one table, `attn_audit/findings/tolerance.py`: the fields
of records name it beside what they are.
"""
