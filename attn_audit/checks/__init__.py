"""The faithfulness checks, one a file, written once against the contract of a model."""
