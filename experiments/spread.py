"""How much does the AUC of a two-sample test vary between two sets of real maps?

    python -m experiments.spread --maps=10 --maps=20 --maps=80

Draws pairs of sets of cartoon faces, which have nothing to tell them apart, and prints mean and standard deviation of
the AUC over the pairs, for each judge and each number of maps a side.
"""

import functools
from collections.abc import Callable

import numpy as np
from absl import flags
from jaxtyping import Bool

from segvae_jax.cli.script import run_user_script
from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map
from segvae_jax.errors import SegVAEError
from segvae_jax.evaluation.metrics.two_sample import JUDGES, TwoSampleTest, held_out_auc
from segvae_jax.evaluation.networks.map_classifier import classify_maps
from segvae_jax.maps import index_to_class_maps, paint


def main(argv: list[str]) -> None:
    """Prints a line for each number of maps."""
    if len(argv) > 1:
        raise SegVAEError(f"unexpected argument {argv[1]!r}: flags only, see --help")
    judges = dict(JUDGES) | ({"cnn": _by_cnn} if flags.FLAGS.cnn else {})
    for count in flags.FLAGS.maps:
        spreads = [f"{name} {_spread(judge, count, flags.FLAGS.pairs)}" for name, judge in judges.items()]
        print(f"{count} maps a side: {', '.join(spreads)}", flush=True)


def _spread(judge: Callable[..., TwoSampleTest], count: int, pairs: int) -> str:
    aucs = [judge(_faces(2 * seed, count), _faces(2 * seed + 1, count), seed=seed).auc.mean() for seed in range(pairs)]
    return f"{np.mean(aucs):.2f}, sd {np.std(aucs, ddof=1):.3f}"


def _by_cnn(maps: np.ndarray, real: np.ndarray, *, seed: int) -> TwoSampleTest:
    classify = functools.partial(classify_maps, seed=seed)
    return TwoSampleTest({"cnn": held_out_auc(classify, maps, real, seed=seed)})


def _faces(seed: int, count: int) -> Bool[np.ndarray, "N H W C"]:
    """Visible class maps of cartoon faces."""
    size, space = (flags.FLAGS.side, flags.FLAGS.side), CARTOON_SPACES["faces"]
    index_maps = [paint(cartoon_map("faces", seed, number, size), space) for number in range(count)]
    return index_to_class_maps(np.stack(index_maps), space.num_channels)


if __name__ == "__main__":
    flags.DEFINE_multi_integer("maps", [10, 20, 80], "Maps a side; repeat the flag for several.", lower_bound=10)
    flags.DEFINE_integer("pairs", 30, "Pairs of sets.", lower_bound=2)
    flags.DEFINE_integer("side", 32, "Side of the maps in pixels.", lower_bound=16)
    flags.DEFINE_bool("cnn", False, "Measure the convolutional judge as well, which takes a minute a pair.")
    run_user_script(main)
