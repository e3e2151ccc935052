"""An allocator for large arrays on a CPU: huge pages, and memory that is kept.

XLA allocates the memory of a training step anew at each step, and frees it afterwards. By default the kernel then hands
it out again as blank pages of 4 KiB, with a page fault for each of them. This takes half of the time of a training step
for faces at 128 px, and more on a virtual machine that returns free memory to its host. With the settings below, glibc
keeps all memory in one arena, which is in place at the second step; the process stays as large as its largest step.
glibc reads these settings only when a process starts.
"""

import os
import signal
import sys

_VARIABLE = "GLIBC_TUNABLES"
_SETTING = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in {"hugetlb": 1, "arena_max": 1, "mmap_max": 0, "trim_threshold": 2**40}.items()
)


def restart_with_allocator() -> None:
    """Starts this program again in the same process, with these settings. To be called before heavy imports.

    Does nothing if the variable is already set, as it is the second time, or if this is not Linux. The kernel may
    refuse huge pages, and another C library ignores the variable; then nothing changes.
    """
    if sys.platform == "linux" and _VARIABLE not in os.environ:
        os.environ[_VARIABLE] = _SETTING
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C waits for `termination.interruptible`
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
