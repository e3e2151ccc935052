"""What importing the package, and loading a generator, costs: only modules that are used."""

import subprocess
import sys

import pytest

import segvae_jax


def modules_after(code: str) -> set[str]:
    """Names of the modules that a new process has imported after some code, top-level packages and below."""
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_importing_the_package_alone_imports_nothing_large():
    assert not modules_after("import segvae_jax; dir(segvae_jax)") & {"jax", "numpy", "flax", "segvae_jax.generation"}


def test_loading_a_generator_imports_nothing_of_training():
    modules = modules_after("import segvae_jax; segvae_jax.Generator.load('cartoon')")
    assert {"jax", "flax.linen", "segvae_jax.generation"} <= modules
    unused = {"grain", "optax", "orbax", "tensorflow_datasets", "clu", "scipy", "tensorboardX", "segvae_jax.training"}
    assert not modules & unused


def test_a_sheet_of_maps_needs_nothing_that_writes_data_sets(tmp_path):
    words = ["generate", "--num=1", f"--out={tmp_path / 'map.png'}"]
    modules = modules_after(f"from segvae_jax.cli.main import main; main({words!r})")
    assert (tmp_path / "map.png").is_file() and "segvae_jax.generation" in modules
    assert not modules & {"tensorflow_datasets", "array_record", "scipy", "sklearn", "optax", "segvae_jax.training"}


@pytest.mark.parametrize("name", segvae_jax.__all__)
def test_public_names_are_imported_when_they_are_used(name):
    assert getattr(segvae_jax, name).__name__ == name and name in dir(segvae_jax)


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(segvae_jax, "Generater")
    with pytest.raises(ImportError, match="Generater"):
        exec("from segvae_jax import Generater")
