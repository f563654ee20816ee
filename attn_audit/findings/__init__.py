"""What a number means: fields of the records, metrics of the report, and what follows."""
