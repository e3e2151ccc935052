"""Checkpoints: the model card, saving, loading, and weights in one file."""
