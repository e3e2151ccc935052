"""The command `segvae demo`: see segvae_jax/cli/demo.py."""

from segvae_jax.cli.main import run_script

if __name__ == "__main__":
    run_script("demo")
