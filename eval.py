"""Scores a checkpoint on held-out maps: python eval.py --checkpoint=DIR --fid

Prints a table and writes scores.json. `--fid` adds the FID in Inception features, for which
`--inception_weights` names the file pt_inception-2015-12-05-6726825d.pth.
"""

from segvae_jax.huge_pages import restart_with_huge_pages

if __name__ == "__main__":
    restart_with_huge_pages()  # before the imports that take seconds

from pathlib import Path

from absl import flags
from rich.console import Console

from segvae_jax.errors import ConfigError
from segvae_jax.evaluation.evaluate import evaluate, write_scores
from segvae_jax.evaluation.report import print_table
from segvae_jax.scripts import run_user_script

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "The --workdir of a training run.", required=True)
_STEP = flags.DEFINE_integer("step", None, "Saved step; the latest if not given.")
_DATA = flags.DEFINE_string("data", None, "Prepared data set; that of training if not given.")
_FID = flags.DEFINE_bool("fid", False, "Report the FID in Inception features as well.")
_WEIGHTS = flags.DEFINE_string("inception_weights", None, "With --fid: the weights of the FID Inception network.")
_MAX_TEST = flags.DEFINE_integer("max_test", 2_000, "Held-out maps to compare with, at most.", lower_bound=5)
_MAX_TRAIN = flags.DEFINE_integer("max_train", 5_000, "Training maps to search for copies, at most.", lower_bound=5)
_SEED = flags.DEFINE_integer("seed", 0, "Of sampling and resampling.", lower_bound=0, upper_bound=2**31 - 1)
_OUT = flags.DEFINE_string("out", None, "JSON file; scores.json in the checkpoint if not given.")


def main(argv: list[str]) -> None:
    """Evaluates."""
    del argv
    if _WEIGHTS.value and not _FID.value:
        raise ConfigError("--inception_weights is for the FID: give --fid as well")
    console = Console()
    with console.status("loading") as status:
        result = evaluate(
            _CHECKPOINT.value,
            step=_STEP.value,
            data=_DATA.value,
            max_test=_MAX_TEST.value,
            max_train=_MAX_TRAIN.value,
            inception_weights=_WEIGHTS.value,
            seed=_SEED.value,
            progress=lambda line: status.update(line),
        )
    print_table(result, console, fid=_FID.value)
    out = Path(_OUT.value or Path(_CHECKPOINT.value) / "scores.json")
    write_scores(out, result)
    console.print(f"wrote {out}", highlight=False)


if __name__ == "__main__":
    run_user_script(main)
