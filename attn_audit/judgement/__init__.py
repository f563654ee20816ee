"""A report, or the change between two, held against a policy."""
