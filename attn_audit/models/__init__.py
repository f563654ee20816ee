"""Models that can be audited: the contract and the ways to fulfil it."""
