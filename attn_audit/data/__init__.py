"""Reading data sets: examples from files, folders and hubs, one at a time."""
