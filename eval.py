"""The command `segvae eval`: see segvae_jax/cli/eval.py."""

from segvae_jax.cli.main import run_script

if __name__ == "__main__":
    run_script("eval")
