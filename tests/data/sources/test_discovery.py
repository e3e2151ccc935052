"""All readers find the same files: the user's own maps, the published layouts, and the maps that are scored."""

import os

import numpy as np
import pytest
from layout_writers import celebamask, encoded, human_parsing, official_files, put, refusal, release_files

from segvae_jax.data.sources.folder import folder
from segvae_jax.evaluation.map_set import read_map_set
from segvae_jax.given_maps import Meaning
from segvae_jax.labels import HUMAN_PARSING

MAPS = [encoded(np.full((4, 3), value, np.uint8)) for value in (1, 2, 3)]
NAMES = "\n".join(HUMAN_PARSING.names)


def own(path):
    (path.parent / "names.txt").write_text(NAMES)
    source = folder(path, path.parent / "names.txt")
    return [int(source.native(i).argmax(-1)[0, 0]) for i in source.ids]


def published(make):
    def read(path):
        source = make(path)
        return [int(source.native(i)[0, 0].nonzero()[0][-1]) for i in source.ids]

    return read


def scored(path):
    return read_map_set(path, Meaning(HUMAN_PARSING), (4, 3)).index_maps[:, 0, 0].tolist()


readers = pytest.mark.parametrize(
    "read", [own, published(celebamask), published(human_parsing), scored], ids=["own", "faces", "people", "scored"]
)


@readers
def test_suffixes_are_read_in_any_case_and_what_is_hidden_or_no_png_is_passed_over(tmp_path, read):
    hidden = (".one.png", "._a.png", ".ipynb_checkpoints/a-checkpoint.png", "__MACOSX/a.png", "@eaDir/a.png", ".git/x")
    files = {"a.png": MAPS[0], "b.PNG": MAPS[1], "c.Png": MAPS[2], "notes.txt": b"", "a.jpg": b"", "Thumbs.db": b""}
    assert read(put(tmp_path / "maps", files | dict.fromkeys(hidden, b"no picture"))) == [1, 2, 3]


@readers
def test_two_files_of_one_name_are_refused(tmp_path, read):
    path = put(tmp_path / "maps", {"a.png": MAPS[0], "a.PNG": MAPS[1]})
    assert refusal(read, path) == f"{path}/a.png: {path}/a.PNG stands for the same: remove one of them"


@readers
def test_maps_beside_maps_in_subfolders_are_refused_and_either_alone_is_read(tmp_path, read):
    path = put(tmp_path / "maps", {"a.png": MAPS[0], "old/b.png": MAPS[1], "old/c.png": MAPS[2]})
    message = refusal(read, path)
    assert message.startswith(f"{path}/a.png and {path}/old/b.png are in one folder and in a subfolder of it")
    (path / "a.png").unlink()
    assert read(path) == [2, 3]


@pytest.mark.parametrize("read", [own, scored])
def test_maps_in_several_subfolders_are_all_read(tmp_path, read):
    path = put(tmp_path / "maps", {"top/1/a.png": MAPS[0], "top/2/a.png": MAPS[1], "top/2/deep/b.PNG": MAPS[2]})
    assert read(path) == [1, 2, 3]
    if read is own:
        assert folder(path, path.parent / "names.txt").ids == ("1/a", "2/a", "2/deep/b")


@readers
def test_links_to_files_are_followed_and_others_named(tmp_path, read):
    path = put(tmp_path / "maps", {"a.png": MAPS[0]})
    (tmp_path / "blob").write_bytes(MAPS[1])
    (path / "b.png").symlink_to("../blob")
    assert read(path) == [1, 2]
    (path / "z.png").symlink_to("../missing")
    assert f"{path}/z.png: is a link that leads nowhere or in a circle" in refusal(read, path)
    os.replace(tmp_path / "blob", tmp_path / "missing")
    assert f"{path}/b.png: is a link that leads nowhere" in refusal(read, path)


@pytest.mark.parametrize("files", [official_files, release_files])
def test_parts_and_pictures_are_read_in_any_case(tmp_path, files):
    stored = files()
    capital = {name[:-3] + name[-3:].upper(): data for name, data in stored.items()}
    plain, other = celebamask(put(tmp_path / "a", stored)), celebamask(put(tmp_path / "b", capital))
    assert plain.ids == other.ids and other.image is not None
    for example_id in plain.ids:
        np.testing.assert_array_equal(plain.native(example_id), other.native(example_id))


def test_pictures_in_a_folder_and_below_it_are_refused_in_published_layouts_too(tmp_path):
    path = put(tmp_path, {f"SegmentationClassAug/{name}": MAPS[0] for name in ("a.png", "old/b.png")})
    assert "are in one folder and in a subfolder of it" in refusal(human_parsing, path)
