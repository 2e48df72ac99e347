"""The 701 labelled frames of CamVid and the split of SegNet's release, as runs of equally spaced frames.

Each run holds the text before the frame's number, the first and the last number, their step and their digits. Yu &
Koltun (ICLR 2016, Appendix B) count 367, 100 and 233 frames; which of the 101 frames of ``val`` they leave out is not
public.
"""

from __future__ import annotations

from collections.abc import Mapping

Run = tuple[str, int, int, int, int]

RUNS: Mapping[str, tuple[Run, ...]] = {
    "train": (
        ("0001TP_", 6690, 8520, 30, 6),
        ("0006R0_f", 930, 3930, 30, 5),
        ("0016E5_", 390, 870, 30, 5),
        ("0016E5_", 901, 930, 29, 5),
        ("0016E5_", 960, 2400, 30, 5),
        ("0016E5_", 4350, 7920, 30, 5),
        ("0016E5_", 8190, 8640, 30, 5),
    ),
    "val": (("0016E5_", 7959, 8159, 2, 5),),
    "test": (("0001TP_", 8550, 10380, 30, 6), ("Seq05VD_f", 0, 5100, 30, 5)),
}


def frames(split: str) -> tuple[str, ...]:
    """Names of a split's frames, sorted: ``0001TP_006690`` and so on."""
    return tuple(
        f"{before}{number:0{digits}}"
        for before, first, last, step, digits in RUNS[split]
        for number in range(first, last + 1, step)
    )
