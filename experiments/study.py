"""A user study: which of two pictures looks more real?

    python -m experiments.study A_DIR B_DIR --out=study.html
    python -m experiments.study --votes=votes_1.json --votes=votes_2.json

The first command writes a page with pairs of pictures from two folders. They are PNG files; index maps with a
palette are shown in colour. The page needs no other file and no network. Voters open it, choose, save their votes as
a JSON file and send that file back. The second command prints how often the pictures from A_DIR were preferred, with
an exact confidence interval.

The pairs, their order and their sides are random and depend on --seed. Neither the page nor the votes name a folder:
the seed and the number of pairs determine which side shows which folder.
"""

from pathlib import Path

from absl import flags
from rich.console import Console

from experiments.study_page import write_study
from experiments.study_votes import count_votes, preference, read_votes
from segvae_jax.cli.script import run_user_script
from segvae_jax.errors import ConfigError


def main(argv: list[str]) -> None:
    """Writes a page or counts votes."""
    folders, console = argv[1:], Console()
    if len(folders) != (0 if flags.FLAGS.votes else 2):
        raise ConfigError("expected two folders, A_DIR B_DIR, or --votes=FILE and no folder")
    if folders:
        study = write_study(flags.FLAGS.out, *folders, pairs=flags.FLAGS.pairs, seed=flags.FLAGS.seed)
        message = f"wrote {Path(flags.FLAGS.out)}: {study.pairs} pairs, seed {study.seed}, study {study.name}"
    else:
        message = preference(*count_votes([read_votes(path) for path in flags.FLAGS.votes])).line()
    console.print(message, highlight=False, soft_wrap=True, markup=False)


if __name__ == "__main__":
    flags.DEFINE_string("out", "study.html", "The HTML file to write.")
    flags.DEFINE_integer("pairs", 50, "Maximum number of pairs to compare.", lower_bound=1)
    flags.DEFINE_integer(
        "seed", 0, "Seed for the choice of pairs, their order and their sides.", lower_bound=0, upper_bound=2**31 - 1
    )
    flags.DEFINE_multi_string("votes", [], "A file that a voter saved. Repeat the flag for several files.")
    run_user_script(main)
