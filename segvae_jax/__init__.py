"""SegVAE in JAX: generates and edits semantic label maps, class by class on a growing canvas.

    import segvae_jax

    generator = segvae_jax.Generator.load("cartoon")
    index_maps = generator.generate(["skin", "hair", "nose", "l_eye", "r_eye"], num=4)

The names below are imported when they are first used, so that importing the package alone costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segvae_jax.editing import Edits
    from segvae_jax.errors import SegVAEError
    from segvae_jax.generation import Generator
    from segvae_jax.index_maps import IndexMaps
    from segvae_jax.labels import LabelSpace
    from segvae_jax.translation import Translator

__version__ = "0.2.0"  # the one place that says it; CHANGELOG.md has a section of this name
__all__ = ["Edits", "Generator", "IndexMaps", "LabelSpace", "SegVAEError", "Translator"]

_MODULES = {
    "Edits": "editing",
    "Generator": "generation",
    "IndexMaps": "index_maps",
    "LabelSpace": "labels",
    "SegVAEError": "errors",
    "Translator": "translation",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
