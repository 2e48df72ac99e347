"""Small bundles of small papers, and what a forger would do with them, for the tests of bundles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ledger_samples import sample_arrays
from msgspec.structs import replace
from scoring_samples import IMAGENET, SCENES, classified, experiment, mini_paper, record_of, segmented

from harness.audit.run import audit
from harness.bundle.build import build, spelt_statement
from harness.bundle.contents import ROWS, STATEMENT
from harness.claims.load import load_paper
from harness.experiment import Experiment, Reach
from harness.ledger import canonical
from harness.ledger.store import Ledger
from harness.statistics.evidence import Evidence

Files = dict[str, bytes]
SYSTEMS = {"Plain": 0.3, "Dilated": 0.24}
PARAMETERS = {"Plain": 11_689_512, "Dilated": 11_700_000}
TINY = """
[paper]
key = "mini"
title = "Mini"
authors = ["A"]
year = 2020
versions = ["v1"]
[sources]
text = "text"
[table.t1]
section = "Table 1"
columns = [{ id = "top1", metric = "top1-error", dataset = "imagenet/val", protocol = "1-crop", n = 400, unit = "%" }]
rows."Plain" = ["30.0"]
"""


def experiments() -> tuple[Experiment, ...]:
    top1 = experiment().reaches[0]
    return (
        experiment("counts", Evidence.EXACT, seeds=(0,), reaches=(Reach("parameters"),)),
        experiment("released", Evidence.RELEASED_WEIGHTS, reaches=(top1,), split="imagenet/val"),
        experiment("scenes", Evidence.SYNTHETIC, reaches=(top1, Reach("miou")), seeds=(0, 1)),
        experiment("speed", Evidence.TIMING, seeds=(0,), reaches=(Reach("rate"),), recipe={"batch": 8}),
    )


def fill(ledger: Ledger) -> None:
    """Add ten records that count, one of changed code, and two that are damaged."""
    counts, released, scenes, speed = experiments()
    for system, error in SYSTEMS.items():
        ledger.append(record_of(counts, system, data=None, values={"parameters": PARAMETERS[system]}), {})
        ledger.append(record_of(released, system, data=IMAGENET), classified(error, 0))
        for seed in (0, 1):
            arrays = {**classified(error, seed, images=60), **segmented(1 - error, seed)}
            ledger.append(record_of(scenes, system, seed, data=replace(SCENES, test=60)), arrays)
        seconds = sample_arrays(len(system), 40)["loc_iou"].astype(float) / 100 + error / 10
        ledger.append(record_of(speed, system, data=None), {"seconds": seconds})
    changed = record_of(scenes, "Plain", 9)
    ledger.append(replace(changed, code=replace(changed.code, digest="0" * 64)), {})
    damaged = ledger.append(record_of(scenes, "Plain", 8), {})
    damaged.path.write_bytes(damaged.path.read_bytes().replace(b'"seed": 8', b'"seed": 7'))
    emptied = ledger.append(record_of(scenes, "Plain", 7, data=replace(SCENES, test=60)), classified(0.3, 7, images=60))
    emptied.path.with_suffix(".npz").write_bytes(b"")


def small_bundle(folder: Path) -> Files:
    """Return the files of an unsigned bundle without a page, with every kind of row."""
    ledger, paper = Ledger(folder / "ledger"), mini_paper(folder)
    fill(ledger)
    return build(paper, audit(paper), experiments(), ledger, None)


def tiny_bundle(folder: Path) -> Files:
    """Return one of a single claim and record, so small that each of its bytes can be tried."""
    _, released, *_ = experiments()
    ledger = Ledger(folder / "ledger")
    ledger.append(record_of(released, "Plain", data=IMAGENET, environment=_machine()), classified(0.3, 0))
    (folder / "claims.toml").write_text(TINY, encoding="utf-8")
    paper = load_paper(folder / "claims.toml")
    return build(paper, audit(paper), (released,), ledger, None)


def _machine() -> Any:
    return replace(record_of(experiment(), "Plain").environment, packages={})


def restated(files: Files) -> Files:
    """Return files with a statement that lists them with their digests, and names the tests of the old one."""
    covered = {name: content for name, content in files.items() if name != STATEMENT}
    old, fresh = json.loads(files[STATEMENT]), json.loads(spelt_statement(covered, []))
    fresh["predicate"] = {**old["predicate"], "configuration": fresh["predicate"]["configuration"]}
    return {**covered, STATEMENT: canonical.pretty(fresh)}


def with_rows(files: Files, change: Callable[[Any], None]) -> Files:
    """Return a bundle whose rows were edited and whose digests were worked out again."""
    rows = json.loads(files[ROWS])
    change(rows)
    return restated({**files, ROWS: canonical.pretty(rows)})


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield everything in plain JSON that is not itself a list or an object, with the way to it."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if children is None:
        yield path, value
        return
    for name, child in children:
        yield from leaves(child, (*path, name))


def put(value: Any, path: tuple[Any, ...], leaf: Any) -> None:
    """Replace a leaf."""
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = leaf
