"""Importance measures that attention is compared with, one a file."""
