"""Scores generated maps against held-out maps: segvae eval --checkpoint=DIR --fid

Prints a table, and writes scores.json and report.html, a page with pictures, into --out. `--fid` adds the FID in
Inception features, for which `--inception_weights` names the file pt_inception-2015-12-05-6726825d.pth;
`--lpips_weights=alexnet-owt-7be5be79.pth,alex.pth` adds the diversity by LPIPS. `--maps=DIR --data=DIR` scores a
folder of index PNGs from any other generator instead of a checkpoint. `--translator=DIR` scores the pictures that a
translator paints of the maps and of held-out ones; `--translator=DIR --data=DIR` those of held-out maps alone.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from segvae_jax.cli.script import checkpoint_help, define_labels_flag
from segvae_jax.errors import ConfigError
from segvae_jax.files import locked, writable_directory

if TYPE_CHECKING:
    import segvae_jax.evaluation.pairs
    import segvae_jax.evaluation.report.gallery
    import segvae_jax.evaluation.target

Report = tuple[dict[str, Any], "list[segvae_jax.evaluation.report.gallery.Album]"]

_LPIPS = "Weights of LPIPS: the files of AlexNet and of the linear layers."


def define_flags(own: flags.FlagValues, words: Sequence[str]) -> None:
    """Defines the flags in `own`."""
    flags.DEFINE_string("checkpoint", None, checkpoint_help(), own)
    flags.DEFINE_integer("step", None, "Saved step; the latest if not given.", flag_values=own)
    flags.DEFINE_string("maps", None, "Folder of index PNGs to score instead of maps of the checkpoint.", own)
    define_labels_flag(own)
    flags.DEFINE_string("translator", None, "Translator whose pictures are scored; the data must have some.", own)
    flags.DEFINE_string("data", None, "Prepared data set; that of the training if not given.", own)
    flags.DEFINE_enum("suite", "quick", ["quick", "all"], "Which scores to compute.", own)
    flags.DEFINE_bool("fid", False, "Report the FID in Inception features as well.", own)
    flags.DEFINE_string(
        "inception_weights", None, "With --fid or --translator: the weights of the FID Inception network.", own
    )
    flags.DEFINE_list("lpips_weights", None, _LPIPS, own)
    flags.DEFINE_integer("max_test", 2_000, "Held-out maps to compare with, at most.", 10, flag_values=own)
    flags.DEFINE_integer("max_train", 5_000, "Training maps to use, at most.", 5, flag_values=own)
    # The next few seeds are used as well.
    flags.DEFINE_integer("seed", 0, "Seed of sampling and resampling.", 0, 2**31 - 10, own)
    flags.DEFINE_string("out", None, "Folder for the report; `evaluation` in what is scored if not given.", own)


def main(given: flags.FlagValues) -> None:
    """Evaluates."""
    _check(given)
    from rich.console import Console

    from segvae_jax.evaluation.report.noise import noise_warnings
    from segvae_jax.evaluation.report.page import REPORT, write_report
    from segvae_jax.evaluation.report.table import print_table

    console = Console()
    with console.status("loading") as status:
        say = lambda line: status.update(line)
        target = _target(given) if given.maps or given.checkpoint else None
        translator = load_translator(given.translator) if given.translator else None
        out = writable_directory(given.out or _default_out(given), "--out")
        with locked(out):
            result, albums = _scored(given, target, say) if target else ({}, [])
            if translator:
                pictures, more = score_translator(given, translator, target, say)
                omitted = {**result.get("omitted", {}), **pictures["omitted"]}
                result, albums = {**pictures, **result, "omitted": omitted}, [*more, *albums]
            scored = target or translator
            assert scored  # as `_check` found one of them
            write_report(out, result, scored.space, albums)
    print_table(result, console, fid=given.fid)
    if target and (note := target.identity.get("maps_note")):
        console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    for warning in noise_warnings(result):
        print(f"warning: {warning}", file=sys.stderr)
    console.print(f"wrote {out}, see {REPORT} in it", highlight=False, soft_wrap=True)


def _default_out(given: flags.FlagValues) -> Path:
    return Path(given.maps or given.checkpoint or given.translator) / "evaluation"


def _scored(
    given: flags.FlagValues, target: "segvae_jax.evaluation.target.EvaluationTarget", say: Callable[[str], object]
) -> Report:
    """The scores of the maps, and their albums."""
    from segvae_jax.evaluation.evaluate import evaluate
    from segvae_jax.evaluation.report.gallery import albums

    weights = {"inception_weights": given.inception_weights, "lpips_weights": given.lpips_weights}
    result = evaluate(target, suite=given.suite, **weights, seed=given.seed, progress=say)
    return result, albums(target, seed=given.seed, progress=say)


def load_translator(directory: str) -> "segvae_jax.evaluation.pairs.MapTranslator":
    """Loads a translator by the directory of its checkpoint, or by its name."""
    from segvae_jax.translation import Translator

    return Translator.load(directory)


def score_translator(
    given: flags.FlagValues,
    translator: "segvae_jax.evaluation.pairs.MapTranslator",
    target: "segvae_jax.evaluation.target.EvaluationTarget | None",
    say: Callable[[str], object],
) -> Report:
    """The scores of a loaded translator on the data of the target, or on those of `--data`, and its albums."""
    from segvae_jax.data.prepare.builder import open_prepared
    from segvae_jax.evaluation.evaluate_pictures import evaluate_translator
    from segvae_jax.evaluation.report.picture_gallery import picture_albums

    prepared = (target and target.prepared) or open_prepared(given.data)
    options = {"generated": target and target.map_set(given.seed).index_maps, "seed": given.seed}
    limits = {"max_test": given.max_test, "max_train": given.max_train}
    weights = {"inception_weights": given.inception_weights}
    result = evaluate_translator(translator, prepared, **options, **limits, **weights, progress=say)
    say("translating maps for the page")
    return {"translator": given.translator, **result}, picture_albums(translator, prepared, **options)


def _check(given: flags.FlagValues) -> None:
    if given.inception_weights and not (given.fid or given.translator):
        raise ConfigError("--inception_weights is for the FID: give --fid as well")
    if given.lpips_weights and len(given.lpips_weights) != 2:
        raise ConfigError("--lpips_weights: expected two files with a comma between, alexnet-owt-7be5be79.pth,alex.pth")
    if given.labels and not given.maps:
        raise ConfigError("--labels says what the indices of --maps mean: give --maps=DIR as well")
    if given.translator and not (given.maps or given.checkpoint or given.data):
        raise ConfigError("--translator: nothing to translate: give --data=DIR, a prepared data set with pictures")
    if not (given.maps or given.checkpoint or given.translator):
        raise ConfigError("nothing to score: give --checkpoint=DIR, or --maps=DIR with --data=DIR")


def _target(given: flags.FlagValues) -> "segvae_jax.evaluation.target.EvaluationTarget":
    from segvae_jax.evaluation.target import open_checkpoint, open_maps

    limits = {"max_test": given.max_test, "max_train": given.max_train}
    if given.maps:
        return open_maps(
            given.maps, data=given.data, checkpoint=given.checkpoint, seed=given.seed, labels=given.labels, **limits
        )
    return open_checkpoint(given.checkpoint, step=given.step, data=given.data, **limits)
