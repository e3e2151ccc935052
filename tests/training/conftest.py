import dataclasses
from pathlib import Path

import pytest
from ml_collections import ConfigDict
from tiny_config import get_config

from segvae_jax.checkpoint.state import TrainState
from segvae_jax.training.loop import train


@dataclasses.dataclass(frozen=True)
class Run:
    config: ConfigDict
    workdir: Path
    state: TrainState


@pytest.fixture
def config(run: Run) -> ConfigDict:
    """A copy of the configuration of `run`, which tests may change."""
    return run.config.copy_and_resolve_references()


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A complete training run on 8 devices without interruptions."""
    root = tmp_path_factory.mktemp("run")
    config = get_config()
    config.data.prepared = str(root / "prepared")
    return Run(config, root / "workdir", train(config, root / "workdir"))
