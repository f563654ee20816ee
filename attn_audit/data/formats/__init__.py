"""How rows come out of files: one module for each format, all of them giving `Row`s."""
