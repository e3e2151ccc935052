import dataclasses
import gc
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from full_disk import small_files
from jax.sharding import Sharding, SingleDeviceSharding

from segvae_jax.checkpoint.card import ModelCard, distinct_label_sets
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.checkpoint.portable import save_portable
from segvae_jax.checkpoint.saving import Checkpoints, save_variables
from segvae_jax.checkpoint.state import TrainState
from segvae_jax.data.feed.batches import train_batches
from segvae_jax.errors import CheckpointError, OutputError
from segvae_jax.labels import LabelSpace
from segvae_jax.training.state import adam

# Once a read has failed, Orbax leaves other reads behind that nobody awaits.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SPACE = LabelSpace(("nose", "skin", "hair"), drawing_order=("skin", "hair", "nose"))
ARGUMENTS = dict(image_size=(16, 8), ngf=2, context_dim=4, hidden_dim=3, latent_dim=2, spectral_norm=True, gain=0.02)
LABEL_SETS = np.array([[0, 1, 1, 0], [0, 0, 1, 1], [0, 1, 1, 0]], bool)
CARD = ModelCard(SPACE, ARGUMENTS, *distinct_label_sets(LABEL_SETS), prepared="/data/faces")


def card_fields(card: ModelCard) -> dict:
    return {name: np.asarray(v).tolist() if isinstance(v, np.ndarray) else v for name, v in vars(card).items()}


def make_state(step: int = 0, spectral: bool = True, ema: bool = True, width: int = 3) -> TrainState:
    rng = np.random.default_rng(step)
    draw = lambda: {"layer": {"kernel": jnp.asarray(rng.standard_normal((2, width)), jnp.float32)}}
    params = draw()
    opt_state = jax.tree.map(lambda a: a + step, adam(lambda _: 0.1, (0.5, 0.999)).init(params))
    return TrainState(jnp.int32(step), params, draw() if spectral else {}, opt_state, draw() if ema else None)


def here() -> Sharding:
    return SingleDeviceSharding(jax.devices()[0])


def make_batches():
    maps = np.arange(10, dtype=np.uint8).repeat(4).reshape(10, 2, 2, 1)
    return train_batches(maps, 3, seed=1)


def assert_same(ours, theirs) -> None:
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


def save_all(directory: Path, losses: dict[int, float], keep: int = 9, **kinds) -> None:
    """Saves the given steps with their validation losses, and the card."""
    checkpoints = Checkpoints(directory, keep)
    for step, loss in losses.items():
        checkpoints.save(make_state(step, **kinds), make_batches(), loss)
    checkpoints.close()
    CARD.write(directory)


def saved_steps(directory: Path) -> list[int]:
    return sorted(int(path.name) for path in (directory / "steps").iterdir())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the checkpoints of steps 3 and 5. Tests must not change it."""
    directory = tmp_path_factory.mktemp("saved")
    save_all(directory, {3: 1.0, 5: 2.0})
    return directory


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


@pytest.mark.parametrize(("spectral", "ema"), [(True, True), (False, False)])
def test_what_is_saved_is_restored_bit_for_bit(tmp_path, spectral, ema):
    state, batches = make_state(7, spectral, ema), make_batches()
    for _ in range(5):
        next(batches)
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest() is None
    checkpoints.save(state, batches, 1.0)
    expected = [next(batches) for _ in range(4)]
    checkpoints.close()

    checkpoints, fresh = Checkpoints(tmp_path), make_batches()
    assert checkpoints.latest() == 7
    restored = checkpoints.restore(make_state(0, spectral, ema), here(), fresh)
    checkpoints.close()
    assert_same(vars(restored), vars(state))
    np.testing.assert_array_equal([next(fresh) for _ in range(4)], expected)


def test_a_save_in_the_background_keeps_the_state_of_its_step(tmp_path):
    update = jax.jit(lambda state: jax.tree.map(lambda a: a * 2, state), donate_argnums=0)
    state, checkpoints = make_state(1), Checkpoints(tmp_path)
    expected = jax.tree.map(np.array, vars(state)["params"])
    checkpoints.save(state, make_batches(), 1.0)
    for _ in range(20):
        state = update(state)
    checkpoints.close()
    CARD.write(tmp_path)
    assert_same(load_variables(tmp_path)[1]["params"], jax.tree.map(np.array, make_state(1).ema))
    checkpoints = Checkpoints(tmp_path)
    assert_same(checkpoints.restore(make_state(0), here(), make_batches()).params, expected)
    checkpoints.close()


def test_a_full_disk_is_told_in_one_line_with_the_step_to_go_on_from(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(make_state(3), make_batches(), 0.5)
    checkpoints.wait()
    with small_files(100), pytest.raises(OutputError) as caught:
        checkpoints.save(make_state(5), make_batches(), 0.5)
        checkpoints.wait()
    advice = "make room or allow it, and start again to go on from step 3, which is saved"
    assert str(caught.value) == f"{tmp_path}: cannot be written (File too large): {advice}"
    CARD.write(tmp_path)
    assert load_variables(tmp_path)[2] == 3 and Checkpoints(tmp_path).latest() == 3


def test_the_latest_and_the_best_are_kept(tmp_path):
    save_all(tmp_path, {1: 3.0, 2: 1.0, 3: 2.0, 4: 5.0, 5: 4.0}, keep=2)
    assert saved_steps(tmp_path) == [2, 4, 5]
    # A later process knows the best step of an earlier one. A step without a loss is never the best.
    checkpoints = Checkpoints(tmp_path, keep=2)
    checkpoints.save(make_state(6), make_batches())
    checkpoints.save(make_state(7), make_batches(), 6.0)
    checkpoints.save(make_state(8), make_batches(), 7.0)
    checkpoints.close()
    assert saved_steps(tmp_path) == [2, 7, 8]


def test_weights_are_loaded_by_step_and_averaged_where_kept(saved, tmp_path):
    card, variables, step = load_variables(saved)
    assert step == 5 and card_fields(card) == card_fields(CARD)
    assert_same(variables, {"params": make_state(5).ema, "spectral": make_state(5).spectral})
    assert_same(load_variables(str(saved), step=3)[1]["params"], make_state(3).ema)
    save_all(tmp_path, {4: 1.0}, spectral=False, ema=False)
    assert_same(load_variables(tmp_path)[1], {"params": make_state(4, False, False).params, "spectral": {}})


def test_an_import_holds_a_model_without_training_state(tmp_path):
    card = ModelCard(SPACE, ARGUMENTS, np.zeros((0, 4), bool), np.zeros(0, int))
    variables = {"params": make_state(1).params, "spectral": make_state(1).spectral}
    save_variables(tmp_path, card, variables)
    loaded, ours, step = load_variables(tmp_path)
    assert step == 0 and card_fields(loaded) == card_fields(card)
    assert_same(ours, variables)


def test_the_card_is_read_as_written_and_makes_the_model(tmp_path):
    CARD.write(tmp_path)
    card = ModelCard.read(tmp_path)
    assert card_fields(card) == card_fields(CARD)
    assert card.label_sets.tolist() == [[0, 0, 1, 1], [0, 1, 1, 0]] and card.counts.tolist() == [1, 2]
    model = card.model()
    assert (model.num_channels, model.order) == (4, (2, 3, 1))
    assert {name: getattr(model, name) for name in ARGUMENTS} == ARGUMENTS
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


@pytest.mark.parametrize("num_classes", [7, 8, 20])
def test_label_sets_of_any_width_survive_the_card(tmp_path, num_classes):
    space = LabelSpace(tuple(f"class {i}" for i in range(num_classes)))
    label_sets = np.random.default_rng(0).random((5, num_classes + 1)) < 0.5
    ModelCard(space, ARGUMENTS, label_sets, np.arange(5)).write(tmp_path)
    np.testing.assert_array_equal(ModelCard.read(tmp_path).label_sets, label_sets)


def test_a_card_tells_another_model(tmp_path):
    CARD.require_same_model(dataclasses.replace(CARD, prepared="", label_sets=LABEL_SETS[:2]), tmp_path)
    wider = dataclasses.replace(CARD, arguments={**ARGUMENTS, "ngf": 4})
    with pytest.raises(CheckpointError, match=r"holds a model with ngf=2, the configuration says 4: use"):
        CARD.require_same_model(wider, tmp_path)
    other = dataclasses.replace(CARD, space=LabelSpace(("skin", "hair", "hat")))
    with pytest.raises(CheckpointError, match=r"classes=\('nose', 'skin', 'hair'\)"):
        CARD.require_same_model(other, tmp_path)
    renumbered = dataclasses.replace(CARD, space=dataclasses.replace(SPACE, classes=("skin", "nose", "hair")))
    with pytest.raises(CheckpointError, match=r"classes=\('nose', 'skin', 'hair'\), the configuration says \('skin'"):
        CARD.require_same_model(renumbered, tmp_path)


@pytest.mark.parametrize("change", [dict(ema=False), dict(spectral=False), dict(width=4)])
def test_a_checkpoint_of_another_configuration_is_refused(saved, change):
    checkpoints = Checkpoints(saved)
    error = message(CheckpointError, lambda: checkpoints.restore(make_state(0, **change), here(), make_batches()))
    assert str(saved / "steps" / "5") in error and "use the configuration it was trained with" in error
    checkpoints.close()


def largest(directory: Path) -> Path:
    return max((f for f in directory.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)


DAMAGE = {
    "truncated": lambda d: [f.write_bytes(f.read_bytes()[:20]) for f in d.glob("variables/**/d/*")],
    "a file is gone": lambda d: [f.unlink() for f in d.glob("variables/**/d/*")],
    "no variables": lambda d: shutil.rmtree(d / "variables"),
    "bad metadata": lambda d: (d / "variables" / "_METADATA").write_text("{"),
    "no metadata": lambda d: (d / "variables" / "_METADATA").unlink(),
    "empty": lambda d: [shutil.rmtree(d), d.mkdir()],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_step_is_named(copy, damage):
    DAMAGE[damage](copy / "steps" / "5")
    error = message(CheckpointError, lambda: load_variables(copy))
    assert f"{copy}: step 5 is damaged" in error and "use another step" in error
    assert load_variables(copy, step=3)[2] == 3
    if damage != "no metadata":  # the given state holds the same information
        checkpoints = Checkpoints(copy)
        error = message(CheckpointError, lambda: checkpoints.restore(make_state(0), here(), make_batches()))
        assert str(copy / "steps" / "5") in error
        checkpoints.close()


CARDS = {
    "other JSON": lambda f: f.write_text("[]"),
    "binary": lambda f: f.write_bytes(b"\xff\xfe"),
    "cut": lambda f: f.write_text(f.read_text()[:200]),
    "twice the same class": lambda f: f.write_text(f.read_text().replace('"nose"', '"skin"')),
    "unknown argument": lambda f: f.write_text(f.read_text().replace('"ngf"', '"fgn"')),
    "a directory": lambda f: [f.unlink(), f.mkdir()],
}


@pytest.mark.parametrize("damage", CARDS)
def test_a_damaged_card_is_named(copy, damage):
    CARDS[damage](copy / "model.json")
    assert f"{copy / 'model.json'}: damaged" in message(CheckpointError, lambda: load_variables(copy))


def test_a_later_format_is_refused(copy):
    card = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps({**card, "format": 2}))
    assert "format 2: this version reads format 1" in message(CheckpointError, lambda: load_variables(copy))


def test_a_card_from_before_there_were_other_models_and_ablations_is_of_segvae_as_it_was(tmp_path):
    CARD.write(tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    assert card.pop("name") == "segvae" and card.pop("weights") == card.pop("program") == "" and card.pop("step") == 0
    assert len(card.pop("sha256")) == 64
    (tmp_path / "model.json").write_text(json.dumps(card))
    read = ModelCard.read(tmp_path)
    assert read.model() == CARD.model() and read.model().recurrent
    written = dataclasses.replace(CARD, arguments={**ARGUMENTS, "recurrent": True})
    read.require_same_model(written, tmp_path)
    written = dataclasses.replace(CARD, arguments={**ARGUMENTS, "recurrent": False})
    error = message(CheckpointError, lambda: read.require_same_model(written, tmp_path))
    assert "holds a model with recurrent=True, the configuration says False" in error


def test_what_is_not_there_is_named(copy):
    missing = copy / "nothing"
    assert f"{missing}: no checkpoint in it" in message(CheckpointError, lambda: load_variables(missing))
    assert not missing.exists()
    error = message(CheckpointError, lambda: load_variables(copy, step=4))
    assert error == f"{copy}: step 4 is not saved: saved steps are 3, 5"
    shutil.rmtree(copy / "steps")
    assert f"{copy}: no saved step in it" in message(CheckpointError, lambda: load_variables(copy))
    (copy / "steps").mkdir()
    assert "no saved step in it" in message(CheckpointError, lambda: load_variables(copy))


def test_a_portable_checkpoint_holds_one_step_and_no_path(tmp_path):
    params = make_state(5).params
    save_portable(tmp_path / "new", dataclasses.replace(CARD, step=5), {"params": params})
    for step in (None, 5):
        card, variables, loaded = load_variables(tmp_path / "new", step)
        assert card_fields(card) == {**card_fields(CARD), "prepared": "", "weights": card.weights, "step": 5}
        assert loaded == 5 and variables["spectral"] == {}
        assert_same(variables["params"], params)
    error = message(CheckpointError, lambda: load_variables(tmp_path / "new", 4))
    assert error == f"{tmp_path / 'new'}: step 4 is not saved: the only one is 5"
    save_portable(tmp_path, CARD, {"params": make_state(6).params})
    shutil.copy(tmp_path / "weights.npz", tmp_path / "new")
    assert "SHA-256" in message(CheckpointError, lambda: load_variables(tmp_path / "new"))


def test_what_a_killed_save_leaves_is_neither_loaded_nor_kept(copy):
    half = copy / "steps" / "9.orbax-checkpoint-tmp"
    shutil.copytree(copy / "steps" / "5", half)
    (half / "commit_success.txt").unlink()
    shutil.rmtree(half / "optimizer")
    assert load_variables(copy)[2] == 5
    checkpoints = Checkpoints(copy)
    assert checkpoints.latest() == 5
    assert_same(vars(checkpoints.restore(make_state(0), here(), make_batches())), vars(make_state(5)))
    checkpoints.save(make_state(9), make_batches(), 0.5)
    checkpoints.close()
    assert saved_steps(copy) == [3, 5, 9]
    assert_same(load_variables(copy)[1]["params"], make_state(9).ema)


def message(kind: type[Exception], call) -> str:
    """The message of the error that a call must raise: one line of limited length."""
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    del caught
    gc.collect()  # what Orbax left behind, while it is ignored
    assert "\n" not in text and len(text) < 700
    return text
