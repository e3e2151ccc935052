"""The command `segvae export`: see segvae_jax/cli/export.py."""

from segvae_jax.cli.main import run_script

if __name__ == "__main__":
    run_script("export")
