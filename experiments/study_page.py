"""The page of a blind user study: pairs of pictures, one from each of two folders.

`study_page.html.jinja`, `.css` and `.js` are what the page consists of. This module arranges the pictures.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int, UInt8

from segvae_jax import pages
from segvae_jax.data.sources.file_tree import open_tree
from segvae_jax.data.sources.reading import pictures_in
from segvae_jax.errors import DataError
from segvae_jax.files import write_atomically
from segvae_jax.pictures import decode_rgb

Pictures = Sequence[UInt8[np.ndarray, "H W 3"]]
_TEMPLATE = Path(__file__).with_suffix(".html.jinja")


@dataclasses.dataclass(frozen=True)
class Study:
    """What the page and the votes on it have in common.

    Attributes:
      name: a hash of the pictures and their arrangement.
      seed: the seed of the arrangement.
      pairs: the number of pairs.
    """

    name: str
    seed: int
    pairs: int


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """Which pictures are compared, in the order of the page.

    Attributes:
      a, b: the numbers of the pictures in the first and in the second folder.
      a_is_left: whether the picture from the first folder is on the left.
    """

    a: Int[np.ndarray, "P"]
    b: Int[np.ndarray, "P"]
    a_is_left: Bool[np.ndarray, "P"]


def a_is_left(pairs: int, seed: int) -> Bool[np.ndarray, "P"]:
    """Whether the picture from the first folder is on the left, for each pair: in half of the pairs, rounded."""
    return np.random.default_rng([seed, 1]).permutation(pairs) % 2 == 0


def arrange(num_a: int, num_b: int, pairs: int, seed: int) -> Arrangement:
    """Up to `pairs` random pairs, as many as the smaller folder allows; no picture is shown twice."""
    rng = np.random.default_rng([seed, 0])
    pairs = min(pairs, num_a, num_b)
    return Arrangement(rng.permutation(num_a)[:pairs], rng.permutation(num_b)[:pairs], a_is_left(pairs, seed))


def write_study(
    out: str | Path, folder_a: str | Path, folder_b: str | Path, *, pairs: int = 50, seed: int = 0
) -> Study:
    """Writes the page; equal folders and settings give equal pages.

    Args:
      out: the HTML file.
      folder_a, folder_b: folders of PNG pictures; index maps are coloured by their palette.
      pairs: the largest number of pairs to compare.
      seed: decides which pictures are paired, in which order and on which side.

    Raises:
      DataError: if a folder has no pictures, or if they differ in size, which would give them away.
      MapError: if a picture cannot be read; it names the file.
      OutputError: if the page cannot be written.
    """
    a, b = read_pictures(folder_a), read_pictures(folder_b)
    sizes = sorted({picture.shape[:2] for picture in (*a, *b)})
    if len(sizes) > 1:
        found = f"{sizes[0]} and {sizes[-1]}"
        raise DataError(
            f"{folder_a}, {folder_b}: pictures of sizes {found}: expected one size, since sizes tell them apart"
        )
    study, page = study_page(a, b, pairs, seed)
    out = Path(out).expanduser()
    write_atomically(out, lambda path: path.write_text(page, encoding="utf-8"))
    return study


def read_pictures(folder: str | Path) -> list[UInt8[np.ndarray, "H W 3"]]:
    """The PNG files of a folder as RGB pictures, sorted by name.

    Raises:
      DataError: if there is no PNG file.
      MapError: if a file cannot be read; it names the file.
    """
    tree = open_tree(folder)
    files = pictures_in(tree, "", ".png").values()
    if not files:
        raise DataError(f"{folder}: there is no PNG file in it: expected a folder of pictures")
    return [decode_rgb(tree.read(name), tree.place(name)) for name in files]


def study_page(a: Pictures, b: Pictures, pairs: int, seed: int) -> tuple[Study, str]:
    """The study and its page as HTML.

    Args:
      a, b: the pictures of the first and of the second folder.
      pairs: the largest number of pairs to compare.
      seed: decides which pictures are paired, in which order and on which side.
    """
    arranged = arrange(len(a), len(b), pairs, seed)
    shown = []
    for i, j, left in zip(arranged.a, arranged.b, arranged.a_is_left, strict=True):
        pair = pages.embedded(a[i]), pages.embedded(b[j])
        shown.append(pair if left else pair[::-1])
    name = hashlib.sha256(json.dumps([shown, seed]).encode()).hexdigest()[:12]
    study = Study(name, seed, len(shown))
    about = {"format": 1, "study": name, "seed": seed, "pairs": len(shown)}
    return study, pages.render(_TEMPLATE, study={"about": about, "pictures": shown})
