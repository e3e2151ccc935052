"""The command `segvae prepare`: see segvae_jax/cli/prepare.py."""

from segvae_jax.cli.main import run_script

if __name__ == "__main__":
    run_script("prepare")
