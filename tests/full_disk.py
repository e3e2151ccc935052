"""A full disk for this process: the system refuses to make files longer than a limit."""

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def small_files(limit: int) -> Iterator[None]:
    """Files of this process can have at most so many bytes; longer ones end there, with the error EFBIG."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
