"""A small paper of which some numbers may be cited and others may not, for the tests of exports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from scoring_samples import ERRORS, IMAGENET, experiment, fill, joined, mini_paper, record_of

from harness.ledger.record import Code, Deviation
from harness.ledger.store import Ledger
from harness.scoring.load import load_results
from harness.scoring.model import Results
from harness.statistics.evidence import Evidence

LEDGER = Ledger(Path(__file__).parents[1] / "reports" / "ledger")
URL = "https://example.org/mini"
SITE = "https://example.org/reports/"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
RESIZED = Deviation("2025-02-03", "resizing", "bicubic | cubic", "Section 5", "bilinear: a guess", "not stated")
RELEASED = ("Plain", "Dilated")
"""The systems whose top-1 error with one crop was measured with released weights on all of the claim's images."""


@cache
def recorded(key: str) -> Results:
    """Return a paper's results with this checkout's ledger."""
    return load_results(key, LEDGER)


def sample(folder: Path, evidence: Evidence = Evidence.RELEASED_WEIGHTS, **changes: Any) -> tuple[Results, Ledger]:
    """Return results of one kind of evidence on the claims' images, beside exact and synthetic ones."""
    folder.mkdir(exist_ok=True)
    paper, ledger = replace(mini_paper(folder), url=URL), Ledger(folder / "ledger")
    released = experiment("released", evidence, split="imagenet/val", part_of=Evidence.RELEASED_WEIGHTS)
    settings = {"data": IMAGENET, "deviations": (RESIZED,), **changes}
    fill(ledger, released, {system: ERRORS[system] for system in RELEASED}, **settings)
    scenes, counts = experiment(), experiment("counts", Evidence.EXACT)
    fill(ledger, scenes, ERRORS, seeds=(0,))
    clean = Code(record_of(counts, "Plain").code.digest, COMMIT, False)
    ledger.append(record_of(counts, "Plain", data=None, code=clean, values={"parameters": 11_689_512}), {})
    return joined(paper, ledger, released, scenes, counts), ledger


def strict_json(text: str | bytes) -> Any:
    """Read JSON, in which NaN and infinity are errors."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON number")

    return json.loads(text, parse_constant=refuse)


def put(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
