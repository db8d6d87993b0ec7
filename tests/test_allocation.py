"""Memory that stays with the process."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from threedcseg.allocation import keep_freed_memory

PROGRAM = """
import resource, sys
import torch
from threedcseg.allocation import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(16_000_000)  # 64 MB; the heap grows for some rounds until the pieces fit
before = faults()
for _ in range(10):
    torch.ones(16_000_000)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to")
def test_no_page_is_asked_for_twice():
    faults = {
        way: int(subprocess.check_output([sys.executable, "-c", PROGRAM, way]))
        for way in ("kept", "given back")
    }
    assert faults["kept"] < 0.1 * faults["given back"]


LARGE = """
import torch
from threedcseg.allocation import keep_freed_memory
keep_freed_memory()
kept = torch.ones(32_000_000)  # 128 MB
print(*[line.split()[1] for line in open("/proc/self/smaps_rollup") if "AnonHuge" in line])
"""


def _large_pages() -> bool:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return setting.exists() and "[never]" not in setting.read_text()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to")
@pytest.mark.skipif(not _large_pages(), reason="Linux has no large pages here")
def test_memory_lies_in_large_pages():
    assert int(subprocess.check_output([sys.executable, "-c", LARGE])) > 64_000  # kB


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", None)  # calling it would be a TypeError
    keep_freed_memory()
