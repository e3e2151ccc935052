"""What people call the classes of well-known data sets, and in which spellings a class is found by name."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

Titles = tuple[tuple[str, tuple[str, ...]], ...]  # class name, and what people call it: its title, then aliases

_KNOWN: Mapping[str, str] = {
    # CelebAMask-HQ
    "eye_g": "glasses, eyeglasses, spectacles, sunglasses",
    "l_eye": "left eye",
    "r_eye": "right eye",
    "l_brow": "left eyebrow, left brow",
    "r_brow": "right eyebrow, right brow",
    "l_ear": "left ear",
    "r_ear": "right ear",
    "mouth": "mouth, inner mouth, teeth",
    "u_lip": "upper lip, top lip",
    "l_lip": "lower lip, bottom lip",
    "hat": "hat, cap",
    "ear_r": "earring, earrings",
    "neck_l": "necklace",
    "cloth": "clothes, clothing",
    # HumanParsing
    "sunglass": "sunglasses, glasses, eyeglasses",
    "upper-clothes": "upper clothes, top, shirt",
    "pants": "pants, trousers",
    "left-shoe": "left shoe",
    "right-shoe": "right shoe",
    "left-leg": "left leg",
    "right-leg": "right leg",
    "left-arm": "left arm",
    "right-arm": "right arm",
    "bag": "bag, handbag, purse",
    "scarf": "scarf, shawl",
    # Clothing Co-Parsing, as `configs/clothing.py` joins its tags
    "top": "top, shirt, blouse, sweater",
    "coat": "coat, jacket",
    "tights": "tights, stockings",
    "shoes": "shoes, boots",
    "glasses": "glasses, eyeglasses, spectacles, sunglasses",
}


def known_titles(classes: Iterable[str]) -> Titles:
    """Titles and aliases of those of the classes that are called otherwise than they are named."""
    return tuple((name, tuple(_KNOWN[name].split(", "))) for name in classes if name in _KNOWN)


def spellings(classes: Sequence[str], titles: Titles) -> dict[str, str]:
    """Class name by what it may be called, as `plain` writes it.

    The names of all classes go first, then their titles, then their aliases. What two classes are called alike means
    neither.
    """
    ranks = [
        [(name, name) for name in classes],
        [(called[0], name) for name, called in titles],
        [(alias, name) for name, called in titles for alias in called[1:]],
    ]
    found: dict[str, set[str]] = {}
    for rank in ranks:
        taken = set(found)
        for text, name in rank:
            if plain(text) not in taken:
                found.setdefault(plain(text), set()).add(name)
    return {text: min(names) for text, names in found.items() if len(names) == 1}


def plain(text: str) -> str:
    """The text without what people spell differently: capitals, accents of their own, and what is between words."""
    return " ".join(re.split(r"[\s_-]+", composed(text).casefold().strip()))


def composed(text: str) -> str:
    """The text with accents as parts of their letters, as most keyboards type them; some systems write them apart."""
    return unicodedata.normalize("NFC", text)
