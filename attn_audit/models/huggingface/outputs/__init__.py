"""What is audited of what a module gives: a file for each kind."""
