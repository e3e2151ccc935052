"""The page of a data set: names and ids of all kinds are text on it."""

import types

import numpy as np
from html_pages import HOSTILE, Page

from segvae_jax.data.prepare.conversion import MapStatistics, convert
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.prepare.report import make_data_report
from segvae_jax.data.prepare.report_page import write_page
from segvae_jax.data.prepare.splits import SPLITS, assign
from segvae_jax.data.sources.source import Source
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import pack

IDS = tuple(HOSTILE[0] + "x" * i for i in range(40))
SPACE = LabelSpace(HOSTILE, pairs=(HOSTILE[:2],))
EXCLUDED = IDS[7]


def read(example_id, size):
    """A map on which two classes of a pair lie on random sides."""
    rng = np.random.default_rng(len(example_id))
    class_maps = np.zeros((*size, 4), bool)
    class_maps[rng.integers(size[0], size=3), rng.integers(size[1], size=3), (1, 2, 3)] = True
    return class_maps


def written(path):
    source = Source(HOSTILE[0], SPACE, IDS, read, "1", notes={HOSTILE[1]: HOSTILE[2]})
    recipe = Recipe((8, 6), exclude={EXCLUDED: HOSTILE[2]})
    facts = MapStatistics.joined([convert(source, recipe, example_id).statistics for example_id in IDS])
    kept = [example_id for example_id in IDS if example_id != EXCLUDED]
    assignment = assign(kept, {IDS[3]: IDS[2]}, (tuple(IDS[4:6]),))
    examples = [{"map": pack(read(example_id, recipe.size))} for example_id in kept]
    prepared = types.SimpleNamespace(space=SPACE, split=lambda name: examples)
    write_page(path, make_data_report(source, recipe, facts, assignment), prepared)
    return Page(path.read_text())


def test_names_and_ids_are_text_on_the_page(tmp_path):
    page = written(tmp_path / "report.html")
    page.assert_harmless()
    page.assert_fits_phones()
    assert page.texts[0] == f"{HOSTILE[0]}, 8 x 6" and f"{HOSTILE[1]}: {HOSTILE[2]}" in page.texts
    assert all(page.texts.count(name) >= 3 for name in HOSTILE[:2]), "legend, table, pairs"
    lists = [f"{EXCLUDED}: excluded: {HOSTILE[2]}", f"{IDS[3]} equals {IDS[2]}", ", ".join(IDS[4:6])]
    assert [text for text in page.texts if text in lists] == lists
    assert page.count("img") == len(SPLITS) and page.count("h1") == 1
