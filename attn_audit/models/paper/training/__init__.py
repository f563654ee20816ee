"""Training the paper's models: from examples to a checkpoint that can be audited."""
