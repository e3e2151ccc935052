"""Scores generated maps against held-out ones: python eval.py --checkpoint=DIR --fid

Prints a table, and writes scores.json and report.html, a page with pictures, into --out. `--fid` adds the FID in
Inception features, for which `--inception_weights` names the file pt_inception-2015-12-05-6726825d.pth, and
`--lpips_weights=alexnet-owt-7be5be79.pth,alex.pth` the diversity by LPIPS. With
`--maps=DIR --data=DIR` a folder of index PNGs from any other generator is scored instead of a checkpoint.
"""

from segvae_jax.allocator import restart_with_allocator

if __name__ == "__main__":
    restart_with_allocator()  # before the imports that take seconds

import tempfile
from pathlib import Path
from typing import Any

from absl import flags
from rich.console import Console

from segvae_jax.cli.script import run_user_script
from segvae_jax.errors import ConfigError
from segvae_jax.evaluation.evaluate import evaluate
from segvae_jax.evaluation.report.gallery import albums
from segvae_jax.evaluation.report.page import REPORT, write_report
from segvae_jax.evaluation.report.table import print_table
from segvae_jax.evaluation.target import EvaluationTarget, open_checkpoint, open_maps
from segvae_jax.files import refusing_clearly

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "The --workdir of a training run, an import, or a name.")
_STEP = flags.DEFINE_integer("step", None, "Saved step; the latest if not given.")
_MAPS = flags.DEFINE_string("maps", None, "Folder of index PNGs to score instead of maps of the checkpoint.")
_DATA = flags.DEFINE_string("data", None, "Prepared data set; that of training if not given.")
_SUITE = flags.DEFINE_enum("suite", "quick", ["quick", "all"], "Which rows to score.")
_FID = flags.DEFINE_bool("fid", False, "Report the FID in Inception features as well.")
_WEIGHTS = flags.DEFINE_string("inception_weights", None, "With --fid: the weights of the FID Inception network.")
_LPIPS = flags.DEFINE_list("lpips_weights", None, "Weights of LPIPS: the files of AlexNet and of the linear layers.")
_MAX_TEST = flags.DEFINE_integer("max_test", 2_000, "Held-out maps to compare with, at most.", lower_bound=5)
_MAX_TRAIN = flags.DEFINE_integer("max_train", 5_000, "Training maps to search for copies, at most.", lower_bound=5)
_SEED = flags.DEFINE_integer("seed", 0, "Of sampling and resampling.", lower_bound=0, upper_bound=2**31 - 2)
_OUT = flags.DEFINE_string("out", None, "Folder for the report; `evaluation` in the checkpoint, or the maps.")


def main(argv: list[str]) -> None:
    """Evaluates."""
    del argv
    if _WEIGHTS.value and not _FID.value:
        raise ConfigError("--inception_weights is for the FID: give --fid as well")
    if _LPIPS.value and len(_LPIPS.value) != 2:
        raise ConfigError("--lpips_weights: expected two files with a comma between, alexnet-owt-7be5be79.pth,alex.pth")
    console = Console()
    with console.status("loading") as status:
        say = lambda line: status.update(line)
        target = _open_target()
        out = _writable()
        weights: dict[str, Any] = {"inception_weights": _WEIGHTS.value, "lpips_weights": _LPIPS.value}
        seed = _SEED.value
        result = evaluate(target, suite=_SUITE.value, **weights, seed=seed, progress=say)
        write_report(out, result, target.space, albums(target, seed=seed, progress=say))
    print_table(result, console, fid=_FID.value)
    console.print(f"wrote {out}, see {REPORT} in it", highlight=False, soft_wrap=True)


def _open_target() -> EvaluationTarget:
    checkpoint, data, max_test, max_train = _CHECKPOINT.value, _DATA.value, _MAX_TEST.value, _MAX_TRAIN.value
    if folder := _MAPS.value:
        limits = {"max_test": max_test, "max_train": max_train, "seed": _SEED.value}
        return open_maps(folder, data=data, checkpoint=checkpoint, **limits)
    if not checkpoint:
        raise ConfigError("nothing to score: give --checkpoint=DIR, or --maps=DIR with --data=DIR")
    return open_checkpoint(checkpoint, step=_STEP.value, data=data, max_test=max_test, max_train=max_train)


def _writable() -> Path:
    """Where the report goes; tried before minutes of work."""
    directory = Path(_OUT.value or Path(_MAPS.value or _CHECKPOINT.value or ".") / "evaluation").expanduser()
    with refusing_clearly(directory):
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    return directory


if __name__ == "__main__":
    run_user_script(main)
