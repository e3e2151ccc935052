"""Runs a measurement in a separate process: for peak memory, cold compilation, or another number of devices.

    python -m benchmarks.child MODULE:FUNCTION JSON

Calls the function with the arguments in the JSON and prints its result as JSON on the last line of the output.
"""

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segvae_jax.numerics import fixed_numerics

_ROOT = Path(__file__).parent.parent


class ChildKilled(Exception):
    """The process was killed by a signal, e.g. because memory ran out."""


def call_in_child(function: str, arguments: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Any:
    """Calls `MODULE:FUNCTION` in a fresh process and returns its result.

    Raises:
      ChildKilled: if a signal ended the process.
      RuntimeError: if the function failed. The message holds the standard error of the process.
    """
    command = [sys.executable, "-m", "benchmarks.child", function, json.dumps(arguments)]
    search = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    variables = {**os.environ, "PYTHONPATH": search, **(environment or {})}
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    if done.returncode < 0:
        raise ChildKilled(f"killed by signal {-done.returncode}")
    if done.returncode:
        raise RuntimeError(f"{function} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def _end_with(parent: int) -> None:
    """Ends this process when its parent, which alone wants the result, has ended, by whatever means."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main(argv: list[str]) -> None:
    """Calls the function that the command line names."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    module, _, function = argv[1].partition(":")
    with fixed_numerics():
        print(json.dumps(getattr(importlib.import_module(module), function)(**json.loads(argv[2]))))


if __name__ == "__main__":
    main(sys.argv)
