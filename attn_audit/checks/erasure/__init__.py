"""Erasure: units are left out in the order of rankings, each set of them once."""
