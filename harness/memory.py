"""How much memory this process has needed so far."""

from __future__ import annotations

import re
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_resident() -> int | None:
    """Return the most bytes of this process that were resident at once; None where the system does not tell.

    Linux hands a process's ``ru_maxrss`` down to those it starts, so its status is read there.
    """
    if STATUS.exists():
        found = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text(encoding="utf-8", errors="replace"))
        if found:
            return int(found[1]) * 1024
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
