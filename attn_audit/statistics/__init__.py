"""Statistics in float64 on NumPy arrays: no torch, no SciPy."""
