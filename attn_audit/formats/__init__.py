"""The output formats, one a file: each has a `render` that takes a report and judges nothing."""
