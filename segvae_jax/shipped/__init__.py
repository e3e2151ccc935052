"""Checkpoints by name: those that come with the package, which README.md beside this file describes, and of add-ons.

An add-on is a package of its own, with a licence of its own. It declares each of its checkpoints as an entry point:
`faces = "segvae_faces"` in the group `GROUP` says that the folder `faces` of the package `segvae_faces` is one.
Nothing of an add-on is imported. `addons/` in the repository has an example.
"""

from importlib.util import find_spec
from pathlib import Path

from segvae_jax.arguments import path
from segvae_jax.errors import CheckpointError

NAMES = ("cartoon", "fashion")
GROUP = "segvae_jax.checkpoints"
# The add-ons in the repository: checkpoint -> package. An error names them where they are not installed.
ADD_ONS = {"faces": "segvae_faces", "faces_128": "segvae_faces"}


def checkpoint_names() -> tuple[str, ...]:
    """The names that `checkpoint_directory` knows: of the shipped checkpoints, then of those of installed add-ons."""
    installed = {name for name, package in _entry_points() if _folder(package, name)}
    return *NAMES, *sorted(installed - set(NAMES))


def checkpoint_directory(checkpoint: str | Path) -> Path:
    """The absolute path of a checkpoint's directory.

    Args:
      checkpoint: a directory, or one of `checkpoint_names()`. A directory of your own with such a name is written
        `./cartoon`. A shipped checkpoint is never replaced: an add-on's checkpoint of the same name is ignored.

    Raises:
      ArgumentError: if it is no path.
      CheckpointError: if the name is that of an add-on which is not installed or damaged, or of several add-ons.
    """
    directory = path("checkpoint", checkpoint)
    if checkpoint in NAMES:
        return Path(__file__).resolve().parent / checkpoint
    packages = sorted({package for name, package in _entry_points() if name == checkpoint})
    if not packages and checkpoint not in ADD_ONS:
        return directory.resolve()
    return _folder_of_add_on(str(checkpoint), packages)


def _folder_of_add_on(name: str, packages: list[str]) -> Path:
    """The folder of a checkpoint that these installed packages declare, which should be one."""
    if not packages:
        raise CheckpointError(
            f"{name}: this checkpoint is in a separate add-on, with a licence of its own (non-commercial research and"
            f" education only): install it from a clone of the repository, pip install ./addons/{ADD_ONS[name]}; a"
            f" directory of your own is written ./{name}"
        )
    if len(packages) > 1:
        raise CheckpointError(f"{name}: in several add-ons, {', '.join(packages)}: expected one: uninstall the others")
    folder = _folder(packages[0], name)
    if folder is None:
        raise CheckpointError(f"{name}: its folder is missing in the add-on {packages[0]}: install the add-on again")
    return folder


def _entry_points() -> set[tuple[str, str]]:
    """Name and package of every checkpoint that an installed add-on declares."""
    from importlib.metadata import entry_points  # takes longer to import than all that --help needs of this package

    return {(entry.name, entry.value) for entry in entry_points(group=GROUP)}


def _folder(package: str, name: str) -> Path | None:
    """The folder of that name in a package; None if there is none."""
    top, *inner = package.split(".")
    try:
        spec = find_spec(top)  # imports nothing, as it would for the path of an inner package
    except ValueError:  # of what cannot be a name
        return None
    places = (spec.submodule_search_locations if spec else None) or ()
    folders = (Path(place, *inner, name).resolve() for place in places)
    return next((folder for folder in folders if folder.is_dir()), None)
