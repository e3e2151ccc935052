"""The command `segvae generate`: see segvae_jax/cli/generate.py."""

from segvae_jax.cli.main import run_script

if __name__ == "__main__":
    run_script("generate")
