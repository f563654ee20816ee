"""How a unit is left out of a text: one kind a file."""
