import pytest

# An extra: it brings a hundred megabytes, and one machine needs none of it.
pytest.importorskip("apache_beam", reason="the extra `beam` is not installed")

import dataclasses

from segvae_jax.data.prepare.beam import beam_runner
from segvae_jax.data.prepare.builder import build
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.sources.cartoon import cartoon
from segvae_jax.errors import MapError

pytestmark = pytest.mark.filterwarnings("default")  # Beam's own
DIRECT = ("--runner=DirectRunner",)


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_pipeline_writes_the_same_files(tmp_path):
    source, recipe = cartoon("faces", 40, 0), Recipe((16, 16))
    piped = build(source, recipe, tmp_path / "piped", beam_runner(DIRECT), chunk_size=8)
    assert contents(piped.directory) == contents(build(source, recipe, tmp_path / "alone").directory)


def test_an_error_of_the_source_is_one_line(tmp_path):
    def read(example_id, size):
        raise MapError("00.png: image mode RGB")

    source = dataclasses.replace(cartoon("faces", 3, 0), read=read)
    with pytest.raises(MapError) as error:
        build(source, Recipe((16, 16)), tmp_path / "out", beam_runner(DIRECT))
    assert str(error.value) == "00.png: image mode RGB"
