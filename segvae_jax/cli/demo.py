"""Opens a page for generating and editing maps in a browser: segvae demo [--checkpoint=DIR ...]

Needs the extra `demo` (pip install -e '.[demo]'). The page works without a connection to the internet, and sends
nothing anywhere. If the checkpoint has a translator, maps can be seen as pictures. The address is printed once maps can
be generated; edits and pictures are compiled after that.
"""

from collections.abc import Sequence

from absl import flags

from segvae_jax.cli.script import checkpoint_help

_SEVERAL = "Can be given several times; the page also offers the shipped checkpoints, and those of installed add-ons."
_TRANSLATOR = "Checkpoint of a translator, for pictures of the maps of the first --checkpoint; its own if not given."


def define_flags(own: flags.FlagValues, words: Sequence[str]) -> None:
    """Defines the flags in `own`."""
    flags.DEFINE_multi_string("checkpoint", ["cartoon"], f"{checkpoint_help()} {_SEVERAL}", own)
    flags.DEFINE_string("translator", None, _TRANSLATOR, own)
    flags.DEFINE_string("host", "127.0.0.1", "Address to listen at; 0.0.0.0 lets other machines in.", own)
    flags.DEFINE_integer("port", 7860, "Port to listen at.", 1, 65535, own)


def main(given: flags.FlagValues) -> None:
    """Serves the page until it is interrupted."""
    from segvae_jax.app.serving import serve
    from segvae_jax.translation import Translator

    translator = Translator.load(given.translator) if given.translator else None
    serve(given.checkpoint, given.host, given.port, translator)
