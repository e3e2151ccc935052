"""Experiments, one file each; `segvae_jax.configs` is a link to this folder, so that they come with the package."""
