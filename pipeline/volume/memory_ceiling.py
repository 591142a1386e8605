"""A ceiling on memory while something from outside is parsed.

A header of a few bytes can declare terabytes and a small compressed file can expand to
gigabytes. Declared sizes are checked before anything is read; this is the second net, set
in the process that parses.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PAGE_BYTES = resource.getpagesize()


@contextmanager
def memory_ceiling(extra_bytes: int) -> Iterator[None]:
    """Let this process take at most ``extra_bytes`` more than it has; then give the rest back.

    Address space is what Linux limits, so what is mapped now is counted in. Beyond the
    ceiling Python raises MemoryError; native code fails its allocation.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    ceiling = _address_space_bytes() + extra_bytes
    for limit in (soft, hard):
        if limit != resource.RLIM_INFINITY:
            ceiling = min(ceiling, limit)
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space_bytes() -> int:
    """Read the address space mapped by this process (first field of /proc/self/statm)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * _PAGE_BYTES
