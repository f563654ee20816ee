"""Logits of texts with units deleted: of any units, and of every single one in turn."""
