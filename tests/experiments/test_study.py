"""The user study: the page reveals nothing about the folders, and the files of votes are checked."""

import base64
import json
import re

import numpy as np
import pytest
from html_pages import Page
from PIL import Image

from experiments.study_page import a_is_left, arrange, write_study
from experiments.study_votes import count_votes, preference, read_votes
from segvae_jax import pictures
from segvae_jax.errors import DataError, MapError, OutputError
from segvae_jax.labels import LabelSpace

SPACE = LabelSpace(("roof", "wall"))
EMBEDDED = re.compile(r"data:image/png;base64,([\w+/=]+)")


@pytest.fixture
def folders(tmp_path):
    """Seven index maps with a palette, and five RGB pictures."""
    rng = np.random.default_rng(0)
    pictures.write_index_pngs(tmp_path / "ours", rng.integers(0, 3, (7, 8, 6)).astype(np.uint8), SPACE)
    for i, rgb in enumerate(rng.integers(0, 256, (5, 8, 6, 3)).astype(np.uint8)):
        pictures.save_picture(tmp_path / "theirs" / f"{i}.png", rgb)
    return tmp_path / "ours", tmp_path / "theirs"


def decoded(url):
    return pictures.decode_rgb(base64.b64decode(EMBEDDED.fullmatch(url)[1]), "page")


def colours(folder):
    return [np.asarray(Image.open(file).convert("RGB")).tobytes() for file in sorted(folder.glob("*.png"))]


def test_every_picture_is_in_the_page_on_the_side_that_the_seed_says(folders, tmp_path):
    study = write_study(tmp_path / "study.html", *folders, pairs=50, seed=3)
    page = (tmp_path / "study.html").read_text()
    shown = json.loads(re.search(r'id="study">(.*?)</script>', page)[1])["pictures"]
    assert study.pairs == len(shown) == 5
    ours, theirs = map(colours, folders)
    left = a_is_left(5, 3)
    assert abs(left.sum() - 2.5) == 0.5
    first = [decoded(pair[0 if at_left else 1]).tobytes() for pair, at_left in zip(shown, left, strict=True)]
    second = [decoded(pair[1 if at_left else 0]).tobytes() for pair, at_left in zip(shown, left, strict=True)]
    assert len(set(first)) == 5 and set(first) <= set(ours) and sorted(second) == sorted(theirs)


def test_equal_settings_give_equal_pages_and_another_seed_another(folders, tmp_path):
    names = [write_study(tmp_path / f"{i}.html", *folders, seed=seed).name for i, seed in enumerate((0, 0, 1))]
    pages = [(tmp_path / f"{i}.html").read_bytes() for i in range(3)]
    assert pages[0] == pages[1] != pages[2] and names[0] == names[1] != names[2]
    orders = {tuple(arrange(40, 40, 30, seed).a) for seed in range(5)}
    assert len(orders) == 5 and all(len(set(order)) == 30 for order in orders)


def test_the_page_is_whole_and_tells_neither_folder_nor_network(folders, tmp_path):
    write_study(tmp_path / "study.html", *folders)
    page = (tmp_path / "study.html").read_text()
    for word in ("ours", "theirs", str(tmp_path), ".png", "roof", "://"):
        assert word not in EMBEDDED.sub("", page)
    Page(page).assert_harmless(scripts=2)
    assert "default-src 'none'" in page


def test_folders_that_make_no_study_are_refused(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").write_text("")
    with pytest.raises(DataError, match="no PNG file in it"):
        write_study(tmp_path / "study.html", folders[0], tmp_path / "empty")
    pictures.save_picture(tmp_path / "other" / "0.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DataError, match=r"sizes \(8, 6\) and \(8, 8\): expected one size"):
        write_study(tmp_path / "study.html", folders[0], tmp_path / "other")
    (tmp_path / "other" / "0.png").write_text("no picture")
    with pytest.raises(MapError, match=r"0\.png: cannot be read"):
        write_study(tmp_path / "study.html", folders[0], tmp_path / "other")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_study(tmp_path / "file" / "study.html", *folders)
    assert not list(tmp_path.glob("*.html"))


def saved(path, sides, **changes):
    votes = [{"pair": i, "side": side, "milliseconds": 900} for i, side in enumerate(sides)]
    about = {"format": 1, "study": "abc", "seed": 4, "pairs": 6, "voter": path.stem, "votes": votes}
    path.write_text(json.dumps({**about, **changes}))
    return path


def test_votes_are_counted_for_the_first_folder(tmp_path):
    sides = np.where(a_is_left(6, 4), "left", "right").tolist()
    swapped = [{"left": "right", "right": "left"}[side] for side in sides]
    always = saved(tmp_path / "always.json", sides)
    once = saved(tmp_path / "once.json", [sides[0], *swapped[1:4]])
    assert count_votes([read_votes(always)]) == (6, 6, 1)
    assert count_votes([read_votes(always), read_votes(once)]) == (7, 10, 2)


def test_the_interval_is_that_of_clopper_and_pearson():
    result = preference(7, 10)
    np.testing.assert_allclose([result.low, result.high], [0.347547, 0.933260], atol=1e-6)  # from published tables
    assert result.p_value == pytest.approx(0.34375)
    assert preference(0, 4).low == 0 and preference(4, 4).high == 1
    assert "7 of 10 votes by 1 voter(s): 70.0% (95 % interval 34.8% to 93.3%" in result.line()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2, expected 1"),
        ({"seed": "4"}, "'4' where int"),
        ({"seed": True}, "True where int"),
        ({"pairs": -6}, "-6 where int"),
        ({"voter": 5}, "5 where str"),
        ({"votes": [{"pair": 0}]}, "no 'side'"),
        ({"votes": [{"pair": 6, "side": "left"}]}, "pair 6 is not one of 6"),
        ({"votes": [{"pair": 1, "side": "left"}] * 2}, "pair 1 is voted on twice"),
        ({"votes": [{"pair": 1, "side": "up"}]}, "side 'up' of pair 1"),
        ({"votes": 3}, "not iterable"),
    ],
)
def test_malformed_votes_are_refused(tmp_path, changes, message):
    path = saved(tmp_path / "votes.json", ["left"], **changes)
    with pytest.raises(DataError, match=message) as caught:
        read_votes(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_what_is_no_file_of_votes_is_refused(tmp_path):
    for text in ("", "[1]", "{}", "\x00"):
        (tmp_path / "odd.json").write_text(text)
        with pytest.raises(DataError, match=r"odd\.json: (cannot be read|not the votes of a study)"):
            read_votes(tmp_path / "odd.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_votes(tmp_path / "absent.json")


def test_votes_that_do_not_go_together_are_refused(tmp_path):
    one = read_votes(saved(tmp_path / "one.json", ["left"]))
    with pytest.raises(DataError, match=r"other\.json: belongs to study xyz, but .*one\.json to study abc"):
        count_votes([one, read_votes(saved(tmp_path / "other.json", ["left"], study="xyz"))])
    with pytest.raises(DataError, match=r"again\.json: holds votes of the same voter"):
        count_votes([one, read_votes(saved(tmp_path / "again.json", ["right"], voter="one"))])
    with pytest.raises(DataError, match=r"none\.json: holds no votes yet"):
        count_votes([read_votes(saved(tmp_path / "none.json", []))])
