"""Strictness for all tests: shapes checked at run time, silent broadcasting of ranks refused."""

import os
import pathlib
import signal

from jaxtyping import install_import_hook

os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_force_host_platform_device_count=8 "
    # Tests compile far more than they compute: unoptimised code halves the time of the suite.
    "--xla_backend_optimization_level=0 "
    # XLA ends the process where a device waits longer for the others than this, by default 40 s. Eight devices share
    # two cores with other tests here.
    "--xla_cpu_collective_call_terminate_timeout_seconds=900",
)
# Also for the commands that tests start, which would use the folder of the user.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(pathlib.Path(__file__).parent.parent / ".cache" / "jax"))
install_import_hook("segvae_jax", "beartype.beartype")

import hypothesis  # noqa: E402
import jax  # noqa: E402

# Machines differ in speed, and a failure must be seen by whoever runs the test next.
hypothesis.settings.register_profile("deterministic", deadline=None, derandomize=True)


def pytest_configure() -> None:
    hypothesis.settings.load_profile("deterministic")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it, for children too, in the background
    jax.config.update("jax_numpy_rank_promotion", "raise")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def pytest_collection_modifyitems(items: list) -> None:
    """Long files come first, so that the workers, which are given whole files, end at about the same time."""
    long = (
        "test_readme.py", "test_run.py", "test_own_data.py", "test_notebooks.py", "test_resume.py", "test_guides.py",
        "test_tables.py", "test_step.py", "test_export.py", "test_editing.py", "test_segvae.py",
    )  # fmt: skip
    items.sort(key=lambda item: item.path.name not in long)
