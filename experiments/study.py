"""A user study: which of two pictures looks more real?

    python -m experiments.study A_DIR B_DIR --out=study.html
    python -m experiments.study --votes=votes_1.json --votes=votes_2.json

The first makes a page from two folders of PNG pictures, or index maps with a palette, which are shown in colour. It
needs no other file and no network: voters open it, choose, and hand back the JSON file that it lets them save. The
second says how often pictures of A_DIR were preferred, with an exact interval.

Pairs, their order and sides are drawn from --seed. Neither page nor votes name a folder: which side was whose
follows from seed and number of pairs alone.
"""

from pathlib import Path

from absl import flags
from rich.console import Console

from experiments.study_page import write_study
from experiments.study_votes import count_votes, preference, read_votes
from segvae_jax.cli.script import run_user_script
from segvae_jax.errors import ConfigError

_OUT = flags.DEFINE_string("out", "study.html", "The page to write.")
_PAIRS = flags.DEFINE_integer("pairs", 50, "How many to compare, at most.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of pairs, order and sides.", lower_bound=0, upper_bound=2**31 - 1)
_VOTES = flags.DEFINE_multi_string("votes", [], "File that a voter saved; may be given several times.")


def main(argv: list[str]) -> None:
    """Makes a page, or counts votes."""
    folders, console = argv[1:], Console()
    if len(folders) != (0 if _VOTES.value else 2):
        raise ConfigError("expected two folders, A_DIR B_DIR, or --votes=FILE and no folder")
    if folders:
        study = write_study(_OUT.value, *folders, pairs=_PAIRS.value, seed=_SEED.value)
        told = f"wrote {Path(_OUT.value)}: {study.pairs} pairs, seed {study.seed}, study {study.name}"
    else:
        told = preference(*count_votes([read_votes(path) for path in _VOTES.value])).line()
    console.print(told, highlight=False, soft_wrap=True, markup=False)


if __name__ == "__main__":
    run_user_script(main)
