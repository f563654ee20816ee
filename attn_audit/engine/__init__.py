"""How an audit is carried out: the use case, and everything between it and the checks."""
