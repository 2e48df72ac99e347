"""Numbers held against the outside source they come from.

Values are compared at the coarser of the two precisions. What a difference means depends on the source's kind:

* *authors*: the same people print the number twice; a difference is a warning.
* *origin*: the number is quoted from there. If at least half of the source's numbers, and at least three, agree with
  the paper, it is where they were copied from, and one that differs is an error. If fewer agree, the source is probably
  another version or run: one note for the whole source.
* *copy*: someone else repeats the paper's numbers. Where they differ, the copy or the claims file is wrong, and the
  paper is not accused: one note for the whole source.
* *independent*: someone else measured again and may rightly differ; never a finding.

The consequence is what matters: every relation that rests on the number is recomputed with the source's value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.audit.finding import Finding, Severity
from harness.audit.relations import consequences
from harness.audit.rules import AUTHORS_DIFFER, COPY_DIFFERS, ORIGIN_DIFFERS, ORIGIN_UNLIKE, Rule
from harness.audit.two_values import same_value
from harness.audit.wording import listing, measure
from harness.audit.worksheet import Worksheet
from harness.claims.model import Claim, Reference, ReferenceKind
from harness.claims.vocabulary import UNITS

LEAST_AGREEING = 3


@dataclass(frozen=True, slots=True)
class Beside:
    """A claim with the outside number of the same quantity."""

    claim: Claim
    reference: Reference

    @property
    def agrees(self) -> bool:
        return same_value(self.claim.printed, self.reference.printed)


def detect(sheet: Worksheet) -> Iterator[Finding]:
    """Yield numbers that differ from the authors' other copy or from the source they are quoted from."""
    for kind, pairs in _by_source(sheet).values():
        differing = [pair for pair in pairs if not pair.agrees]
        agreeing = len(pairs) - len(differing)
        if kind is ReferenceKind.AUTHORS:
            yield from (_differs(sheet, pair, len(pairs)) for pair in differing)
        elif kind is ReferenceKind.COPY:
            if differing:
                yield _several(COPY_DIFFERS, pairs, differing, "The paper's own print stands; the copy may be wrong.")
        elif 2 * agreeing >= len(pairs) and agreeing >= LEAST_AGREEING:
            yield from (_differs(sheet, pair, agreeing) for pair in differing)
        elif differing:
            meaning = "They may have been taken from another version or source."
            yield _several(ORIGIN_UNLIKE, pairs, differing, meaning)


def _by_source(sheet: Worksheet) -> dict[str, tuple[ReferenceKind, list[Beside]]]:
    """Group references that stand beside a claim of the same unit by source; independent ones are left out."""
    found: dict[str, tuple[ReferenceKind, list[Beside]]] = {}
    for reference in sheet.paper.references:
        if reference.claim is None or reference.kind is ReferenceKind.INDEPENDENT:
            continue
        claim = sheet.paper.claims[reference.claim]
        if UNITS[claim.unit] == UNITS[reference.unit]:
            name = reference.id.partition("/")[0]
            found.setdefault(name, (reference.kind, []))[1].append(Beside(claim, reference))
    return found


def _differs(sheet: Worksheet, pair: Beside, agreeing: int) -> Finding:
    claim, reference = pair.claim, pair.reference
    origin = reference.kind is ReferenceKind.ORIGIN
    follows = consequences(sheet, {claim.id: reference.printed})
    others = f"; {agreeing} other numbers of that source agree with the paper" if origin else ""
    message = (
        f"{claim.system}: {claim.definition.title} {measure(claim.printed, claim.unit)} in {claim.place.section}, and "
        f"{reference.printed} in {reference.source}{others}."
    )
    if follows:
        message += f" With {reference.printed}: {'; '.join(c.message for c in follows)}."
    elif rests := sheet.resting_on((claim.id,)):
        message += f" All {len(rests)} statements that rest on it keep their verdict with {reference.printed}."
    return Finding(
        rule=ORIGIN_DIFFERS if origin else AUTHORS_DIFFER,
        severity=Severity.ERROR if origin else Severity.WARNING,
        message=message,
        line=claim.place.line,
        claims=(claim.id,),
        printed=(str(claim.printed),),
        recomputed=reference.printed.interval,
        conclusion=" ".join(dict.fromkeys(c.conclusion for c in follows if c.conclusion)),
        consequences=follows,
    )


def _several(rule: Rule, pairs: list[Beside], differing: list[Beside], meaning: str) -> Finding:
    """Return one note for all numbers of a source that differ."""
    values = listing([f"{p.claim.printed} and {p.reference.printed} ({p.claim.id})" for p in differing])
    source = differing[0].reference.source
    return Finding(
        rule=rule,
        severity=Severity.NOTE,
        message=f"{len(differing)} of {len(pairs)} numbers differ from {source}: {values}. {meaning}",
        line=differing[0].claim.place.line,
        claims=tuple(pair.claim.id for pair in differing),
        printed=tuple(str(pair.claim.printed) for pair in differing),
    )
