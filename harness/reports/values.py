"""Measurements, differences and expressions as a reader sees them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup, escape

from harness.audit.finding import Finding
from harness.claims.expressions import ID, ExpressionError
from harness.claims.model import Claim, Paper, Relation
from harness.claims.relations import comparison
from harness.scoring.model import Measurement, Verdict
from harness.statistics.evidence import Evidence
from harness.wording.numbers import MINUS, Shown, converted, grouped, show, with_unit
from harness.wording.words import OPERATORS, counted, metric_title

STRENGTH = {evidence: rank for rank, evidence in enumerate(Evidence)}
"""Evidence in the order of its declaration, the strongest first."""


@dataclass(frozen=True, slots=True)
class Value:
    """A measurement as text, in the unit of the number it stands beside."""

    measurement: Measurement
    shown: Shown
    unit: str

    @property
    def synthetic(self) -> bool:
        return self.measurement.evidence is Evidence.SYNTHETIC

    @property
    def text(self) -> str:
        return with_unit(self.shown.estimate, self.unit)

    @property
    def basis(self) -> str:
        """What the interval rests on; empty for exact numbers."""
        m = self.measurement
        return basis(m.evidence, len(m.seeds), m.n)


@dataclass(frozen=True, slots=True)
class Difference:
    """A verdict's difference as numbers and as text, turned so that more is more of what was stated.

    Attributes:
        value, low, high: In ``unit``; the interval is a point where the difference is exact.
    """

    value: float
    low: float
    high: float
    shown: Shown
    unit: str

    @property
    def text(self) -> str:
        return with_unit(self.shown.estimate, self.unit)


def value_of(measurement: Measurement, unit: str | None = None) -> Value:
    """Write a measurement in a unit, its own if none is given."""
    target = unit or measurement.unit
    numbers = (
        converted(x, measurement.unit, target) for x in (measurement.estimate, measurement.low, measurement.high)
    )
    return Value(measurement, show(*numbers), target)


def difference_of(verdict: Verdict, *, turned: bool = False) -> Difference | None:
    """Write a verdict's difference; ``turned`` changes its sign. None where the verdict has none."""
    if verdict.difference is None:
        return None
    value = verdict.difference
    low = value if verdict.low is None else verdict.low
    high = value if verdict.high is None else verdict.high
    if turned:
        value, low, high = -value, -high, -low
    return Difference(value, low, high, show(value, low, high, signed=True), verdict.unit)


def states_less(relation: Relation) -> bool:
    """Whether the relation's direction says that its left side is the smaller one."""
    try:
        return comparison(relation.direction or "")[1] in ("<", "<=")
    except ExpressionError:
        return False


def readable(expression: str, paper: Paper) -> str:
    """Replace ids by the systems they are about, and name what is compared where that is one thing.

    ``t1/drn-a-18/top1-1crop < t1/resnet-18/top1-1crop`` becomes ``DRN-A-18 < ResNet-18 (top-1 error, 1-crop)``.
    """
    claims = [paper.claims[id] for id in ID.findall(expression) if id in paper.claims]
    aspects = {aspect(claim) for claim in claims}
    one = len(aspects) == 1

    def name(match: re.Match[str]) -> str:
        claim = paper.claims.get(match[0])
        if claim is None:
            return match[0]
        return claim.system if one else f"{claim.system}’s {aspect(claim)}"

    text = ID.sub(name, expression)
    text = re.sub(r"(?<= )([<>]=|~)(?= )", lambda m: OPERATORS[m[1]], text)
    text = text.replace(" - ", f" {MINUS} ").replace(" * ", " × ")
    return f"{text} ({aspects.pop()})" if one else text


def basis(evidence: Evidence, seeds: int, n: int) -> str:
    """Say what an interval rests on: ``3 seeds × 1000 images``, ``40 timed repeats``; empty for exact numbers."""
    if not n:
        return ""
    if evidence is Evidence.TIMING:
        return counted(n, "timed repeat")
    return f"{counted(seeds, 'seed')} × {grouped(str(n))} images"


def linked(text: str, paper: Paper, anchors: Mapping[str, str], to: Callable[[str], str] | None = None) -> Markup:
    """Turn the ids in a sentence into links: of claims by the systems they are about, of statements by their ids.

    Args:
        to: From an anchor of the report to the address to link to; None links within the page.
    """
    parts, end = [], 0
    for match in ID.finditer(text):
        id = match[0].rstrip(".")
        claim = paper.claims.get(id)
        if claim is None and id not in anchors:
            continue
        name, anchor = (claim.system or id, id) if claim is not None else (id, anchors[id])
        parts += [escape(text[end : match.start()]), Markup('<a href="{}">{}</a>').format((to or link)(anchor), name)]
        end = match.start() + len(id)
    return Markup("").join([*parts, escape(text[end:])])


def claim_name(id: str, paper: Paper) -> str:
    """Name a claim by its system and what it says of it."""
    claim = paper.claims.get(id)
    return f"{claim.system or id}, {aspect(claim)}" if claim else id


def finding_anchor(finding: Finding) -> str:
    """Return where a finding stands on the page."""
    return f"finding-{finding.fingerprint}"


def aspect(claim: Claim) -> str:
    """Name what a claim says of its system: ``top-1 error, 1-crop``; a class's IoU by the class."""
    title = metric_title(claim.metric)
    if claim.metric == "iou" and claim.column:
        title = f"{title} {claim.column.removeprefix('iou-')}"
    return f"{title}, {claim.protocol}" if claim.protocol else title


def where(claim: Claim, paper: Paper) -> str:
    """Name a claim's place: its table or section."""
    table = paper.tables.get(claim.table or "")
    return (table.place.section if table else claim.place.section) or claim.id.partition("/")[0]


def system_order(names: Iterable[str], paper: Paper) -> list[str]:
    """Sort systems as the paper's tables first list them.

    Of those that the paper does not list, "A + B" follows the system A that it does; the rest come last, by name.
    """
    listed = dict.fromkeys(claim.system for claim in paper.claims.values() if claim.system)
    rank = {name: position for position, name in enumerate(listed)}

    def place(name: str) -> tuple[int, bool, str]:
        bases = (other for other in rank if name.startswith(f"{other} + "))
        base = name if name in rank else max(bases, key=len, default="")
        return rank.get(base, len(rank)), name != base, name

    return sorted(set(names), key=place)


def link(anchor: str) -> str:
    """Return the address of an anchor on the same page."""
    return f"#{quote(anchor, safe='/+.-_~')}"
