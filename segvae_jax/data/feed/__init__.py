"""Batches of prepared maps for training, on the devices."""
