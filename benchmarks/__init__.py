"""Benchmarks of training and generation, compared with a PyTorch implementation and the project's targets."""
