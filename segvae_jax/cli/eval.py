"""Scores generated maps against held-out maps: segvae eval --checkpoint=DIR --fid

Prints a table, and writes scores.json and report.html, a page with pictures, into --out. `--fid` adds the FID in
Inception features, for which `--inception_weights` names the file pt_inception-2015-12-05-6726825d.pth;
`--lpips_weights=alexnet-owt-7be5be79.pth,alex.pth` adds the diversity by LPIPS. `--maps=DIR --data=DIR` scores a
folder of index PNGs from any other generator instead of a checkpoint.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from segvae_jax.cli.script import checkpoint_help
from segvae_jax.errors import ConfigError
from segvae_jax.files import locked, writable_directory

if TYPE_CHECKING:
    import segvae_jax.evaluation.target

_LPIPS = "Weights of LPIPS: the files of AlexNet and of the linear layers."


def define_flags(own: flags.FlagValues, words: Sequence[str]) -> None:
    """Defines the flags in `own`."""
    flags.DEFINE_string("checkpoint", None, checkpoint_help(), own)
    flags.DEFINE_integer("step", None, "Saved step; the latest if not given.", flag_values=own)
    flags.DEFINE_string("maps", None, "Folder of index PNGs to score instead of maps of the checkpoint.", own)
    flags.DEFINE_string("data", None, "Prepared data set; that of the training if not given.", own)
    flags.DEFINE_enum("suite", "quick", ["quick", "all"], "Which scores to compute.", own)
    flags.DEFINE_bool("fid", False, "Report the FID in Inception features as well.", own)
    flags.DEFINE_string("inception_weights", None, "With --fid: the weights of the FID Inception network.", own)
    flags.DEFINE_list("lpips_weights", None, _LPIPS, own)
    flags.DEFINE_integer("max_test", 2_000, "Held-out maps to compare with, at most.", 10, flag_values=own)
    flags.DEFINE_integer("max_train", 5_000, "Training maps to use, at most.", 5, flag_values=own)
    # The next few seeds are used as well.
    flags.DEFINE_integer("seed", 0, "Seed of sampling and resampling.", 0, 2**31 - 10, own)
    flags.DEFINE_string("out", None, "Folder for the report; `evaluation` in the checkpoint, or the maps.", own)


def main(given: flags.FlagValues) -> None:
    """Evaluates."""
    _check(given)
    from rich.console import Console

    from segvae_jax.evaluation.evaluate import evaluate
    from segvae_jax.evaluation.report.gallery import albums
    from segvae_jax.evaluation.report.page import REPORT, write_report
    from segvae_jax.evaluation.report.table import print_table

    console = Console()
    with console.status("loading") as status:
        say = lambda line: status.update(line)
        target, seed = _target(given), given.seed
        out = writable_directory(given.out or Path(given.maps or given.checkpoint) / "evaluation", "--out")
        weights = {"inception_weights": given.inception_weights, "lpips_weights": given.lpips_weights}
        with locked(out):
            result = evaluate(target, suite=given.suite, **weights, seed=seed, progress=say)
            write_report(out, result, target.space, albums(target, seed=seed, progress=say))
    print_table(result, console, fid=given.fid)
    console.print(f"wrote {out}, see {REPORT} in it", highlight=False, soft_wrap=True)


def _check(given: flags.FlagValues) -> None:
    if given.inception_weights and not given.fid:
        raise ConfigError("--inception_weights is for the FID: give --fid as well")
    if given.lpips_weights and len(given.lpips_weights) != 2:
        raise ConfigError("--lpips_weights: expected two files with a comma between, alexnet-owt-7be5be79.pth,alex.pth")
    if not (given.maps or given.checkpoint):
        raise ConfigError("nothing to score: give --checkpoint=DIR, or --maps=DIR with --data=DIR")


def _target(given: flags.FlagValues) -> "segvae_jax.evaluation.target.EvaluationTarget":
    from segvae_jax.evaluation.target import open_checkpoint, open_maps

    limits = {"max_test": given.max_test, "max_train": given.max_train}
    if given.maps:
        return open_maps(given.maps, data=given.data, checkpoint=given.checkpoint, seed=given.seed, **limits)
    return open_checkpoint(given.checkpoint, step=given.step, data=given.data, **limits)
