"""Any PyTorch classifier behind the contract, by intercepting its attention."""
