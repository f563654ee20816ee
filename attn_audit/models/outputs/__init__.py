"""The kinds of outputs that an audit knows, one a file."""
