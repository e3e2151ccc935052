"""Damage to saved steps and to cards of any version is named; good files beside it are read."""

# Fixtures of the other file are imported by name.
# ruff: noqa: F401, F811

import contextlib
import copy as copying
import functools
import json
from pathlib import Path

import pytest
from test_checkpoints import (
    assert_same,
    copy,
    here,
    largest,
    make_batches,
    make_state,
    message,
    saved,
    saved_steps,
)

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.checkpoint.saving import Checkpoints
from segvae_jax.errors import CheckpointError

# Once a read has failed, Orbax leaves other reads behind that nobody awaits.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def refused_resume(directory: Path) -> str:
    with contextlib.closing(Checkpoints(directory)) as checkpoints:
        return message(CheckpointError, lambda: checkpoints.restore(make_state(0), here(), make_batches()))


def test_a_flipped_bit_of_any_array_file_is_named_on_load_and_on_resume(copy):
    for item, at in (("variables", 40), ("variables", -9), ("optimizer", 100)):
        path = largest(copy / "steps" / "5" / item)
        flip(path, at)
        assert f"{path}: not the file that SHA256SUMS lists" in refused_resume(copy)
        if item == "variables":
            assert f"{path}: not the file" in message(CheckpointError, lambda: load_variables(copy))
        else:
            assert load_variables(copy)[2] == 5, "it is not needed here"
        flip(path, at)
    path = copy / "steps" / "5" / "data" / "process_0-of-1.json"
    path.write_text(path.read_text().replace("0", "7"))
    assert f"{path}: not the file" in refused_resume(copy)


def test_steps_of_earlier_versions_have_no_digests_and_are_read(copy):
    for path in copy.glob("steps/*/SHA256SUMS"):
        path.unlink()
    assert load_variables(copy)[2] == 5
    with contextlib.closing(Checkpoints(copy)) as checkpoints:
        assert_same(vars(checkpoints.restore(make_state(0), here(), make_batches())), vars(make_state(5)))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"validation_loss": 0.5}', b"\xff", b"[" * 9999])
@pytest.mark.parametrize("sums", [True, False])
def test_damaged_losses_of_one_step_do_not_block_others(copy, content, sums):
    """They are set aside, and the step is kept, since it might be the best one."""
    (copy / "steps" / "3" / "metrics" / "metrics").write_bytes(content)
    if not sums:
        (copy / "steps" / "3" / "SHA256SUMS").unlink()
    assert load_variables(copy)[2] == 5 and load_variables(copy, step=3)[2] == 3
    with contextlib.closing(Checkpoints(copy, keep=1)) as checkpoints:
        assert_same(vars(checkpoints.restore(make_state(0), here(), make_batches())), vars(make_state(5)))
        for step in (6, 7):
            checkpoints.save(make_state(step), make_batches(), 0.75)
    assert 3 in saved_steps(copy) and 7 in saved_steps(copy)
    with contextlib.closing(Checkpoints(copy, keep=1)) as checkpoints:
        assert checkpoints.latest() == 7


def test_other_files_beside_the_steps_do_not_block(copy):
    (copy / "steps" / "notes").mkdir()
    (copy / "steps" / ".DS_Store").touch()
    (copy / "steps" / "3" / "_CHECKPOINT_METADATA").write_bytes(b"\xff")
    assert load_variables(copy)[2] == 5 and load_variables(copy, step=3)[2] == 3


def test_a_changed_entry_of_the_card_is_noticed(copy):
    text = (copy / "model.json").read_text()
    for old, new in (
        ('"hair"', '"hail"'),
        ('"step": 0', '"step": 1'),
        ('"sha256"', '"sha25v"'),
        ('"gain": 0.02', '"gain": 0.03'),
    ):
        assert old in text
        (copy / "model.json").write_text(text.replace(old, new))
        assert "damaged" in message(CheckpointError, lambda: load_variables(copy))


@pytest.fixture(scope="module")
def entries(saved) -> dict:
    """Of a card of an earlier version, whose values have no digest."""
    card = json.loads((saved / "model.json").read_text())
    del card["sha256"]
    return card


VALUES = (None, True, -1, 2**63, 10**400, 1.5, float("nan"), "", "é", "00", [], [[]], [1], ["a"], {}, {"a": 1})


def leaves(node, path=()):
    """Paths to every value of nested containers, the containers included."""
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from leaves(child, (*path, key))


def test_any_other_value_in_an_old_card_is_refused_or_makes_a_model(entries, tmp_path):
    """Every value is replaced by values of other types and sizes, and every entry is left out."""
    path, read = tmp_path / "model.json", 0
    for place in leaves(entries):
        for value in VALUES if place else ([], 3, None):
            card = copying.deepcopy(entries)
            if place:
                node = functools.reduce(lambda inner, key: inner[key], place[:-1], card)
                node[place[-1]] = value
            path.write_text(json.dumps(card if place else value))
            try:
                assert ModelCard.read(tmp_path).model() is not None
                read += 1
            except CheckpointError as error:
                assert "\n" not in str(error)
    assert 0 < read < 200, read
    path.write_text("[" * 100_000)
    assert "damaged" in message(CheckpointError, lambda: ModelCard.read(tmp_path))
