"""Checkpoints of the authors' release."""
