"""A user's own PyTorch module behind the contract, by an adapter that the user writes."""
