"""LabelSpace: the only place that knows what a channel means.

All other code converts between channels and names through it. Two numberings of CelebAMask-HQ are in use, so class
indices are written nowhere else.
"""

import dataclasses
import difflib
import functools
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from segvae_jax.arguments import shown
from segvae_jax.errors import LabelError
from segvae_jax.json_objects import json_object
from segvae_jax.palette import MOST_CLASSES, colours, derived_palette
from segvae_jax.text_files import read_lines
from segvae_jax.titles import Titles, known_titles, plain, spellings

BACKGROUND = "background"
LABEL_SETS_FILE = "label_sets.txt"  # beside maps: their label-sets, one line per map
_RIGHT = {"left": "right", "Left": "Right", "LEFT": "RIGHT", "l": "r", "L": "R"}
_LEFT = re.compile(r"left|Left|LEFT|(?<![^\W_])[lL](?![^\W_])")  # a single letter only as a word of its own


@dataclasses.dataclass(frozen=True)
class LabelSpace:
    """Names, orders and colours of the classes of a data set.

    Attributes:
      classes: the K foreground classes; class `classes[i]` is channel `i + 1`, channel 0 is background.
      drawing_order: the K classes in the order in which the model generates them; defaults to `classes`.
      paint_order: the K classes from the bottom to the top of an index map; where two classes overlap, the later one
        is shown; defaults to the drawing order.
      covered_by: classes that continue under others, as pairs of a name and the names of the classes on it. They
        yield to these classes when a soft map is painted.
      accessories: classes that are shown wherever they reach one half, whatever lies below.
      pairs: (left, right) classes that a horizontal flip exchanges.
      palette: C RGB triples, background first; if empty, colours that look different, also to colour-blind people.
      titles: what people call a class, as pairs of its name and its title followed by aliases; if empty, those that the
        project knows by the names of the classes. A class without an entry has its name as its title.

    Raises:
      LabelError: if a name occurs twice, or an order, pair, palette or title does not fit the classes.
    """

    classes: tuple[str, ...]
    drawing_order: tuple[str, ...] = ()
    paint_order: tuple[str, ...] = ()
    covered_by: tuple[tuple[str, tuple[str, ...]], ...] = ()
    accessories: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    palette: tuple[tuple[int, int, int], ...] = ()
    titles: Titles = ()

    def __post_init__(self):
        fill = lambda name, value: getattr(self, name) or object.__setattr__(self, name, value)
        fill("drawing_order", self.classes)
        fill("paint_order", self.drawing_order)
        fill("palette", derived_palette(len(self.classes) + 1))
        fill("titles", known_titles(self.classes))
        self._check()

    def _check(self) -> None:
        if not self.classes:
            raise LabelError("the class list is empty: name at least one class")
        if len(self.classes) > MOST_CLASSES:
            raise LabelError(f"{len(self.classes)} classes: an index map holds at most {MOST_CLASSES}: merge some")
        if repeated := sorted({n for n in self.classes if self.classes.count(n) > 1}):
            raise LabelError(f"class {repeated[0]!r} is listed twice: name every class once")
        if BACKGROUND in self.classes:
            raise LabelError(f"class {BACKGROUND!r} is implied: list the foreground classes only")
        for field in ("drawing_order", "paint_order"):
            if sorted(getattr(self, field)) != sorted(self.classes):
                odd = sorted(set(getattr(self, field)) ^ set(self.classes)) or ["a repeated name"]
                raise LabelError(f"{field} must name every class exactly once: see {', '.join(odd)}")
        paired = [name for pair in self.pairs for name in pair]
        if twice := sorted({name for name in paired if paired.count(name) > 1}):
            raise LabelError(f"class {twice[0]!r} is in two pairs: a class has only one mirror image")
        covering = [n for under, covers in self.covered_by for n in (under, *covers)]
        for name in [*covering, *self.accessories, *paired, *dict(self.titles)]:
            self._require(name)
        if len(dict(self.titles)) < len(self.titles) or not all(called for _, called in self.titles):
            raise LabelError("titles: expected one entry for a class, its name and at least a title")
        if len(self.palette) != self.num_channels:
            raise LabelError(f"the palette has {len(self.palette)} colours: expected {self.num_channels}")

    @property
    def num_channels(self) -> int:
        """C: the number of classes, including the background."""
        return len(self.classes) + 1

    @property
    def names(self) -> tuple[str, ...]:
        """The C names by channel, background first."""
        return (BACKGROUND, *self.classes)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """By channel, the channel that takes its place in a mirrored map: the other one of its pair, or itself."""
        other = {name: twin for pair in self.pairs for name, twin in (pair, pair[::-1])}
        return (0, *(self.channel(other.get(name, name)) for name in self.classes))

    @property
    def order(self) -> tuple[int, ...]:
        """Channels of the K classes in drawing order."""
        return tuple(self.channel(name) for name in self.drawing_order)

    @property
    def stack(self) -> tuple[int, ...]:
        """Channels of the K classes from the bottom to the top of an index map; accessories are above all others."""
        on_top = [name for name in self.paint_order if name in self.accessories]
        return tuple(self.channel(name) for name in (*(n for n in self.paint_order if n not in on_top), *on_top))

    @functools.cached_property
    def _spellings(self) -> dict[str, str]:
        return spellings(self.classes, self.titles)

    def _require(self, name: str) -> int:
        """The channel of the class of exactly this name."""
        if name in self.classes:
            return self.classes.index(name) + 1
        near = difflib.get_close_matches(plain(str(name)), self._spellings, n=1, cutoff=0.5)
        hint = f" (did you mean {self._written(near[0])!r}?)" if near else ""
        known = ", ".join(name if self.title(name) == name else f"{name} ({self.title(name)})" for name in self.classes)
        raise LabelError(f"unknown label {name!r}{hint}: known labels are {known}")

    def _written(self, spelling: str) -> str:
        """A spelling as the class or its title is written; an alias as it is."""
        name = self._spellings[spelling]
        return next((text for text in (name, self.title(name)) if plain(text) == spelling), spelling)

    def title(self, name: str) -> str:
        """What people call class `name`, or the background."""
        return dict(self.titles).get(name, (name,))[0]

    def channel(self, name: str) -> int:
        """The channel of a class.

        Args:
          name: of the class, or its title or an alias; capitals, and spaces, hyphens or underscores between words, do
            not matter. What is the name of a class means that class.

        Raises:
          LabelError: if there is no such class; the message names the nearest one and all known ones.
        """
        return self._require(self.known(name) or name)

    def known(self, name: str) -> str | None:
        """The class that a name, a title or an alias stands for, as in `channel`; None if there is none."""
        if name in self.classes:
            return name
        return self._spellings.get(plain(name)) if isinstance(name, str) else None

    def resolve(self, labels: str | Iterable[str]) -> tuple[str, ...]:
        """The names of classes that may be called by their titles or aliases.

        Args:
          labels: one or several; a text may hold several, separated by commas.

        Raises:
          LabelError: if one is unknown, or is no text.
        """
        return tuple(self.names[self.channel(name)] for name in names_of(labels))

    def encode(self, names: str | Iterable[str]) -> Bool[np.ndarray, "C"]:
        """The label-set of one class or several, by names, titles or aliases.

        Raises:
          LabelError: if a name is unknown or given twice, or no name is given.
        """
        classes = self.resolve(names)
        if twice := first_repeated(classes):
            raise LabelError(f"{twice!r} is named twice: name it once")
        if not classes:
            raise LabelError(f"no label given: choose from {', '.join(self.classes)}")
        return np.isin(self.names, classes)

    def decode(self, label_set: Sequence[Any] | np.ndarray) -> tuple[str, ...]:
        """The class names of a label-set `[C]`, ordered by channel, without the background.

        Raises:
          LabelError: if it is of another number of channels.
        """
        if np.shape(label_set) != (self.num_channels,):
            raise LabelError(f"a label-set of shape {np.shape(label_set)}: expected ({self.num_channels},)")
        return tuple(name for name, present in zip(self.classes, label_set[1:], strict=True) if present)

    def palette_array(self) -> UInt8[np.ndarray, "C 3"]:
        """The palette as an array of RGB triples."""
        return np.asarray(self.palette, np.uint8)

    def to_json(self) -> str:
        """JSON, from which `from_json` makes an equal label space; without the titles that it would have anyway."""
        known = self.titles == known_titles(self.classes)
        return json.dumps({key: v for key, v in dataclasses.asdict(self).items() if key != "titles" or not known})

    @classmethod
    def from_json(cls, text: str) -> "LabelSpace":
        """Inverse of `to_json`.

        Raises:
          LabelError: if the text is anything else.
        """
        try:
            entries = {key: _tuples(value) for key, value in json_object(text).items()}
            _check_types(**entries)
            return cls(**entries)
        except (ValueError, TypeError) as error:
            raise LabelError(f"not a label space ({error}): expected what to_json writes") from None


def _check_types(
    classes: Any, palette: Any = (), covered_by: Any = (), pairs: Any = (), titles: Any = (), **names: Any
) -> None:
    """Checks that what JSON held has the types of the attributes of a `LabelSpace`.

    Raises:
      TypeError, ValueError: if not.
    """
    groups = [*covered_by, *titles]  # a name, and several
    pairs_of_any = [*pairs, *groups]
    lists = [classes, palette, covered_by, pairs, titles, *names.values(), *pairs_of_any, *(many for _, many in groups)]
    flat = [classes, *names.values(), *pairs, *((name, *many) for name, many in groups)]
    if not all(isinstance(value, tuple) for value in lists) or any(len(pair) != 2 for pair in pairs_of_any):
        raise TypeError("an entry is no list, or a pair has not two parts")
    if not all(isinstance(name, str) for value in flat for name in value):
        raise TypeError("a name is no text")
    if not all(len(colour) == 3 and all(type(n) is int and 0 <= n < 256 for n in colour) for colour in palette):
        raise ValueError("a colour is not three numbers from 0 to 255")


def names_of(labels: str | Iterable[str]) -> tuple[str, ...]:
    """Class names as a tuple, from a list of them, or from a text in which commas separate them.

    Raises:
      LabelError: if something is no name.
    """
    if isinstance(labels, str):
        return tuple(name.strip() for name in labels.split(",") if name.strip())
    names = tuple(labels) if isinstance(labels, Iterable) else (labels,)
    if odd := [name for name in names if not isinstance(name, str)]:
        raise LabelError(f"label {shown(odd[0])}: expected the name of a class")
    return names


def first_repeated(names: Iterable[str]) -> str | None:
    """The first name that was there before; None if there is none."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def label_sets_text(label_sets: Iterable[Bool[np.ndarray, "C"]], space: LabelSpace) -> str:
    """The text that `read_label_sets` reads: one line per label-set, class names separated by commas."""
    return "".join(",".join(space.decode(label_set)) + "\n" for label_set in label_sets)


def read_label_sets(path: str | Path, space: LabelSpace) -> Bool[np.ndarray, "M C"]:
    """Reads label-sets from a text file: one per line, class names separated by commas; blank lines are ignored.

    Raises:
      LabelError: naming file and line, if a name is unknown; or if the file cannot be read or has no label-set.
    """
    lines = read_lines(path, "a text file with one label-set per line", LabelError)
    rows = [_encode_line(line, place, space) for place, line in lines]
    if not rows:
        raise LabelError(f"{path}: holds no label-set: expected one per line, class names separated by commas")
    return np.stack(rows)


def _encode_line(line: str, place: str, space: LabelSpace) -> Bool[np.ndarray, "C"]:
    try:
        return space.encode(line)
    except LabelError as error:
        raise LabelError(f"{place}: {error}") from None


def pairs_by_name(classes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of classes whose names differ in left and right alone, e.g. `l_eye` and `r_eye`, `Arm.L` and `Arm.R`."""
    right_of = lambda name: _LEFT.sub(lambda side: _RIGHT[side[0]], name)
    return tuple((name, right_of(name)) for name in classes if right_of(name) in set(classes) - {name})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


# The order of the official annotations of CelebAMask-HQ, and of most index maps made from them.
CELEBAMASK_HQ = LabelSpace(
    classes=_words(
        "skin nose eye_g l_eye r_eye l_brow r_brow l_ear r_ear mouth u_lip l_lip hair hat ear_r neck_l neck cloth"
    ),
    drawing_order=_words(
        "skin neck hair l_brow r_brow l_ear r_ear l_eye r_eye nose l_lip u_lip mouth hat cloth eye_g ear_r neck_l"
    ),
    paint_order=_words(
        "neck cloth neck_l skin l_ear r_ear ear_r nose mouth u_lip l_lip l_eye r_eye l_brow r_brow eye_g hair hat"
    ),
    covered_by=(("skin", _words("nose eye_g l_eye r_eye l_brow r_brow mouth u_lip l_lip")),),
    accessories=("eye_g", "ear_r", "neck_l"),
    pairs=(("l_eye", "r_eye"), ("l_brow", "r_brow"), ("l_ear", "r_ear")),
    # Colours in which faces look like faces.
    palette=colours("000 eb9 b88 31a efd bff 203 565 aa2 dbf 767 d21 f1f 620 93c ff0 084 9ab 044"),
)

# The order of the channels in the authors' release, and so in its checkpoints and in our golden values.
_RELEASE_CLASSES = _words(
    "skin hair cloth l_brow r_brow l_ear r_ear ear_r l_eye r_eye eye_g l_lip u_lip mouth neck neck_l nose hat"
)
CELEBAMASK_RELEASE = dataclasses.replace(
    CELEBAMASK_HQ,
    classes=_RELEASE_CLASSES,
    palette=tuple(CELEBAMASK_HQ.palette[i] for i in (0, *map(CELEBAMASK_HQ.channel, _RELEASE_CLASSES))),
)

# The order of ATR and HumanParsing; the classes do not overlap.
HUMAN_PARSING = LabelSpace(
    classes=_words(
        "hat hair sunglass upper-clothes skirt pants dress belt left-shoe right-shoe face left-leg right-leg"
        " left-arm right-arm bag scarf"
    ),
    drawing_order=_words(
        "face hair left-arm right-arm left-leg right-leg upper-clothes dress skirt pants left-shoe right-shoe"
        " hat sunglass belt scarf bag"
    ),
    accessories=("sunglass", "belt", "scarf", "bag"),
    pairs=(("left-shoe", "right-shoe"), ("left-leg", "right-leg"), ("left-arm", "right-arm")),
    # The derived colours in another order, in which people look like people.
    palette=colours("000 32f 631 406 d07 ff1 77f 0ff 880 9aa 133 eb8 dfd 778 c87 a9c 065 0c0"),
)
