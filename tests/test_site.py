"""The site builds without a warning, has every public module, and loads nothing from another host."""

import html
import html.parser
import pathlib
import re
import subprocess
import sys

import pytest
from pages import ROOT

pytest.importorskip("mkdocs", reason="the site needs mkdocs: pip install -e '.[docs]'")

PULLED = {  # attributes that make a browser fetch something, by element
    "script": ("src",), "img": ("src", "srcset"), "iframe": ("src",), "source": ("src", "srcset"), "video": ("src",),
    "audio": ("src",), "embed": ("src",), "object": ("data",), "link": ("href",), "use": ("href",),
}  # fmt: skip


class Fetched(html.parser.HTMLParser):
    """The addresses that a page fetches by itself. Links that a reader follows do not count."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        wanted = PULLED.get(tag, ())
        self.addresses += [value or "" for name, value in attributes if name in wanted]


def foreign(address: str) -> bool:
    return bool(re.match(r"\s*(\w+:)?//", address))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> pathlib.Path:
    """The site as `make docs` builds it. A warning, e.g. about a broken link, is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", f"--site-dir={folder}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_the_reference_has_every_public_module(site):
    files = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "segvae_jax").rglob("*.py")]
    modules = {".".join(path.parts) for path in files if not path.name.startswith("_")}
    pages = {path.parent.name: path.read_text() for path in site.glob("reference/*/index.html")}
    assert {module for module in modules if f'id="{module}"' not in pages[module.rpartition(".")[0]]} == set()
    assert 'id="segvae_jax.generation.Generator.generate"' in pages["segvae_jax"]


def test_shapes_and_shared_descriptions_read_well(site):
    page = (site / "reference/segvae_jax/index.html").read_text()
    text = html.unescape(re.sub(r"<[^>]+>|\s+", "", page))
    assert "encode(names:str|Iterable[str])->Bool[np.ndarray,'C']" in text
    assert "logvar_posterior(Float[ndarray,'NKZ'])–oftheposterior" in text


def test_the_home_page_is_the_readme_and_leads_to_the_guides(site):
    home = (site / "index.html").read_text()
    assert 'id="how-it-differs-from-the-release"' in home
    for guide in ("docs/own_data/", "docs/evaluation/", "CHANGELOG/", "reference/segvae_jax/"):
        assert f'href="{guide}"' in home and (site / guide / "index.html").is_file()


def test_nothing_is_loaded_from_another_host(site):
    pages = {path: Fetched(path.read_text()).addresses for path in site.rglob("*.html")}
    assert all(len(addresses) > 3 for addresses in pages.values())
    assert [(path, address) for path, addresses in pages.items() for address in addresses if foreign(address)] == []
    for path in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()[\"'\s]*(\w+:)?//", path.read_text()), path


def test_what_is_loaded_from_elsewhere_is_found():
    page = '<img src="a.png"><img src="https://a.b/c.svg"><link href="//fonts.d/e"><a href="https://f.g"></a>'
    assert list(filter(foreign, Fetched(page).addresses)) == ["https://a.b/c.svg", "//fonts.d/e"]
