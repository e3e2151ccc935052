"""The user's own maps: a folder of PNGs, and a list that says what their indices or colours mean."""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from segvae_jax import maps, pictures
from segvae_jax.data.sources.file_tree import open_tree
from segvae_jax.data.sources.label_list import Colour, LabelList, merged, read_labels
from segvae_jax.data.sources.reading import READING, Files, pictures_in
from segvae_jax.data.sources.source import Size, Source, fingerprint
from segvae_jax.errors import DataError, LabelError
from segvae_jax.labels import BACKGROUND, LabelSpace, pairs_by_name
from segvae_jax.original_labels import Label, OriginalLabels
from segvae_jax.titles import composed

_LABELLED = "labelled"  # a class of all labels


def folder(path: str | Path, labels: str | Path, merge: str = "", classes: str = "", ignore: int = -1) -> Source:
    """The user's own index PNGs, and RGB PNGs if the list has colours.

    Args:
      path: of the folder or .zip.
      labels: file that names the indices or the colours, see `label_list`.
      merge: classes to join by name, `old,old=new;old=new`; a class that becomes `background` is left out.
      classes: names of the classes to keep, in drawing order, separated by commas; all others become background.
        If empty, all classes are kept, in an order that preparing determines.
      ignore: index of the pixels that become background, whether it has a name or not; none if negative.

    Raises:
      DataError: if a file is missing or malformed.
      LabelError: if a name is unknown.
    """
    listed = read_labels(labels)
    named = {i: name for i, name in listed.names.items() if i != ignore or i in listed.background}
    renamed = merged(dataclasses.replace(listed, names=named), composed(merge))
    found = tuple(dict.fromkeys(renamed[i] for i in sorted(renamed) if renamed[i] != BACKGROUND))
    keep = tuple(n.strip() for n in composed(classes).split(",") if n.strip()) or found
    if unknown := [name for name in keep if name not in (*found, BACKGROUND)]:
        raise LabelError(f"data.classes names {unknown[0]!r}: known classes are {', '.join(found)}")
    space = LabelSpace(keep, pairs=pairs_by_name(keep), palette=_palette(listed, renamed, keep))
    original = _original(listed, renamed, keep, ignore, str(labels))
    version = [sorted(renamed.items()), ignore, bool(classes.strip()), sorted(listed.colours.items())]
    source = _index_source(path, space, original, version, order_by_area=not classes.strip())
    nothing = {*listed.background, ignore}
    left_out = [lab.index for lab in original.labels if lab.becomes == BACKGROUND and lab.index not in nothing]
    return _with_foreground(source, path, original, left_out) if left_out else source


def _palette(listed: LabelList, renamed: Mapping[int, str], keep: tuple[str, ...]) -> tuple[Colour, ...]:
    """Each class has the colour of its own index, or else of the first index merged into it; `()` without colours."""
    if not listed.colours:
        return ()
    own = {name: i for i, name in listed.names.items()}
    first = {name: i for i, name in sorted(renamed.items(), reverse=True)}
    indices = [own[name] if renamed.get(own.get(name, -1)) == name else first[name] for name in keep]
    return tuple(listed.colours.get(i, (0, 0, 0)) for i in (min(listed.background), *indices))


def _original(
    listed: LabelList, renamed: Mapping[int, str], keep: tuple[str, ...], ignore: int, place: str
) -> OriginalLabels:
    """What the list says, and the class that each label becomes."""
    becomes = {i: name if name in keep else BACKGROUND for i, name in renamed.items()}
    entries = sorted(listed.names.items())
    labels = tuple(Label(i, name, becomes.get(i, BACKGROUND), listed.colours.get(i)) for i, name in entries)
    mend = "name it there, or make its pixels background with data.ignore={}"
    return OriginalLabels(labels, ignore, listed.by_index, place, mend)


def _with_foreground(source: Source, path: str | Path, original: OriginalLabels, left_out: Collection[int]) -> Source:
    """The source with `left_out` and `foreground`; `left_out` has indices."""
    kept = lambda label: label.becomes != BACKGROUND or label.index in left_out
    labels = tuple(label._replace(becomes=_LABELLED if kept(label) else BACKGROUND) for label in original.labels)
    any_label, space = dataclasses.replace(original, labels=labels), LabelSpace((_LABELLED,))
    encoded = _files(path)
    count = lambda example_id: int(np.count_nonzero(any_label.decode(*encoded(example_id), space)))
    names = tuple(label.name for label in original.labels if label.index in left_out)
    return dataclasses.replace(source, left_out=names, foreground=count)


def _files(path: str | Path) -> Files:
    """The PNGs of a folder or .zip."""
    tree = open_tree(path)
    files = pictures_in(tree, "", ".png")
    if not files:
        raise DataError(f"{tree.path}: no PNG file in it: expected index maps, one PNG each")
    return Files(tree, files)


def _index_source(
    path: str | Path, space: LabelSpace, original: OriginalLabels, version: object, order_by_area: bool
) -> Source:
    """A folder or .zip of PNGs, one per map.

    Args:
      path: of the folder or .zip.
      space: the classes of its maps.
      original: what its indices and colours mean.
      version: a value that JSON can hold; differs whenever other maps may be read.
      order_by_area: as in `Source`.
    """
    encoded = _files(path)

    def native(example_id: str) -> Bool[np.ndarray, "H W C"]:
        data, place = encoded(example_id)
        _check_names(data, place, original)
        return maps.index_to_class_maps(original.decode(data, place, space), space.num_channels)

    def read(example_id: str, size: Size) -> Bool[np.ndarray, "H W C"]:
        return maps.resize(native(example_id), size)

    stamp = fingerprint([READING, encoded.tree.stamps(encoded.names.values()), version])
    return Source(
        "folder",
        space,
        tuple(sorted(encoded.names)),
        read,
        stamp,
        native=native,
        order_by_area=order_by_area,
        original=original,
    )


def _check_names(data: bytes, place: str, original: OriginalLabels) -> None:
    """Refuses a PNG whose own class names have a label of the list under another index; others may be translations."""
    index = {label.name: label.index for label in original.labels}
    for i, name in enumerate(pictures.decode_class_names(data, place) or ()):
        if index.get(name, i) != i and original.by_index:
            says = f"index {i} is {name!r} by the names in the file, but {name!r} has index {index[name]}"
            raise DataError(f"{place}: {says} in {original.place}: correct the list, or remove the names from the file")
