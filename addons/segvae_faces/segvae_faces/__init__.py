"""Checkpoints of faces, which segvae_jax finds by their names. LICENSE allows non-commercial research and education."""
