"""What is audited, and what people are shown: one kind a file."""
