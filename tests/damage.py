"""Damages files that the project writes, and reads them: nothing wrong may pass unnoticed.

    PYTHONPATH=. python tests/damage.py --trials=1000

A trial flips a bit, cuts, zeroes or swaps bytes of one file in a copy of what was written, and then reads the copy as a
user would. The table says how it ended. Trials run in a child process, so that a crash is counted.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import multiprocessing
import os
import runpy
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding
from PIL import Image

from segvae_jax.app.session import Session, repeat
from segvae_jax.bulk import Request, write_shards
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.checkpoint.portable import save_portable
from segvae_jax.checkpoint.saving import Checkpoints, save_variables
from segvae_jax.checkpoint.state import TrainState
from segvae_jax.data.feed.batches import train_indices
from segvae_jax.data.prepare import builder
from segvae_jax.data.prepare.builder import build, open_prepared
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.prepare.splits import SPLITS
from segvae_jax.data.sources.source import Source
from segvae_jax.digests import SUMS
from segvae_jax.errors import SegVAEError
from segvae_jax.generation import Generator
from segvae_jax.interop.export import export
from segvae_jax.labels import LabelSpace
from segvae_jax.model.protocol import init_variables
from segvae_jax.training.state import adam
from segvae_jax.training.writers import MetricWriter

REFUSED, RIGHT, WRONG, FOREIGN, CRASH = (
    "refused",
    "right all the same",
    "wrong, unnoticed",
    "foreign exception",
    "crash",
)
OUTCOMES = (REFUSED, RIGHT, WRONG, FOREIGN, CRASH)
_EXAMPLE = Path(__file__).parents[1] / "examples" / "run_exported.py"
_SPACE = LabelSpace(("face", "eye", "hat"), drawing_order=("face", "hat", "eye"))
_LABEL_SETS = np.array([[0, 1, 1, 0], [0, 1, 0, 1]], bool)
_ARGUMENTS = {
    "image_size": (8, 8),
    "ngf": 2,
    "context_dim": 5,
    "hidden_dim": 4,
    "latent_dim": 3,
    "spectral_norm": False,
}
_REQUEST = Request(num=12, seed=3, shard_size=5)


@dataclasses.dataclass(frozen=True)
class Kind:
    """Something that the project writes.

    Attributes:
      write: writes it into a new folder.
      read: reads it from a folder, and returns a value that depends on all that a user would use.
    """

    write: Callable[[Path], Any]
    read: Callable[[Path], Any]


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with one random damage; always different, if it is not empty."""
    while content:
        begin, length = int(rng.integers(len(content))), int(rng.integers(1, 1 + min(64, len(content))))
        changed, other = bytearray(content), int(rng.integers(len(content)))
        match rng.integers(4):
            case 0:
                changed[begin] ^= 1 << int(rng.integers(8))
            case 1:
                del changed[begin:]
            case 2:
                changed[begin : begin + length] = bytes(len(changed[begin : begin + length]))
            case 3:
                changed[begin], changed[other] = changed[other], changed[begin]
        if changed != content:
            return bytes(changed)
    return b"\0"


def trial(name: str, pristine: Path, seed: int) -> str:
    """Damages a copy of what was written, reads it, and returns the outcome."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(pristine, Path(folder) / "copy"))
        files = sorted(path for path in copy.rglob("*") if path.is_file())
        victim = files[rng.integers(len(files))]
        victim.write_bytes(damaged(victim.read_bytes(), rng))
        outcome = _outcome(name, pristine, copy)
    if outcome in (WRONG, FOREIGN):
        print(f"{name}, seed {seed}: {victim.relative_to(copy)}: {outcome}", file=sys.stderr)
    return outcome


def _outcome(name: str, pristine: Path, copy: Path) -> str:
    expected = _expected(name, pristine)
    try:
        return RIGHT if KINDS[name].read(copy) == expected else WRONG
    except SegVAEError:
        return REFUSED
    except SystemExit as error:  # of the example, which has no classes of errors
        return REFUSED if isinstance(error.code, str) else FOREIGN
    except Exception as error:
        print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr)
        return FOREIGN


@functools.cache
def _expected(name: str, pristine: Path) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return KINDS[name].read(Path(shutil.copytree(pristine, Path(folder) / "copy")))


class _Generator(Generator):
    """Compiles once, not for each shard that is made again."""

    sampler = functools.cache(lambda self, devices: Generator.sampler(self, list(devices)))


@functools.cache
def _generator() -> Generator:
    card = ModelCard(_SPACE, _ARGUMENTS, _LABEL_SETS, np.array([3, 1]))
    return _Generator(card, jax.tree.map(lambda a: 3 * a, dict(init_variables(card.model(), 0))))


def _digest(tree: Any) -> str:
    """A hash of arrays, and of the text of everything else."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        content = np.asarray(leaf)
        digest.update(f"{path}{content.dtype}{content.shape}{leaf if content.dtype == object else ''}".encode())
        digest.update(content.tobytes() if content.dtype != object else b"")
    return digest.hexdigest()


def _state(step: int) -> TrainState:
    params = {"kernel": jnp.asarray(np.random.default_rng(step).standard_normal((30, 7)), jnp.float32)}
    return TrainState(jnp.int32(step), params, {}, adam(lambda _: 0.1, (0.5, 0.999)).init(params), params)


def _write_run(folder: Path) -> None:
    checkpoints, batches = Checkpoints(folder), train_indices(40, 4, seed=0)
    for step in (50, 60):
        checkpoints.save(_state(step), batches, float(step))
        next(batches)
    checkpoints.close()
    _generator().card.write(folder)
    writer = MetricWriter(folder, 0)
    for step in range(1, 61):
        writer.write_scalars(step, {"total": 1 / step})
    writer.close()
    shutil.rmtree(folder / "tensorboard")  # which is not read again


def _read_checkpoint(folder: Path) -> str:
    card, variables, step = load_variables(folder)
    return _digest([vars(card), variables, step])


def _resume(folder: Path) -> str:
    batches = train_indices(40, 4, seed=0)
    with contextlib.closing(Checkpoints(folder)) as checkpoints:
        sharding = SingleDeviceSharding(jax.devices()[0])
        state = checkpoints.restore(_state(0), sharding, batches)
        MetricWriter(folder, int(state.step)).close()
        return _digest([vars(ModelCard.read(folder)), vars(state), np.asarray(next(batches))])


def _run_example(folder: Path) -> bytes:
    picture = folder / "picture.png"
    with _argv(str(_EXAMPLE), str(folder), "face,hat", str(picture)):
        runpy.run_path(str(_EXAMPLE))
    with Image.open(picture) as image:
        return image.convert("RGB").tobytes()


@contextlib.contextmanager
def _argv(*words: str):
    before, sys.argv = sys.argv, list(words)
    try:
        yield
    finally:
        sys.argv = before


def _write_exported(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as checkpoint:
        save_variables(Path(checkpoint), _generator().card, _generator()._loaded)
        export(checkpoint, folder)


def _write_maps(folder: Path, form: str) -> dict[str, bytes]:
    """Generates what is missing; returns the files."""
    write_shards(_generator(), dataclasses.replace(_REQUEST, format=form), folder, tuple(jax.local_devices()))
    return _contents(folder)


def _contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(SUMS)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _source() -> Source:
    draw = lambda example_id, size: np.random.default_rng(int(example_id)).random((*size, 4)) < [0, 0.3, 0.3, 0.3]
    return Source("toy", _SPACE, tuple(f"{i:02d}" for i in range(40)), draw, "1")


def _prepare(folder: Path) -> dict[str, bytes]:
    return _contents(build(_source(), Recipe((8, 8)), folder / "set", chunk_size=8).directory)


def _read_prepared(folder: Path) -> str:
    prepared = open_prepared(folder / "set")
    return _digest(
        [vars(prepared) | {"directory": ""}, prepared.data_report(), [list(prepared.split(s)) for s in SPLITS]]
    )


def _write_interrupted(folder: Path) -> None:
    """Leaves the chunks of a set that was never assembled."""
    assemble = builder._assemble

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    builder._assemble = stop
    try:
        _prepare(folder)
    except KeyboardInterrupt:
        pass
    finally:
        builder._assemble = assemble


def _write_record(folder: Path) -> None:
    call = {"call": "generate", "labels": ["face", "hat"], "num": 4, "seed": 7, "temperature": 1.0}
    record = Session().apply(_generator(), call).pick(2).record("toy", _generator().fingerprint())
    (folder / "record.json").write_text(record)


def _repeat_record(folder: Path) -> bytes:
    return repeat(_generator(), (folder / "record.json").read_text("latin-1")).tobytes()


KINDS = {
    "training checkpoint": Kind(_write_run, _read_checkpoint),
    "resumed training": Kind(_write_run, _resume),
    "portable checkpoint": Kind(lambda f: save_portable(f, _generator().card, _generator()._loaded), _read_checkpoint),
    "export, run by the example": Kind(_write_exported, _run_example),
    "shards of ArrayRecord": Kind(lambda f: _write_maps(f, "arrayrecord"), lambda f: _write_maps(f, "arrayrecord")),
    "shards of PNG": Kind(lambda f: _write_maps(f, "png"), lambda f: _write_maps(f, "png")),
    "prepared set": Kind(_prepare, _read_prepared),
    "interrupted preparation": Kind(_write_interrupted, _prepare),
    "record of the page": Kind(_write_record, _repeat_record),
}


def campaign(trials: int, seed: int) -> Iterator[tuple[str, collections.Counter[str]]]:
    """Yields each kind and the outcomes of its share of the trials, in child processes."""
    each = -(-trials // len(KINDS))
    with tempfile.TemporaryDirectory() as root:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{root}/cache"  # of the child processes
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        for name, kind in KINDS.items():
            pristine = Path(root) / name
            pristine.mkdir()
            kind.write(pristine)
            yield name, _in_children(name, pristine, range(seed, seed + each))


def _in_children(name: str, pristine: Path, seeds: range) -> collections.Counter[str]:
    outcomes: collections.Counter[str] = collections.Counter()
    left = iter(seeds)
    while sum(outcomes.values()) < len(seeds):
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as child:
            try:
                for seed in left:
                    outcomes[child.submit(trial, name, pristine, seed).result()] += 1
            except BrokenProcessPool:
                outcomes[CRASH] += 1
    return outcomes


def main() -> None:
    """Runs the campaign and prints the table; status 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    columns, total = ("trials", *OUTCOMES), collections.Counter[str]()
    print(f"| what is damaged | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, outcomes in campaign(given.trials, given.seed):
        print(_row(name, outcomes), flush=True)
        total += outcomes
    print(_row("all", total))
    sys.exit(any(total[outcome] for outcome in (WRONG, FOREIGN, CRASH)))


def _row(name: str, outcomes: collections.Counter[str]) -> str:
    return f"| {name} | {outcomes.total()} | {' | '.join(str(outcomes[outcome]) for outcome in OUTCOMES)} |"


if __name__ == "__main__":
    main()
