"""Papers and a ledger of any size, made to be rendered: their numbers mean nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import msgspec
import numpy as np

from harness.audit.generated import clean_paper
from harness.claims.model import Paper
from harness.experiment import Context, Experiment, Outcome, Reach, Unit
from harness.ledger import canonical
from harness.ledger.record import Code, Data, Environment, Record
from harness.ledger.store import NAME_LENGTH, Ledger
from harness.memory import peak_resident
from harness.reports.publish import Source, publish, publish_index
from harness.runner.identity import code_digest
from harness.statistics.evidence import Evidence

PAPERS = 20
IMAGES = 1000
SEEDS = 5
SOURCE = ("harness.scoring.scores",)
MACHINE = Environment("3.12", "Linux", "A processor", 2, 2, "cpu", {"torch": "2.11"})
SCENES = Data("scenes", "d" * 64, 3000, IMAGES)


def sources(folder: Path) -> tuple[Source, ...]:
    """Return the papers, each of about 250 claims and one experiment."""
    return tuple(_source(number, folder) for number in range(PAPERS))


def write_ledger(folder: Path, papers: tuple[Source, ...], records: int) -> Ledger:
    """Write a ledger with so many records, the same number of each paper: seeds measured again and again.

    One record goes through the ledger, which waits for the disk; the others are its like, with the same outcomes.
    """
    ledger = Ledger(folder)
    for paper in papers:
        own = islice(_records(paper), records // len(papers))
        first = ledger.append(next(own), {"ranks": np.random.default_rng(0).integers(0, 10, IMAGES).astype(np.uint16)})
        for record in own:
            content = msgspec.to_builtins(msgspec.structs.replace(record, arrays=first.record.arrays))
            path = first.path.with_name(f"{canonical.digest(content)[:NAME_LENGTH]}.json")
            path.write_bytes(canonical.pretty(content))
            os.link(first.path.with_suffix(".npz"), path.with_suffix(".npz"))
    return ledger


def part_of(ledger: Ledger, folder: Path, records: int) -> Ledger:
    """Return a ledger with the first so many records of another, the same number of each paper."""
    for paper in sorted(ledger.root.iterdir()):
        own = sorted(ledger.records(paper.name), key=lambda stored: stored.record.started)
        for stored in own[: records // PAPERS]:
            for path in (stored.path, stored.path.with_suffix(".npz")):
                linked = folder / path.relative_to(ledger.root)
                linked.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, linked)
    return Ledger(folder)


def one_more(ledger: Ledger, paper: Source, seed: int) -> None:
    """Add a record of a seed that has none."""
    record = msgspec.structs.replace(next(_records(paper)), seed=seed)
    ledger.append(record, {"ranks": np.zeros(IMAGES, np.uint16)})


def render(ledger: Ledger, folder: Path) -> None:
    """Write the site of all papers as ``remeasure report`` does."""
    site, memory = folder / "site", folder / "memory"
    rendered = [publish(source, ledger, site, memory=memory) for source in sources(folder)]
    publish_index([each.summary for each in rendered], (), site)


def peak_of(ledger: Ledger, folder: Path) -> int:
    """Return the most memory that a process had resident which rendered a ledger and did nothing else."""
    render(ledger, folder)
    peak = peak_resident()
    assert peak is not None
    return peak


def _source(number: int, folder: Path) -> Source:
    package = folder / f"paper-{number}"
    package.mkdir(parents=True, exist_ok=True)
    key = f"generated-{number}"

    def load() -> tuple[Paper, tuple[Experiment, ...]]:
        paper = replace(clean_paper(number), key=key, path=package / "claims.toml")
        return paper, (_experiment(paper),)

    return Source(key, package, load)


def _experiment(paper: Paper) -> Experiment:
    return Experiment(
        key="scenes",
        title="Scenes",
        evidence=Evidence.SCALED_DOWN,
        systems=tuple(paper.systems),
        seeds=tuple(range(SEEDS)),
        reaches=(Reach("top1-error", "1-crop"), Reach("top5-error", "1-crop")),
        recipe={"epochs": 8},
        source=SOURCE,
        deviations=(),
        measure=_measure,
        command="remeasure run generated",
    )


def _measure(unit: Unit, context: Context) -> Outcome:
    raise NotImplementedError(f"{unit} is never measured in {context.scratch}")


def _records(source: Source) -> Iterator[Record]:
    """Yield records without end, round after round over all units; only the newest are of the present code."""
    paper, (experiment,) = source.load()
    code = code_digest(SOURCE)
    for age in count():
        for unit in experiment.units():
            yield Record(
                paper=paper.key,
                experiment=unit.experiment,
                system=unit.system,
                seed=unit.seed,
                evidence=experiment.evidence,
                recipe=dict(experiment.recipe),
                data=SCENES,
                code=Code(code if age == 0 else f"{age:064x}"),
                environment=MACHINE,
                deviations=(),
                started=f"{2026 - age // 300}-{12 - age // 28 % 12:02}-{28 - age % 28:02}T00:00:00+00:00",
                seconds=60.0,
            )
