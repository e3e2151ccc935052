"""The command `segvae translate`: see segvae_jax/cli/translate.py."""

from segvae_jax.cli.main import run_script

if __name__ == "__main__":
    run_script("translate")
