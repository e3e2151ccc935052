"""Experiments beside the package: what people see."""
