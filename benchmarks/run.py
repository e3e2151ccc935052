"""Measures speed and memory, and compares them with the project's targets and, if it is installed, with PyTorch.

    python -m benchmarks.run --out=DIR [--minutes=8] [--device=gpu] [--only=training,generation] [--quick]

Prints each row as it is measured and writes it to `benchmarks.json`, what is asked first before the rest; plots a
picture at the end. Rows that cannot be measured, without PyTorch or in the time, say so. Times are meaningful only on
an idle machine.
"""

from segvae_jax.allocator import restart_with_allocator

if __name__ == "__main__":
    restart_with_allocator()  # before the slow imports

import os

# Must be set before JAX starts: PyTorch and child processes need a part of the same GPU's memory.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

from benchmarks.rows import compiling, devices, generation, memory, parts, pipeline, scaling, training
from benchmarks.runner import Sections, run_script

SECTIONS: Sections = {
    module.SECTION: module.tasks
    for module in (training, generation, compiling, memory, pipeline, devices, scaling, parts)
}

if __name__ == "__main__":
    run_script(SECTIONS, default_device="", default_out="benchmarks-out")
