"""Cells of the table of `experiments.augment`: parsers trained on few real pairs, with and without generated ones."""

import dataclasses
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from segvae_jax.errors import ConfigError, OutputError
from segvae_jax.evaluation.metrics.overlap import class_iou, mean_iou
from segvae_jax.evaluation.networks.parser import train_parser
from segvae_jax.evaluation.pairs import MapTranslator, Pairs
from segvae_jax.files import write_atomically
from segvae_jax.generation import Generator
from segvae_jax.json_objects import json_object
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import index_to_class_maps
from segvae_jax.numerics import fixed_numerics


@dataclasses.dataclass(frozen=True)
class Cell:
    """One parser.

    Attributes:
      pairs: how many real pairs it learns from.
      generated: whether it learns from generated pairs as well.
      seed: chooses the real pairs; and of the training.
    """

    pairs: int
    generated: bool
    seed: int

    @property
    def name(self) -> str:
        """Its key in the file of results."""
        return f"{self.pairs} real{', generated' if self.generated else ''}, seed {self.seed}"


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """What all cells have in common.

    Attributes:
      train: real training pairs.
      test: real held-out pairs.
      generator: generates maps.
      translator: paints their pictures.
      num_generated: how many generated pairs there are.
    """

    train: Pairs
    test: Pairs
    generator: Generator
    translator: MapTranslator
    num_generated: int

    @property
    def space(self) -> LabelSpace:
        """The classes of all pairs."""
        return self.generator.space

    @fixed_numerics()
    def generated_pairs(self) -> Pairs:
        """Maps with the label-sets of the training data of the generator, and a picture of each."""
        label_sets = self.generator.random_label_sets(self.num_generated)
        index_maps = np.asarray(self.generator.generate_each(label_sets))
        return Pairs(index_maps, self.translator.translate_each(index_maps))

    @fixed_numerics()
    def measure(self, cell: Cell, generated: Pairs | None) -> dict[str, Any]:
        """Trains the parser of a cell; its mIoU on the held-out pairs, and the IoU of each class, None if absent."""
        rows = np.random.default_rng(cell.seed).permutation(len(self.train))[: cell.pairs]
        sets = [self.train[rows], *([generated] if generated else [])]
        found = train_parser(*sets, space=self.space, seed=cell.seed).predict(self.test.pictures)
        sides = [index_to_class_maps(maps, self.space.num_channels) for maps in (found, self.test.index_maps)]
        iou = class_iou(*sides)[:, 1:]
        of_class = [float(np.nanmean(one)) if np.isfinite(one).any() else None for one in iou.T]
        by_class = dict(zip(self.space.classes, of_class, strict=True))
        return {"mean_iou": float(mean_iou(*sides).mean()), "by_class": by_class}


def cells(sizes: Sequence[int], seeds: int, available: int) -> list[Cell]:
    """All cells of a table, seed by seed, so that a table with one run per cell exists early.

    Raises:
      ConfigError: if a size is not from 1 to the number of training pairs.
    """
    for size in sizes:
        if not 1 <= size <= available:
            raise ConfigError(f"--sizes: {size} real pairs: expected 1 to {available}, the training pairs of the data")
    product = itertools.product(range(seeds), sizes, (False, True))
    return [Cell(size, generated, seed) for seed, size, generated in product]


def finish(task: Task, missing: Sequence[Cell], path: Path, conditions: Mapping[str, Any], console: Console) -> None:
    """Measures the cells that the file does not have yet; each is written when it is measured."""
    done = read_cells(path, conditions)
    missing, started = [cell for cell in missing if cell.name not in done], time.monotonic()
    generated = task.generated_pairs() if any(cell.generated for cell in missing) else None
    for number, cell in enumerate(missing):
        minutes = (time.monotonic() - started) / max(number, 1) * (len(missing) - number) / 60
        eta = f", ETA {minutes:.0f} min" if number else ""
        console.rule(f"{cell.name}: {number + 1} of {len(missing)}{eta}")
        done[cell.name] = task.measure(cell, generated if cell.generated else None)
        _write(path, {**conditions, "cells": done})


def _write(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, lambda partial: partial.write_text(json.dumps(content, indent=1) + "\n"))


def read_cells(path: Path, conditions: Mapping[str, Any]) -> dict[str, Any]:
    """The cells that the file has; none if there is no file.

    Raises:
      OutputError: if the file is damaged, or its cells were measured under other conditions.
    """
    if not path.exists():
        return {}
    try:
        found = json_object(path.read_bytes())
    except ValueError:
        raise OutputError(f"{path}: damaged: remove it, and all cells are measured again") from None
    for key, value in conditions.items():
        if found.get(key) != value:
            raise OutputError(
                f"{path}: holds cells of {key}={found.get(key)}, not {value}: give another --out, or remove the file"
            )
    return found.get("cells", {})
