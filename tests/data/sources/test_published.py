import os

import numpy as np
import pytest
from layout_writers import celebamask, human_parsing, names_painted, refusal, write_maps

from segvae_jax import maps
from segvae_jax.data.cartoon import cartoon_map
from segvae_jax.data.sources import cartoon
from segvae_jax.labels import CELEBAMASK_HQ, HUMAN_PARSING


def test_celebamask_reads_official_indices_and_restores_skin(tmp_path):
    index = np.arange(19, dtype=np.uint8)[None, ::-1].repeat(2, axis=0)  # left classes on the right, as in a face
    source = celebamask(write_maps(tmp_path / "maps", face=index))
    assert source.space is CELEBAMASK_HQ and source.ids == ("face",)
    class_maps = source.read("face", (2, 19))
    assert class_maps.dtype == bool and not class_maps[..., 0].any()
    assert names_painted(source, "face", (2, 19))[:19] == list(CELEBAMASK_HQ.names)[::-1]
    under = {CELEBAMASK_HQ.names[i] for i in class_maps[0, ::-1, CELEBAMASK_HQ.channel("skin")].nonzero()[0]}
    assert under == set("skin nose eye_g l_eye r_eye l_brow r_brow mouth u_lip l_lip".split())


def test_human_parsing_reads_atr_indices(tmp_path):
    source = human_parsing(write_maps(tmp_path / "maps", body=np.arange(18)[None]))
    assert source.space is HUMAN_PARSING
    np.testing.assert_array_equal(source.read("body", (1, 18))[0], np.eye(18, dtype=bool) & (np.arange(18) > 0))


@pytest.mark.parametrize(("make", "limit"), [(celebamask, 19), (human_parsing, 18)])
def test_an_index_beyond_the_known_classes_is_refused(tmp_path, make, limit):
    folder = write_maps(tmp_path / "maps", odd=np.full((8, 6), limit))
    message = refusal(make(folder).read, "odd", (4, 3))
    assert message.startswith(f"{folder / 'odd.png'}: index {limit} is out of range: expected 0 to {limit - 1}")


@pytest.mark.parametrize("make", [celebamask, human_parsing])
def test_pixels_that_nobody_annotated_are_refused(tmp_path, make):
    source = make(write_maps(tmp_path / "maps", odd=[[0, 1, 255]]))
    message = refusal(source.read, "odd", (1, 3))
    assert message.startswith(f"{tmp_path / 'maps/odd.png'}: index 255 is out of range: expected 0 to 1")
    assert message.endswith("labels with background): if it marks pixels that are not annotated, set them to 0")


def test_maps_are_read_at_the_size_asked_for(tmp_path):
    index = np.random.default_rng(0).integers(0, 18, (9, 7))
    source = human_parsing(write_maps(tmp_path / "maps", body=index.repeat(4, 0).repeat(4, 1)))
    small = maps.index_to_class_maps(index.astype(np.uint8), 18)
    np.testing.assert_array_equal(source.read("body", (9, 7)), small)
    assert source.read("body", (5, 3)).shape == (5, 3, 18)


def test_ids_are_sorted_and_other_files_are_passed_over(tmp_path):
    folder = write_maps(tmp_path / "maps", **{name: [[1]] for name in ("b", "a-1", "a", "10", "9")})
    (folder / "notes.txt").write_text("no map")
    assert human_parsing(folder).ids == ("10", "9", "a", "a-1", "b")


@pytest.mark.parametrize("make", [celebamask, human_parsing])
def test_a_missing_or_empty_folder_is_refused(tmp_path, make):
    assert "no such folder or .zip: set data.path" in refusal(make, tmp_path / "missing")
    assert f"{tmp_path}: is empty" in refusal(make, tmp_path)


def test_the_version_follows_the_files(tmp_path):
    folder = write_maps(tmp_path / "maps", one=[[1]])
    first = human_parsing(folder)
    assert human_parsing(folder).version == first.version and not first.order_by_area
    os.utime(folder / "one.png", ns=(1, 1))
    touched = human_parsing(folder)
    assert touched.version != first.version
    write_maps(folder, two=[[1]])
    assert human_parsing(folder).version not in (first.version, touched.version)


def test_cartoon_source_draws_its_numbered_maps():
    source = cartoon.cartoon("faces", 3, 5)
    assert source.name == "cartoon_faces" and source.ids == ("000000", "000001", "000002")
    np.testing.assert_array_equal(source.read("000002", (16, 12)), cartoon_map("faces", 5, 2, (16, 12)))
    assert source.version == cartoon.cartoon("faces", 9, 5).version != cartoon.cartoon("faces", 3, 6).version
    assert cartoon.cartoon("people", 3, 5).space != source.space


def test_an_unknown_cartoon_is_refused():
    assert refusal(cartoon.cartoon, "cats", 3, 0) == "cartoon kind 'cats': expected faces or people"
