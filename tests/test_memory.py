"""The peak of a process's memory, against what it is made to need."""

from __future__ import annotations

import subprocess
import sys

CODE = (
    "import sys; held = bytearray(int(sys.argv[1])); from harness.memory import peak_resident; print(peak_resident())"
)


def peak_after(size: int) -> int:
    """Bytes; bytearray fills what it is given."""
    return int(subprocess.run([sys.executable, "-c", CODE, str(size)], capture_output=True, check=True).stdout)


def test_the_peak_grows_by_what_is_held_and_is_the_process_own() -> None:
    held = bytearray(300 * 2**20)
    small, large = peak_after(0), peak_after(100 * 2**20)
    assert 95 * 2**20 < large - small < 120 * 2**20
    assert small < len(held), "nothing is handed down from the process that started it"
