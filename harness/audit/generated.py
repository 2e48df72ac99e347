"""Papers without an error, whose true values are known: what a detector says of them is a false alarm.

A generated paper has the parts that real ones have: classification errors of families of networks under two protocols,
localisation errors, class IoUs with their mean (with or without a class that is not printed), a small test set, numbers
repeated in the prose, relations computed from unrounded values, a source that baselines are quoted from and an
independent one. Every printed decimal is the correctly rounded true value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist

import numpy as np

from harness.claims.model import (
    Claim,
    Column,
    Paper,
    Place,
    Reference,
    ReferenceKind,
    Relation,
    System,
    Table,
    Transcription,
)
from harness.claims.printed import Printed, rounded

NORMAL = NormalDist()
DEPTHS = (18, 34, 50, 101, 152)
PLACE = Place("generated", "generated", Transcription.TWO_SOURCES, 1)
LARGE = 50_000
SMALL = (46, 101, 233, 500)


@dataclass
class Draft:
    """A paper in the making: what is printed, and the truth behind it."""

    rng: np.random.Generator
    tables: dict[str, Table] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    truth: dict[str, Fraction] = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)

    def add_table(self, id: str, columns: list[Column], rows: Mapping[str, list[Fraction]], decimals: int) -> None:
        self.tables[id] = Table(id, id, tuple(columns), {row.lower(): row for row in rows}, PLACE)
        for row, values in rows.items():
            for column, value in zip(columns, values, strict=True):
                address = f"{id}/{row.lower()}/{column.id}"
                self.truth[address] = value
                self.claims[address] = Claim(
                    id=address,
                    printed=Printed(rounded(value, decimals)),
                    metric=column.metric,
                    unit=column.unit,
                    system=row,
                    place=PLACE,
                    dataset=column.dataset,
                    protocol=column.protocol,
                    n=column.n,
                    table=id,
                    row=row.lower(),
                    column=column.id,
                )

    def relate(self, id: str, left: str, op: str, right: str, unit: str = "pp", universal: str | None = None) -> None:
        statement = id.partition("#")[0]
        self.relations.append(Relation(id, statement, statement, left, op, right, unit, PLACE, universal))


def clean_paper(seed: int, tables: int = 1) -> Paper:
    """Generate a paper.

    Args:
        seed: The same seed gives the same paper.
        tables: How often the set of four tables is repeated; one set holds about 250 claims.
    """
    draft = Draft(np.random.default_rng(seed))
    systems: dict[str, System] = {}
    for number in range(tables):
        prefix = f"n{number}-" if tables > 1 else ""
        ability = _systems(draft.rng, prefix, systems)
        _classification(draft, f"{prefix}t1", ability)
        _localisation(draft, f"{prefix}t2", ability)
        _classes(draft, f"{prefix}t3", ability)
        _small_test_set(draft, f"{prefix}t4", ability)
        _prose(draft, prefix, list(ability))
        _sources(draft, prefix, list(ability))
    return Paper(
        key="generated",
        title="Generated",
        authors=(),
        year=2017,
        venue="",
        versions=(),
        url="",
        path=Path("generated.toml"),
        tables=draft.tables,
        claims=draft.claims,
        relations=tuple(draft.relations),
        references=tuple(draft.references),
        facts=(),
        systems=systems,
    )


def _systems(rng: np.random.Generator, prefix: str, systems: dict[str, System]) -> dict[str, float]:
    """Invent two or three families of networks; deeper is better but for a little luck."""
    ability: dict[str, float] = {}
    for family in "ABC"[: rng.integers(2, 4)]:
        start = rng.normal(0, 0.1)
        for depth in DEPTHS[: rng.integers(3, 6)]:
            name = f"{prefix}Net-{family}-{depth}"
            systems[name] = System(name, f"{prefix}Net-{family}", depth)
            ability[name] = start + 0.15 * float(np.log(depth / 18)) + rng.normal(0, 0.03)
    return ability


def _share(probit: float, n: int | None = None) -> Fraction:
    """Return a percentage; of n images, one that a whole number of them gives."""
    share = NORMAL.cdf(probit)
    return Fraction(round(share * n) * 100, n) if n else Fraction(share).limit_denominator(10**9) * 100


def _measured(id: str, metric: str, dataset: str, protocol: str | None = None, n: int | None = None) -> Column:
    return Column(id, id, metric, "%", dataset, protocol, n)


def _classification(draft: Draft, id: str, ability: Mapping[str, float]) -> None:
    columns = [
        _measured(f"top{k}-{crops}crop", f"top{k}-error", "large/val", f"{crops}-crop", LARGE)
        for crops in (1, 10)
        for k in (1, 5)
    ]
    levels = [-0.55, -1.3, -0.63, -1.4]
    noise = draft.rng.uniform(0.003, 0.02, len(columns))
    slopes = draft.rng.uniform(0.9, 1.2, len(columns))
    rows = {
        name: [
            _share(level - slope * skill + draft.rng.normal(0, spread), LARGE)
            for level, slope, spread in zip(levels, slopes, noise, strict=True)
        ]
        for name, skill in ability.items()
    }
    draft.add_table(id, columns, rows, decimals=2)


def _localisation(draft: Draft, id: str, ability: Mapping[str, float]) -> None:
    columns = [_measured(f"top{k}-loc", f"top{k}-localisation-error", "large/val", None, LARGE) for k in (1, 5)]
    noise = draft.rng.uniform(0.01, 0.04)
    rows = {
        name: [_share(level - skill + draft.rng.normal(0, noise), LARGE) for level in (0.2, 0.05)]
        for name, skill in ability.items()
    }
    draft.add_table(id, columns, rows, decimals=1)


def _classes(draft: Draft, id: str, ability: Mapping[str, float]) -> None:
    """Print class IoUs and their mean; with 20 classes the mean is over 21, as where background is not printed."""
    rng = draft.rng
    count = int(rng.choice([11, 19, 20]))
    hidden = count == 20
    difficulty = rng.normal(0.6, 0.6, count)
    columns = [_measured(f"iou-{k}", "iou", "scenes/val", n=500) for k in range(count)]
    columns.append(_measured("miou", "miou", "scenes/val", n=500))
    rows: dict[str, list[Fraction]] = {}
    for name in list(ability)[: rng.integers(3, 1 + len(ability))]:
        parts = [_share(level + ability[name] + rng.normal(0, 0.15)) for level in difficulty]
        background = [_share(1.45 + 0.3 * ability[name] + rng.normal(0, 0.05))] if hidden else []
        every = [*parts, *background]
        rows[name] = [*parts, sum(every, Fraction(0)) / len(every)]
    draft.add_table(id, columns, rows, decimals=1)
    for number, row in enumerate([] if hidden else rows, start=1):
        draft.relate(f"{id}/mean#{number}", f"mean({id}/{row.lower()}/iou-*)", "=", f"{id}/{row.lower()}/miou")


def _small_test_set(draft: Draft, id: str, ability: Mapping[str, float]) -> None:
    n = int(draft.rng.choice(SMALL))
    columns = [
        _measured("accuracy", "accuracy", "small/test", n=n),
        _measured("error", "top1-error", "small/test", n=n),
    ]
    correct = {name: _share(0.8 + skill + draft.rng.normal(0, 0.05), n) for name, skill in ability.items()}
    draft.add_table(id, columns, {name: [share, 100 - share] for name, share in correct.items()}, decimals=1)


def _prose(draft: Draft, prefix: str, names: list[str]) -> None:
    """Write the sentences of a results section, true of the unrounded values."""
    column = "top1-1crop"
    for number, (worse, better) in enumerate(pairwise(names), start=1):
        cells = [f"{prefix}t1/{name.lower()}/{column}" for name in (worse, better)]
        gain = draft.truth[cells[0]] - draft.truth[cells[1]]
        difference = f"{cells[0]} - {cells[1]}"
        draft.relate(f"{prefix}s/gain-{number}", difference, "=", rounded(gain, int(draft.rng.integers(1, 3))))
        if gain > 0:
            reduction = rounded(100 * gain / draft.truth[cells[0]], 1)
            draft.relate(f"{prefix}s/reduction-{number}", f"100 * ({difference}) / {cells[0]}", "=", reduction, "%")
        if gain > 1:
            draft.relate(f"{prefix}s/each#{number}", cells[1], "<", cells[0], "%", universal="each")
            draft.relate(f"{prefix}s/threshold-{number}", difference, ">", str(int(gain)))
    for name in names[:: 1 + int(draft.rng.integers(0, 3))]:
        cell = draft.claims[f"{prefix}t1/{name.lower()}/{column}"]
        address = f"{prefix}s/{name.lower()}/{column}"
        draft.claims[address] = Claim(
            id=address,
            printed=Printed(rounded(draft.truth[cell.id], int(draft.rng.integers(1, 3)))),
            metric=cell.metric,
            unit=cell.unit,
            system=cell.system,
            place=PLACE,
            dataset=cell.dataset,
            protocol=cell.protocol,
            n=cell.n,
        )


def _sources(draft: Draft, prefix: str, names: list[str]) -> None:
    """Quote the first family's errors from a source that prints the same, and set an independent run beside them."""
    decimals = int(draft.rng.integers(1, 3))
    for kind in (ReferenceKind.ORIGIN, ReferenceKind.INDEPENDENT):
        for name in (name for name in names if "-A-" in name):
            for column in draft.tables[f"{prefix}t1"].columns:
                claim = draft.claims[f"{prefix}t1/{name.lower()}/{column.id}"]
                shift = Fraction(0) if kind is ReferenceKind.ORIGIN else Fraction(int(draft.rng.integers(-90, 90)), 100)
                value = Printed(rounded(draft.truth[claim.id] + shift, decimals))
                address = f"{prefix}{kind.value}/{name.lower()}/{column.id}"
                draft.references.append(
                    Reference(address, value, name, claim.metric, claim.unit, kind, kind.value, claim.id, PLACE.line)
                )
