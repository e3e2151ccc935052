"""An allocator for large arrays on a CPU: huge pages, and memory that is kept.

XLA allocates what a step needs anew at each step, and gives it back. By default each time the kernel hands it out
again in pages of 4 KiB, blank ones, with a fault for each: half of the time of a training step of faces at 128 px, and
more on a virtual machine that returns free memory to its host. One arena that takes no large block from the kernel
and gives none back finds all it needs in place at the second step; a process stays as large as its largest step.
glibc reads these settings only when a process starts.
"""

import os
import sys

_VARIABLE = "GLIBC_TUNABLES"
_SETTING = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in {"hugetlb": 1, "arena_max": 1, "mmap_max": 0, "trim_threshold": 2**40}.items()
)


def restart_with_allocator() -> None:
    """Starts this program again in the same process, with the allocator asked for; at once, before heavy imports.

    Does nothing the second time, where the variable is set already, and outside Linux. The kernel may refuse
    huge pages, and another C library knows nothing of the variable; then nothing changes.
    """
    if sys.platform == "linux" and _VARIABLE not in os.environ:
        os.environ[_VARIABLE] = _SETTING
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
