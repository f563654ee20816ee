"""What is said of every kind of result: one file a check, and one a document."""
