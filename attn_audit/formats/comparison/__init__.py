"""A comparison of two reports, one file a format: each has `render(comparison)`."""
