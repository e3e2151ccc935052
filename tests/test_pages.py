"""The environment of all pages: values are escaped, missing ones are errors, and no file outside is read."""

import fnmatch
import pathlib
import subprocess
import sys
import tomllib

import jinja2
import numpy as np
import pytest
from html_pages import HOSTILE, Page
from pages import ROOT

from segvae_jax import pages
from segvae_jax.labels import CELEBAMASK_HQ, LabelSpace

PARTS = """{% extends "base.html.jinja" %}
{% from "parts.html.jinja" import cards, image, legend, listing, section %}
{% block title %}{{ hostile[0] }}{% endblock %}
{% block main %}{% call section(hostile[0], kind=hostile[1]) %}{{ listing(hostile) }}{% endcall %}
{{ cards(named) }}{{ legend(colours) }}{{ image(picture) }}{% endblock %}"""
SCRIPT = """{% extends "base.html.jinja" %}
{% block title %}{% endblock %}{% block script %}run();{% endblock %}
{% block main %}<script type="application/json">{{ hostile | tojson }}</script>{% endblock %}"""
SMALL = pages.picture(np.zeros((2, 3, 3), np.uint8), "small")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@pytest.fixture
def filled(tmp_path):
    """Writes a template and fills it."""

    def fill(template, **values):
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "page.html.jinja").write_text(template)
        return pages.render(folder / "page.html.jinja", **values)

    return fill


def test_every_shared_part_escapes_its_values(filled):
    space = LabelSpace(HOSTILE)
    picture = pages.picture(np.zeros((2, 3, 3), np.uint8), HOSTILE[1], fill=10)
    assert picture.width == 9
    named = dict(zip(HOSTILE, HOSTILE[::-1], strict=True))
    text = filled(PARTS, hostile=HOSTILE, named=named, colours=pages.colours(space), picture=picture)
    page = Page(text)
    page.assert_harmless()
    for value in HOSTILE:
        assert page.texts.count(value) >= 4
    attributes = dict(page.tags)
    assert attributes["section"] == {"class": HOSTILE[1]} and attributes["img"]["alt"] == HOSTILE[1]
    assert attributes["img"]["width"] == "9" and attributes["img"]["src"] == picture.url
    assert attributes["meta"]["content"] == POLICY


def test_a_class_is_shown_by_its_title_and_its_name_is_in_the_tooltip(filled):
    page = Page(filled(PARTS, hostile=HOSTILE, named={}, colours=pages.colours(CELEBAMASK_HQ), picture=SMALL))
    assert {"glasses", "lower lip", "skin"} <= set(page.texts) and "eye_g" not in page.texts
    assert {"title": "eye_g"} in [attributes for tag, attributes in page.tags if tag == "span"]


def test_only_a_page_with_a_script_may_run_one_and_data_cannot_end_it(filled):
    page = Page(filled(SCRIPT, hostile=HOSTILE))
    page.assert_harmless(scripts=2)
    assert dict(page.tags)["meta"]["content"] == f"{POLICY}; script-src 'unsafe-inline'"
    assert page.texts[-1] == "run();"


def test_a_missing_value_is_an_error(filled):
    with pytest.raises(jinja2.UndefinedError, match="'absent' is undefined"):
        filled("{{ absent }}")
    with pytest.raises(jinja2.UndefinedError, match="no attribute 'absent'"):
        filled("{{ given.absent }}", given={})


@pytest.mark.parametrize("file", ["../secret.html.jinja", str(ROOT / "README.md"), "../../README.md"])
def test_a_template_reads_no_file_elsewhere(filled, tmp_path, file):
    (tmp_path / "secret.html.jinja").write_text("secret")
    with pytest.raises(jinja2.TemplateNotFound):
        filled("{% include file %}", file=file)


def test_filters_write_thousands_and_percentages(filled):
    text = filled("{{ n | thousands }} {{ share | percent }} {{ share | percent(2) }}", n=12345, share=0.98765)
    assert text == "12,345 98.8% 98.77%"


def test_every_file_of_the_package_is_installed_with_it():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["segvae_jax"]
    package = ROOT / "segvae_jax"
    files = [path.relative_to(package) for path in package.rglob("*") if path.is_file()]
    data = [path for path in files if path.suffix not in (".py", ".pyc")]
    installed = lambda path: any(_matches(path, pathlib.PurePath(pattern)) for pattern in patterns)
    assert [str(path) for path in data if not installed(path)] == []
    assert {path.name for path in data} >= {"base.html.jinja", "page.html.jinja", "base.css"}


def _matches(path, pattern):
    """A star stands for no slash."""
    parts = zip(path.parts, pattern.parts, strict=False)
    return len(path.parts) == len(pattern.parts) and all(fnmatch.fnmatch(part, of) for part, of in parts)


def test_jinja_is_not_loaded_before_a_page_is_made():
    code = "import sys, segvae_jax.generation, segvae_jax.pages; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
