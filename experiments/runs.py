"""Training runs of experiments: what is finished is not done again."""

import dataclasses
import importlib
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
from segvae_jax.evaluation.evaluate import evaluate
from segvae_jax.evaluation.report.page import SCORES, write_report
from segvae_jax.evaluation.suite import Anchors, score_anchors
from segvae_jax.evaluation.target import open_checkpoint
from segvae_jax.training.loop import train
from segvae_jax.training.setup import model_arguments, prepare_data


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """What all runs of a table have in common.

    Attributes:
      budget: size and length.
      data: entries of `config.data`: source, path ...
      folder: of all runs.
      suite: rows that they are scored by, "quick" or "all".
    """

    budget: Budget
    data: Mapping[str, Any]
    folder: Path
    suite: str = "all"

    def configuration(self, experiment: Experiment, seed: int) -> ConfigDict:
        """What a run of a row is trained by; the data are the same for every seed."""
        module, variant = experiment.config.split(":")
        config = importlib.import_module(f"configs.{module}").get_config(variant)
        config.data.update(self.data)
        config.update_from_flattened_dict(self.budget.overrides)
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
        """Of its training."""
        return self.setting.folder / self.experiment.name / f"seed_{self.seed}"

    @property
    def scores(self) -> Path:
        """The file that is there when it is finished."""
        return self.workdir / "evaluation" / SCORES

    def train(self) -> bool:
        """Trains, or takes over trained weights; False if a SIGTERM stopped it."""
        config = self.setting.configuration(self.experiment, self.seed)
        if self.experiment.weights_of:
            return self._take_over(config)
        return int(train(config, self.workdir).step) == config.num_steps

    def score(self, held_to: Anchors | None = None) -> Anchors:
        """Scores what was trained; returns the anchors, which are those of all runs of this seed."""
        subject = open_checkpoint(self.workdir)
        how: dict[str, Any] = {"suite": self.setting.suite, "seed": self.seed}
        held_to = held_to or score_anchors(subject.splits, subject.space, **how)
        write_report(self.scores.parent, evaluate(subject, **how, held_to=held_to), subject.space, ())
        return held_to

    def _take_over(self, config: ConfigDict) -> bool:
        """The weights of the other experiment under this one's hyperparameters."""
        card, variables, _ = load_variables(self.setting.folder / self.experiment.weights_of / self.workdir.name)
        shutil.rmtree(self.workdir, ignore_errors=True)
        save_variables(self.workdir, dataclasses.replace(card, arguments=model_arguments(config)), variables)
        return True


def finish(runs: Sequence[Run], console: Console) -> bool:
    """Trains and scores what is missing; False if a SIGTERM cut that short."""
    missing, begun = [run for run in runs if not run.scores.is_file()], time.monotonic()
    anchors: dict[int, Anchors] = {}
    for number, run in enumerate(missing):
        minutes = (time.monotonic() - begun) / max(number, 1) * (len(missing) - number) / 60
        eta = f", ETA {minutes:.0f} min" if number else ""
        console.rule(f"{run.experiment.title}, seed {run.seed}: {number + 1} of {len(missing)}{eta}")
        if not run.train():
            return False
        anchors[run.seed] = run.score(anchors.get(run.seed))
    return True
