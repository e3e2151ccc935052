"""Metrics of sets of maps: pure functions of NumPy arrays."""
