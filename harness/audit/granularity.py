"""GRIM: a percentage of n test images is k / n for a whole k (Brown and Heathers, SPPS 2017).

A printed decimal is impossible where no k / n lies in its rounding interval. The power of the test is the share of
printable decimals it would reject: ``max(0, 1 - n step)``, with the printed step as a share of 1. For 50,000 images and
two decimals of a per cent it is 0: five images share every decimal, and the test says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor

from harness.audit.finding import Finding, Severity
from harness.audit.rules import GRANULARITY
from harness.audit.wording import number
from harness.audit.worksheet import Worksheet, whole
from harness.claims.intervals import Interval
from harness.claims.model import Claim, Paper
from harness.claims.printed import Printed
from harness.claims.vocabulary import Quantity


def detect(sheet: Worksheet) -> Iterator[Finding]:
    """Yield proportions that no number of images gives, where the test has power; those out of range are not ours."""
    for claim in sheet.paper.claims.values():
        if claim.definition.quantity is not Quantity.PROPORTION or claim.n is None:
            continue
        total = whole(claim.unit)
        chance = power(claim.printed, claim.n, total)
        in_range = 0 <= claim.printed.value <= total
        if chance > 0 and in_range and not attainable(claim.printed.interval, claim.n, total):
            yield _finding(claim, claim.n, total, chance)


def attainable(interval: Interval, n: int, total: Fraction) -> bool:
    """Return whether some k of n, as a share of ``total``, lies in the interval."""
    k = max(ceil(interval.low * n / total), 0)
    return k <= min(floor(interval.high * n / total), n)


def power(printed: Printed, n: int, total: Fraction) -> Fraction:
    """Return the share of decimals of this precision that no k of n rounds to."""
    return max(Fraction(0), 1 - n * printed.step / total)


def powerless(paper: Paper) -> int:
    """Count the proportions of known n that are printed too coarsely, or on too many images, to be tested."""
    return sum(
        claim.definition.quantity is Quantity.PROPORTION
        and claim.n is not None
        and power(claim.printed, claim.n, whole(claim.unit)) == 0
        for claim in paper.claims.values()
    )


def _finding(claim: Claim, n: int, total: Fraction, chance: Fraction) -> Finding:
    exact = claim.printed.value * n / total
    below, above = (Fraction(k) * total / n for k in (floor(exact), floor(exact) + 1))
    cut_off = attainable(claim.printed.truncation_interval, n, total)
    decimals = claim.printed.decimals + 2
    return Finding(
        rule=GRANULARITY,
        severity=Severity.NOTE if cut_off else Severity.ERROR,
        message=(
            f"{claim.system}: {claim.printed} {claim.unit} is no number of {n} images; the nearest are "
            f"{floor(exact)} ({number(below, decimals)}) and {floor(exact) + 1} ({number(above, decimals)})"
            f"{', and the second is that number if its digits were cut off' if cut_off else ''}. The test rejects "
            f"{float(chance):.0%} of the decimals that can be printed."
        ),
        line=claim.place.line,
        claims=(claim.id,),
        printed=(str(claim.printed),),
    )
