"""The files that MkDocs builds the site from: pages of the repository at their own places, and one page per package."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parent.parent
_PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/**/*.md",
    "segvae_jax/shipped/README.md",
    "addons/*/README.md",
)
_LINKED = (
    "LICENSE",
    "CITATION.cff",
    "addons/*/LICENSE",
    "configs/*.py",
    "examples/*.py",
    "notebooks/*.ipynb",
    "docs/site.css",
    "docs/**/*.png",
    "docs/**/*.svg",
    "docs/**/*.json",
)


def packages() -> dict[str, list[str]]:
    """The public modules of every package, by the names that Python has for them."""
    found: dict[str, list[str]] = {}
    for folder in sorted(path.parent for path in (_ROOT / "segvae_jax").rglob("__init__.py")):
        package = ".".join(folder.relative_to(_ROOT).parts)
        found[package] = [f"{package}.{path.stem}" for path in sorted(folder.glob("[!_]*.py"))]
    return found


def on_config(config: MkDocsConfig) -> None:
    """Puts the reference into the navigation, before the changelog."""
    *pages, changelog = config.nav or []
    config.nav = [*pages, {"Reference": [{package: _uri(package)} for package in packages()]}, changelog]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Gives files their places in the repository, so that links between them hold; adds the reference."""
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
    for path in sorted(path for pattern in (*_PAGES, *_LINKED) for path in _ROOT.glob(pattern)):
        place = str(path.relative_to(_ROOT))
        files.append(File(place, str(_ROOT), config.site_dir, config.use_directory_urls))
    for package, modules in packages().items():
        page = [f"::: {package}\n    options: {{heading_level: 1}}", *(f"::: {module}" for module in modules)]
        files.append(File.generated(config, _uri(package), content="\n\n".join(page)))


def _uri(package: str) -> str:
    return f"reference/{package}.md"
