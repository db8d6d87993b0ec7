"""Memory that stays with the process: without it a third of a run on a CPU goes to fresh pages.

The C library gives large blocks back to the system as soon as they are freed and asks for them
again, zeroed, for the next clip. What is kept is about what was in use at the peak: all threads
take from the same heap, as what one frees (a frame that was read) is of use to another.
"""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # malloc.h of glibc
MADV_HUGEPAGE = 14  # mman.h of Linux
FIRST = 1 << 30  # bytes of memory that come in large pages


def keep_freed_memory() -> None:
    """Let glibc keep what is freed for what is allocated next; does nothing elsewhere.

    For the start of a process. Call it in worker processes too: those that are spawned begin anew.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(M_ARENA_MAX, 1)
    _in_large_pages(libc)


def _in_large_pages(libc: ctypes.CDLL) -> None:
    """Let what is allocated next lie in pages of 2 MiB, where Linux has them: fewer to look up.

    Addresses alone are taken and given back, no memory.
    """
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    first = libc.malloc(FIRST)
    if first is not None:
        libc.madvise(-(-first // 4096) * 4096, FIRST - 4096, MADV_HUGEPAGE)
        libc.free(first)
