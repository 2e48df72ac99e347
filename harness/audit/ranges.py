"""Values that a metric cannot take: a proportion or a score in per cent outside 0 to 100, a negative count or time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from harness.audit.finding import Finding, Severity
from harness.audit.rules import RANGE
from harness.audit.wording import number
from harness.audit.worksheet import Worksheet, whole
from harness.claims.model import Claim
from harness.claims.vocabulary import UNITS, Quantity

SHARES = (Quantity.PROPORTION, Quantity.SCORE)
NOT_NEGATIVE = (*SHARES, Quantity.COUNT, Quantity.SPEED)


def detect(sheet: Worksheet) -> Iterator[Finding]:
    """Yield claims outside their metric's range; the print must be outside with its whole rounding interval."""
    for claim in sheet.paper.claims.values():
        low, high = bounds(claim)
        interval = claim.printed.interval
        if (low is None or interval.high >= low) and (high is None or interval.low <= high):
            continue
        most = f" to {number(high)}" if high is not None else " and more"
        yield Finding(
            rule=RANGE,
            severity=Severity.ERROR,
            message=f"{claim.system}: a {claim.definition.title} of {claim.printed} {claim.unit}; possible is 0{most}.",
            line=claim.place.line,
            claims=(claim.id,),
            printed=(str(claim.printed),),
        )


def bounds(claim: Claim) -> tuple[Fraction | None, Fraction | None]:
    """Return the least and the greatest value the metric can take in the claim's unit; None where there is no bound."""
    quantity = claim.definition.quantity
    least = Fraction(0) if quantity in NOT_NEGATIVE else None
    share = quantity in SHARES and UNITS[claim.unit].dimension == "percent"
    return least, whole(claim.unit) if share else None
