"""Opens a page for drawing and editing maps in a browser: python demo.py [--checkpoint=DIR]

Needs the extra `demo` (pip install -e '.[demo]'). The page works without a connection to the internet, and sends
nothing anywhere. What is drawn from is compiled first; the address is printed as soon as answers are fast.
"""

from segvae_jax.allocator import restart_with_allocator

if __name__ == "__main__":
    restart_with_allocator()  # before the imports that take seconds

from absl import flags

from segvae_jax.app.serving import serve
from segvae_jax.cli.script import run_user_script

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", "cartoon", "The --workdir of a training run, an import, or a shipped one: cartoon or fashion."
)
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen at; 0.0.0.0 lets other machines in.")
_PORT = flags.DEFINE_integer("port", 7860, "Port to listen at.", lower_bound=1, upper_bound=65535)


def main(argv: list[str]) -> None:
    """Serves the page until it is interrupted."""
    del argv
    serve(_CHECKPOINT.value, _HOST.value, _PORT.value)


if __name__ == "__main__":
    run_user_script(main)
