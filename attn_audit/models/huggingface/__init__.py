"""HuggingFace models: loading, tokens and labels."""
