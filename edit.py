"""The command `segvae edit`: see segvae_jax/cli/edit.py."""

from segvae_jax.cli.main import run_script

if __name__ == "__main__":
    run_script("edit")
