"""Records and arrays for the tests of the ledger and of what reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.ledger.record import Code, Data, Deviation, Environment, Evidence, Record

ENVIRONMENT = Environment("3.11.9", "Linux-6.1-x86_64", "Some CPU", 2, 2, "cpu", {"numpy": "2.1.0"})


def sample_record(seed: int = 0, **changes: Any) -> Record:
    settings: dict[str, Any] = {
        "paper": "drn",
        "experiment": "scenes",
        "system": "DRN-C-26",
        "seed": seed,
        "evidence": Evidence.SYNTHETIC,
        "recipe": {"epochs": 8, "rate": 0.1, "crop": [48, 48], "width": "quarter"},
        "data": Data("scenes", "d" * 64, 3000, 1000),
        "code": Code("c" * 64, "0123abcd", False),
        "environment": ENVIRONMENT,
        "deviations": (Deviation("2025-01-01", "data", "ImageNet", "5.1", "scenes", "no ImageNet here"),),
        "started": "2025-01-01T00:00:00+00:00",
        "seconds": 12.5,
        "values": {"parameters": 21126584, "peak-memory": 12.25, "note": "naïve"},
        "log": ({"epoch": 1, "loss": 2.5, "seconds": 1.5},),
    }
    return Record(**{**settings, **changes})


def sample_arrays(seed: int = 0, images: int = 40) -> dict[str, NDArray[Any]]:
    stream = np.random.default_rng(seed)
    return {
        "ranks": stream.integers(0, 10, images).astype(np.uint16),
        "loc_iou": stream.random(images, dtype=np.float32),
        "confusion": stream.integers(0, 99, (images, 3, 4)).astype(np.int32),
        "seconds": stream.random(5),
    }
