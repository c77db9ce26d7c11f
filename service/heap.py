"""How a worker's memory is laid out."""

import ctypes
import os
from typing import Final

__all__ = ["one_heap"]

# M_ARENA_MAX of glibc's malloc.h; mallopt(3).
_ARENA_MAX: Final = -8


def one_heap() -> None:
    """Have the C library keep one heap for all threads of this process, where it would give each its own.

    The interpreter's lock lets one thread at a time work, so heaps of their own only keep what a large body has left in
    each. What a site has set itself stays; musl and macOS know no such heaps.
    """
    set_already = "MALLOC_ARENA_MAX" in os.environ or "arena_max" in os.environ.get("GLIBC_TUNABLES", "")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and not set_already:
        mallopt(_ARENA_MAX, 1)
