import numpy as np
import pytest
from layout_writers import write_maps
from PIL import ExifTags, Image

from segvae_jax.data.prepare.builder import prepare
from segvae_jax.data.prepare.conversion import convert
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.sources.registry import SourceOptions, open_source
from segvae_jax.errors import DataError


@pytest.fixture
def folders(tmp_path):
    """Maps `a` to `d` and a label list, and pictures of all but `d`, in other sizes and suffixes."""
    write_maps(tmp_path / "maps", **{name: np.full((4, 6), i % 2 + 1) for i, name in enumerate("abcd")})
    (tmp_path / "names.txt").write_text("nothing\nskirt\nshoe\n")
    (tmp_path / "photos").mkdir()
    for value, name in ((10, "a.jpg"), (20, "b.PNG"), (30, "c.webp")):
        Image.fromarray(np.full((8, 12, 3), value, np.uint8)).save(tmp_path / "photos" / name)
    return tmp_path


def source_of(folder, **changes):
    options = {"path": str(folder / "maps"), "labels": str(folder / "names.txt"), "images": str(folder / "photos")}
    return open_source("folder", SourceOptions(**(options | changes)))


def test_pictures_are_found_by_the_names_of_their_maps(folders):
    source = source_of(folders)
    means = [source.image(name, (3, 5)).mean() for name in "abc"]
    np.testing.assert_allclose(means, [10, 20, 30], atol=2)
    assert source.image("a", (3, 5)).shape == (3, 5, 3)
    assert source.version != source_of(folders, images="").version and source_of(folders, images="").image is None


def test_a_map_without_a_picture_is_named_and_can_be_skipped(folders, tmp_path):
    with pytest.raises(DataError, match="photos: no picture of map 'd': add it, or leave the map out"):
        prepare(source_of(folders), Recipe((4, 6), (4, 6)), tmp_path / "prepared")
    kept = convert(source_of(folders), Recipe((4, 6), (4, 6), skip_broken=True), "d")
    assert kept.example is None and "no picture of map 'd'" in kept.statistics.reason[0]


def test_pictures_of_no_map_and_of_the_same_name_are_refused(folders):
    (folders / "others").mkdir()
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(folders / "others" / "z.png")
    with pytest.raises(DataError, match=r"others: no picture with the name of a map, as a[.]jpg"):
        source_of(folders, images=str(folders / "others"))
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(folders / "photos" / "a.png")
    with pytest.raises(DataError, match=r"a[.]png: .*a[.]jpg stands for the same: remove one of them"):
        source_of(folders)


def test_a_picture_that_exif_data_turn_beside_its_map_is_refused(folders):
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    Image.fromarray(np.zeros((8, 12, 3), np.uint8)).save(folders / "photos" / "a.jpg", exif=turned)
    source = source_of(folders)
    with pytest.raises(DataError, match=r"a[.]jpg: EXIF data turn it to 8 x 12 pixels, but its map has 6 x 4"):
        source.image("a", (4, 6))
