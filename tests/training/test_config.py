import os
import subprocess
import sys
from pathlib import Path

import optax
import pytest
from absl import flags
from error_lines import one_line
from ml_collections import ConfigDict
from tiny_config import TINY, get_config

from segvae_jax.cli import train
from segvae_jax.configs import default
from segvae_jax.errors import ConfigError
from segvae_jax.labels import LabelSpace
from segvae_jax.model.registry import MODELS, check_arguments
from segvae_jax.training import setup
from segvae_jax.training.augmentation import Augmentation
from segvae_jax.training.config import check, model_arguments, with_variant
from segvae_jax.training.setup import total_steps
from segvae_jax.translator.networks import Networks

ROOT = Path(__file__).parents[2]
TINY_FILE = str(Path(__file__).with_name("tiny_config.py"))


def parsed(*arguments: str) -> ConfigDict:
    """The configuration that `--config=...` and overrides give."""
    values, words = flags.FlagValues(), [f"--config={TINY_FILE}", "--workdir=x", *arguments]
    train.define_flags(values, words)
    values(["train", *words])
    return values["config"].value


def changed(key: str, value) -> ConfigDict:
    config = get_config()
    config.update_from_flattened_dict({key: value})
    return config


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("seed", -1, "0 to 4294967295"),
        ("batch_size", 0, "1 to 1000000"),
        ("num_steps", -1, "0 to 2147483647"),
        ("num_epochs", -2, "0 to 1000000"),
        ("log_every", 0, "1 to 2147483647"),
        ("checkpoint_every", -5, "1 to 2147483647"),
        ("keep_checkpoints", 0, "1 to 1000000"),
        ("data.num_maps", 0, "1 to 10000000"),
        ("data.ignore", -2, "-1 to 255"),
        ("data.ignore", 256, "-1 to 255"),
        ("data.rotate", 181.0, "0.0 to 180.0"),
        ("data.scale", 1.0, "0.0 to 0.9"),
        ("data.shift", -0.1, "0.0 to 1.0"),
        ("data.drop_classes", 1.1, "0.0 to 1.0"),
        ("model.ngf", 0, "1 to 16384"),
        ("model.context_dim", 0, "1 to 16384"),
        ("model.hidden_dim", 0, "1 to 16384"),
        ("model.latent_dim", -1, "1 to 16384"),
        ("loss.kl_weight", -0.1, "0.0 to 1000000.0"),
        ("loss.kl_weight", float("nan"), "0.0 to 1000000.0"),
        ("loss.reconstruction", "l2", "l1, bce, bce_dice"),
        ("optimizer.learning_rate", -1e-3, "0.0 to 10.0"),
        ("optimizer.betas", (0.9, 1.0), "0.0 to 0.999999"),
        ("optimizer.betas", (0.9,), "two numbers"),
        ("optimizer.warmup_steps", -1, "0 to 2147483647"),
        ("optimizer.decay_from", 1.5, "0.0 to 1.0"),
        ("optimizer.ema_decay", 1.0, "0.0 to 0.999999"),
        ("optimizer.betas", (0, "x"), "two numbers"),
        ("model.image_size", (16,), "two whole numbers"),
        ("model.image_size", (16.5, 16), "two whole numbers"),
        ("model.image_size", ("a", "b"), "two whole numbers"),
        ("model.image_size", (20, 20), "a short side of 8, 16, 32"),
        ("model.image_size", (0, 16), "8 to 8192"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(key, value, expected):
    with pytest.raises(ConfigError) as caught:
        check(changed(key, value))
    text = one_line(caught.value)
    assert text.startswith(f"config.{key}") and expected in text


_KINDS = {"": default.get_config, "translator": default.get_translator_config}
_NUMBERS = [(kind, name) for kind, make in _KINDS.items() for name, value in make().model.items() if type(value) is int]


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize(("kind", "name"), _NUMBERS)
def test_what_may_be_trained_may_be_loaded(kind, name, value):
    config = _KINDS[kind]()
    config.model[name] = value
    try:
        check(config)
    except ConfigError:
        return
    of_kind = Networks if kind else MODELS[config.model.name]
    check_arguments(of_kind, model_arguments(config))


def test_a_few_classes_of_each_map_are_for_the_loss_of_pairs():
    config = default.get_config()
    config.model.recurrent, config.loss.classes_per_map = False, 2
    check(config)
    config.loss.reduction = "steps"
    with pytest.raises(ConfigError) as caught:
        check(config)
    assert one_line(caught.value).startswith("config.loss.classes_per_map: ") and "reduction" in str(caught.value)


@pytest.mark.parametrize(("steps", "epochs"), [(0, 0), (5, 5)])
def test_the_length_of_a_run_is_said_once(steps, epochs):
    config = changed("num_steps", steps)
    config.num_epochs = epochs
    with pytest.raises(ConfigError, match=f"num_steps={steps} and config.num_epochs={epochs}: set one"):
        check(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 2**32 - 1),
        ("keep_checkpoints", 1),
        ("model.image_size", (16, 8)),
        ("optimizer.decay_from", 1.0),
        ("optimizer.ema_decay", 0.0),
        ("optimizer.learning_rate", 0.0),
    ],
)
def test_bounds_themselves_can_be_used(key, value):
    check(changed(key, value))


def test_what_stands_where_an_experiment_says_nothing_can_be_used():
    check(default.get_config())


def test_variants_change_what_they_name_and_others_are_refused():
    variants = {"": {"model.ngf": 3}, "wide": {"model.ngf": 9, "optimizer.betas": (0.1, 0.2)}}
    assert with_variant(default.get_config(), "", variants).model.ngf == 3
    wide = with_variant(default.get_config(), "wide", variants)
    assert (wide.model.ngf, wide.optimizer.betas, wide.model.latent_dim) == (9, (0.1, 0.2), 32)
    with pytest.raises(ConfigError) as caught:
        with_variant(default.get_config(), "tall", variants)
    assert one_line(caught.value) == "no variant 'tall' of this configuration: known are wide"


def test_overrides_reach_the_configuration():
    size, source = "--config.model.image_size=(32, 16)", "--config.data.source=folder"
    config = parsed("--config.model.ngf=4", size, "--config.optimizer.ema_decay=0", source)
    assert config.model.ngf == 4 and config.model.image_size == (32, 16)
    assert config.optimizer.ema_decay == 0.0 and config.data.source == "folder"
    assert config.model.latent_dim == TINY["model.latent_dim"]


WRONG = {
    bool: (1, "yes", None),
    int: (-(10**30), 10**30, 10**6000, 1.5, float("nan"), float("inf"), True, "1", None, (1,)),
    float: (-1e30, 1e30, 10**400, float("nan"), float("inf"), -float("inf"), True, "1", None, (1.0,)),
    str: (1, None, ("a",), True),
    tuple: ((), (0,) * 99, (-1, -1), (10**30,) * 2, (float("nan"),) * 2, (True,) * 2, ("a", "b"), [8, 8], 8, "8", None),
}  # fmt: skip
EMPTY = {"model.latent_channels"}  # keys that may be empty


def leaves(config: ConfigDict, prefix: str = "") -> dict:
    parts = (
        leaves(v, f"{prefix}{k}.") if isinstance(v, ConfigDict) else {f"{prefix}{k}": v} for k, v in config.items()
    )
    return {key: value for part in parts for key, value in part.items()}


@pytest.mark.parametrize("key", leaves(default.get_config()))
def test_every_key_refuses_absurd_values_and_names_them(key):
    given = leaves(default.get_config())
    for value in WRONG[type(given[key])]:
        if value == () and key in EMPTY:
            continue
        with pytest.raises(ConfigError) as caught:
            check(ConfigDict(nested({**given, key: value})))
        text = one_line(caught.value)
        assert text.startswith(f"config.{key}=") and ": expected " in text, (value, text)


def nested(values: dict) -> dict:
    """The tree of keys `a.b`."""
    tree: dict = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[name] = value
    return tree


def test_keys_that_are_missing_or_unknown_are_named():
    given = leaves(default.get_config())
    for changes, message in (
        ({"optimizer.learning_rat": 1.0}, "config.optimizer.learning_rat: unknown key (did you mean learning_rate?)"),
        ({"model": 3}, "config.model=3: expected keys below it"),
    ):
        kept = {key: value for key, value in given.items() if key.partition(".")[0] not in changes}
        with pytest.raises(ConfigError) as caught:
            check(ConfigDict(nested(kept | changes)))
        assert one_line(caught.value).startswith(message)
    del given["model.gain"]
    with pytest.raises(ConfigError, match=r"^config\.model\.gain is missing: begin with the configuration of"):
        check(ConfigDict(nested(given)))


def test_epochs_become_steps():
    config = changed("num_steps", 0)
    config.num_epochs, config.batch_size = 3, 8
    assert total_steps(config, 80) == 30
    assert total_steps(config, 85) == 31
    assert total_steps(config, 1) == 1
    assert total_steps(get_config(), 80) == 24
    config.num_epochs = 10**6
    with pytest.raises(ConfigError, match="num_epochs=1000000: gives 12500000000 steps: expected at most 2147483647"):
        total_steps(config, 100_000)


def test_what_is_built_is_what_the_configuration_says():
    config, space = get_config(), LabelSpace(("hair", "skin"), drawing_order=("skin", "hair"))
    config.model.image_size = (32, 16)
    model = setup.build_model(config, space)
    assert (model.num_channels, model.order, model.image_size) == (3, (2, 1), (32, 16))
    for key in ("ngf", "context_dim", "hidden_dim", "latent_dim", "spectral_norm", "gain"):
        assert getattr(model, key) == config.model[key], key
    step = setup.build_step(config, space)
    plain = dict(
        reconstruction="bce_dice", kl_weight=1e-5, ema_decay=0.9, seed=0, random_order=False, remat=False, accumulate=1,
        kl_warmup=0, reduction="steps", classes_per_map=0,
    )  # fmt: skip
    assert vars(step) == plain | {"augmentation": Augmentation()}
    config.data.update(flip=True, rotate=5.0, scale=0.1, shift=0.2, drop_classes=0.3)
    expected = Augmentation(space, rotate=5.0, scale=0.1, shift=0.2, drop_classes=0.3)
    assert vars(setup.build_step(config, space)) == plain | {"augmentation": expected}
    config.model.name = "hierarchical"
    assert setup.build_augmentation(config, space) == Augmentation(space, 5.0, 0.1, 0.2, 0.3, moved_share=0.5)
    config.model.augment_labels = False
    assert setup.build_augmentation(config, space) == expected
    assert isinstance(setup.build_optimizer(config, 24), optax.GradientTransformation)


def train_script(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "train.py", *arguments], cwd=ROOT, env=dict(os.environ), text=True,
                          capture_output=True, timeout=120)  # fmt: skip


def test_the_script_ends_with_one_line_and_status_2(tmp_path):
    unknown = train_script(f"--config={TINY_FILE}", "--config.model.nfg=4", f"--workdir={tmp_path / 'run'}")
    bad = train_script(f"--config={TINY_FILE}", "--config.batch_size=0", f"--workdir={tmp_path / 'run'}")
    for run, named in [(unknown, "nfg"), (bad, "config.batch_size=0: expected 1 to 1000000")]:
        lines = run.stderr.splitlines()
        assert run.returncode == 2 and run.stdout == "", run
        assert len(lines) == 1 and lines[0].startswith("error: ") and named in lines[0], run.stderr
