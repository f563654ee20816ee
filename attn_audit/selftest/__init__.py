"""Models whose truth is built in, and whether the packaged rules see it."""
