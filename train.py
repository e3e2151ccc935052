"""The command `segvae train`: see segvae_jax/cli/train.py."""

from segvae_jax.cli.main import run_script

if __name__ == "__main__":
    run_script("train")
