"""Training runs of experiments; finished runs are not repeated."""

import dataclasses
import functools
import importlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict
from rich.console import Console

from experiments.tables import Budget, Experiment
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.checkpoint.saving import save_variables
from segvae_jax.data.prepare.builder import open_prepared
from segvae_jax.errors import OutputError
from segvae_jax.evaluation.evaluate import evaluate
from segvae_jax.evaluation.report.page import SCORES, write_report
from segvae_jax.evaluation.suite import ScoredAnchors, score_anchors
from segvae_jax.evaluation.target import hash_of_data, open_checkpoint
from segvae_jax.training.config import model_arguments, with_variant
from segvae_jax.training.loop import train
from segvae_jax.training.setup import prepare_data


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """What all runs of a table have in common.

    Attributes:
      budget: size of maps and models, and length of training.
      data: entries of `config.data`, e.g. source and path.
      folder: the folder of all runs.
      suite: the suite that scores them, "quick" or "all".
    """

    budget: Budget
    data: Mapping[str, Any]
    folder: Path
    suite: str = "all"

    def configuration(self, experiment: Experiment, seed: int) -> ConfigDict:
        """The configuration of a training run; the data are the same for every seed."""
        name, variant = experiment.config.split(":")
        module = importlib.import_module(f"segvae_jax.configs.{name}")
        config = module.get_config(variant)
        config.data.update(self.data)
        config.update_from_flattened_dict(self.budget.for_model(config.model.name))
        with_variant(config, variant, module.VARIANTS)  # what a row compares is not the budget's to change
        prepared = prepare_data(config).directory
        config.data.update(path="", prepared=str(prepared))  # a prepared set has no path besides its own
        config.seed = seed
        return config


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run of a row."""

    experiment: Experiment
    seed: int
    setting: Setting

    @property
    def workdir(self) -> Path:
        """The folder of its training."""
        return self.setting.folder / self.experiment.name / f"seed_{self.seed}"

    @property
    def scores(self) -> Path:
        """The file with its scores, which exists once the run is scored."""
        return self.workdir / "evaluation" / SCORES

    def is_finished(self) -> bool:
        """Whether the run has all scores that the setting asks for.

        Raises:
          OutputError: if its scores are of other data.
        """
        if not self.scores.is_file():
            return False
        scores = json.loads(self.scores.read_text())
        prepared = self.setting.configuration(self.experiment, self.seed).data.prepared
        if scores["data_hash"] != _hash_of_data(prepared):
            raise OutputError(f"{self.workdir}: scored on other maps than those of {prepared}: give another --runs")
        return scores["suite"] in (self.setting.suite, "all")  # all holds the scores of the other suite as well

    def train(self) -> bool:
        """Trains, or copies trained weights; returns False if a SIGTERM stopped it."""
        config = self.setting.configuration(self.experiment, self.seed)
        if self.experiment.weights_of:
            return self._copy_weights(config)
        return int(train(config, self.workdir).step) == config.num_steps

    def score(self, anchors: ScoredAnchors | None = None) -> ScoredAnchors:
        """Scores the trained model; returns the scored anchors, which all runs with this seed share."""
        target = open_checkpoint(self.workdir)
        options: dict[str, Any] = {"suite": self.setting.suite, "seed": self.seed}
        anchors = anchors or score_anchors(target.splits, target.space, **options)
        write_report(self.scores.parent, evaluate(target, **options, anchors=anchors), target.space, ())
        return anchors

    def _copy_weights(self, config: ConfigDict) -> bool:
        """Saves the weights of the other experiment with the hyperparameters of this one."""
        card, variables, _ = load_variables(self.setting.folder / self.experiment.weights_of / self.workdir.name)
        shutil.rmtree(self.workdir, ignore_errors=True)
        save_variables(self.workdir, dataclasses.replace(card, arguments=model_arguments(config)), variables)
        return True


@functools.cache
def _hash_of_data(directory: str) -> str:
    return hash_of_data(open_prepared(directory))


def finish(runs: Sequence[Run], console: Console) -> bool:
    """Trains and scores the missing runs of one setting; returns False if a SIGTERM stopped it.

    Runs that are trained, but lack scores of the suite, are only scored.

    Raises:
      SegVAEError: if a run is of other data, or cannot be trained or scored.
    """
    missing, started = [run for run in runs if not run.is_finished()], time.monotonic()
    anchors: dict[int, ScoredAnchors] = {}
    for number, run in enumerate(missing):
        minutes = (time.monotonic() - started) / max(number, 1) * (len(missing) - number) / 60
        eta = f", ETA {minutes:.0f} min" if number else ""
        console.rule(f"{run.experiment.title}, seed {run.seed}: {number + 1} of {len(missing)}{eta}")
        if not run.train():
            return False
        anchors[run.seed] = run.score(anchors.get(run.seed))
    return True
