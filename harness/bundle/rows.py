"""The numbers of a report as a list of rows: stated by who makes a bundle, recomputed by who verifies it.

A number is stated as a decimal with ten significant digits of the largest number beside it (its interval, its seeds,
the printed number it is compared with), and at most twelve decimals: more digits than the report shows of it. Whoever
recomputes it gets the same float64 but for its last few bits, about 1e-14 of it, since mathematical libraries round
differently. So a stated number is right if it is the recomputed one rounded to its decimals, give or take a thousandth
of its last digit: at least 1e-13 of the largest number, where that has no more than ten digits before the point (what
is larger is a count, and exact). Any digit that is changed makes it wrong, unless the number lies that near to the
middle between two neighbours; then both are its rounding, and they differ in the last stated digit alone, which no
report shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from harness.claims.printed import PRINTED, Printed, rounded
from harness.scoring.model import ClaimRow, Measurement, RelationRow, Results, Verdict

SIGNIFICANT = 10
MOST_DECIMALS = 12
SLACK = Fraction(1, 1000)
"""Of the last digit: by how much the recomputed number may miss the interval that rounds to the stated one."""
BITS = 1e-12
"""The relative size of what cannot be known of the largest number when its leading digit is read."""


@dataclass(frozen=True, slots=True)
class Number:
    """A recomputed number and the largest number that it stands beside."""

    value: float
    largest: float

    @property
    def stated(self) -> str:
        """The number as text."""
        return rounded(Fraction(self.value), _decimals(self.largest))

    def agrees(self, text: object) -> bool:
        """Whether a stated number is this one."""
        if not isinstance(text, str) or not PRINTED.fullmatch(text):
            return False
        claimed = Printed(text)
        possible = {_decimals(self.largest * (1 - BITS)), _decimals(self.largest * (1 + BITS))}
        if claimed.decimals not in possible or rounded(claimed.value, claimed.decimals) != text:
            return False
        return abs(Fraction(self.value) - claimed.value) <= (Fraction(1, 2) + SLACK) * claimed.step


Row = Mapping[str, Any]
"""Plain JSON but for its numbers, which are :class:`Number`."""


def rows_of(results: Results) -> list[Row]:
    """Return every number a report shows: of claims, of relations, and of all else that was measured."""
    return [
        *map(_claim, results.claims),
        *map(_relation, results.relations),
        *({"kind": "measurement", **_measurement(one)} for one in results.measurements),
    ]


def stated(value: Any) -> Any:
    """Return rows, or a part of one, as plain JSON."""
    match value:
        case Number():
            return value.stated
        case Mapping():
            return {name: stated(child) for name, child in value.items()}
        case list():
            return [stated(child) for child in value]
        case _:
            return value


def differences(claimed: object, recomputed: Sequence[Row]) -> Iterator[str]:
    """Say of each row how what is stated differs from what the records give; nothing if it does not."""
    if not isinstance(claimed, list):
        yield "the rows are not a list"
        return
    for place, (theirs, ours) in enumerate(zip(claimed, recomputed, strict=False), start=1):
        for path, said, found in _unequal(theirs, ours, ""):
            yield f"row {place} ({name_of(ours)}): {path or 'the row'} is stated as {said}, the records give {found}"
    if len(claimed) != len(recomputed):
        yield f"{len(claimed)} rows are stated, the records give {len(recomputed)}"


def name_of(row: Row) -> str:
    """Return what a row is about, for a reader."""
    if row["kind"] == "measurement":
        parts = (row["experiment"], row["system"], row["metric"], row["label"])
        return " ".join(part for part in parts if part)
    return f"{row['kind']} {row['id']}"


def _unequal(theirs: Any, ours: Any, path: str) -> Iterator[tuple[str, str, str]]:
    match ours:
        case Number():
            if not ours.agrees(theirs):
                yield path, _shown(theirs), ours.stated
        case Mapping():
            names = theirs if isinstance(theirs, dict) else {}
            if set(names) != set(ours):
                yield path, _shown(sorted(names) if names else theirs), _shown(sorted(ours))
            for name in set(names) & set(ours):
                yield from _unequal(names[name], ours[name], f"{path}.{name}" if path else name)
        case list():
            items = theirs if isinstance(theirs, list) else None
            if items is None or len(items) != len(ours):
                yield path, _shown(theirs), _shown(stated(ours))
            else:
                for place, (one, other) in enumerate(zip(items, ours, strict=True)):
                    yield from _unequal(one, other, f"{path}[{place}]")
        case _:
            if type(theirs) is not type(ours) or theirs != ours:
                yield path, _shown(theirs), _shown(ours)


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _decimals(largest: float) -> int:
    if largest == 0:
        return MOST_DECIMALS
    return min(max(SIGNIFICANT - 1 - math.floor(math.log10(largest)), 0), MOST_DECIMALS)


def _numbers(values: Mapping[str, float], beside: Iterable[float] = ()) -> dict[str, Number]:
    largest = max(map(abs, (*values.values(), *beside)), default=0.0)
    return {name: Number(value, largest) for name, value in values.items()}


def _measurement(one: Measurement) -> dict[str, Any]:
    main = {"estimate": one.estimate, "low": one.low, "high": one.high}
    largest = max(map(abs, (*main.values(), *one.per_seed)))
    return {
        "experiment": one.experiment,
        "evidence": one.evidence.value,
        "system": one.system,
        "metric": one.metric,
        "label": one.label,
        "unit": one.unit,
        **_numbers(main, one.per_seed),
        "seeds": list(one.seeds),
        "per_seed": [Number(value, largest) for value in one.per_seed],
        "n": one.n,
        "records": list(one.records),
    }


def _verdict(verdict: Verdict, beside: Iterable[float] = ()) -> dict[str, Any]:
    numbers = {"difference": verdict.difference, "low": verdict.low, "high": verdict.high}
    known = {name: value for name, value in numbers.items() if value is not None}
    return {
        "word": verdict.word.value,
        "evidence": verdict.evidence.value if verdict.evidence else None,
        "experiment": verdict.experiment,
        "unit": verdict.unit,
        **dict.fromkeys(numbers),
        **_numbers(known, beside),
    }


def _claim(row: ClaimRow) -> dict[str, Any]:
    claim = row.claim
    return {
        "kind": "claim",
        "id": claim.id,
        "system": claim.system,
        "metric": claim.metric,
        "unit": claim.unit,
        "claimed": str(claim.printed),
        "measured": [_measurement(one) for one in row.measurements],
        "verdict": _verdict(row.verdict, (float(claim.printed.value),)),
    }


def _relation(row: RelationRow) -> dict[str, Any]:
    relation = row.relation
    return {
        "kind": "relation",
        "id": relation.id,
        "left": relation.left,
        "op": relation.op,
        "right": relation.right,
        "direction": relation.direction,
        "arithmetic": row.arithmetic.outcome.value,
        "measured": [_verdict(verdict) for verdict in row.measured],
    }
