"""Huge pages for large arrays on a CPU.

XLA allocates what a step needs anew at each step, and the kernel hands it out in pages of 4 KiB: a fault and
an entry of the address translation for each. With huge pages a training step of faces at 128 px took two
thirds of the time. The allocator reads this setting only when a process starts.
"""

import os
import sys

_VARIABLE, _SETTING = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"


def restart_with_huge_pages() -> None:
    """Starts this program again in the same process, with huge pages asked for; at once, before heavy imports.

    Does nothing the second time, where the variable is set already, and outside Linux. The kernel may refuse
    huge pages; then nothing changes.
    """
    if sys.platform == "linux" and _VARIABLE not in os.environ:
        os.environ[_VARIABLE] = _SETTING
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
