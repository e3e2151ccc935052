"""All that is to be known of a GPU, in one command for a machine with JAX, PyTorch and this checkout.

    python -m benchmarks.gpu --minutes=8 --out=DIR

Checks first that the device computes what it should. Then measures training and generation, a real `train.py`, bulk
generation and peak memory, and traces a training step to say where its time goes. Prints each row as it comes, and
keeps all rows in DIR/benchmarks.json, whatever ends the run. `--device=cpu --quick` tries the whole command with tiny
problems.
"""

from segvae_jax.allocator import restart_with_allocator

if __name__ == "__main__":
    restart_with_allocator()  # before the slow imports

import os

# Must be set before JAX starts: PyTorch and child processes need a part of the same GPU's memory.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

from benchmarks.rows import bulk, compiling, generation, memory, pipeline, sanity, script, trace, training
from benchmarks.runner import Sections, run_script

SECTIONS: Sections = {
    module.SECTION: module.tasks
    for module in (sanity, training, trace, script, generation, bulk, memory, compiling, pipeline)
}

if __name__ == "__main__":
    run_script(SECTIONS, default_device="gpu", default_out="benchmarks-gpu")
