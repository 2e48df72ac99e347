"""Which numbers may be cited, why the others may not, and what would change that. Pure."""

from __future__ import annotations

from harness.claims.model import Claim
from harness.scoring.model import ClaimRow, Measurement
from harness.statistics.evidence import ON_CLAIMS, Evidence, Word

MOST_NAMED = 3
"""Records that do not count, named in one refusal."""


def judges(evidence: Evidence, data: str, claim: Claim) -> bool:
    """Whether what was measured is about the printed number itself, so that a verdict on it may rest on that.

    The evidence has to be of a kind that judges claims, and the images the claim's own, where it takes any.

    Args:
        data: The data set that the records name; empty where none was used.
    """
    return evidence in (Evidence.EXACT, Evidence.TIMING) or (evidence in ON_CLAIMS and data == claim.dataset)


def deciding(row: ClaimRow) -> Measurement | None:
    """Return the measurement that a claim's verdict rests on; None if it rests on none."""
    verdict = row.verdict
    wanted = (verdict.experiment, verdict.evidence)
    return next((m for m in row.measurements if (m.experiment, m.evidence) == wanted), None)


def refusal(row: ClaimRow, measurement: Measurement | None) -> str:
    """Return why a number must not be cited as a measurement of the claim; empty if it may.

    What is derived exactly may be cited, what follows by arithmetic from the paper's own numbers, and what was measured
    on all of the claim's test images with the authors' weights or by training with the paper's recipe, whatever the
    verdict. Part of the test images is not the claim's number, however compatible.

    Args:
        measurement: One of the row's; None for its verdict by arithmetic, or for want of any.
    """
    if measurement is None:
        return "" if row.verdict.evidence is Evidence.ARITHMETIC else _unmeasured(row)
    if weak := _weak(measurement):
        return weak
    claim, decided = row.claim, deciding(row)
    if not judges(measurement.evidence, measurement.data, claim):
        return f"Measured on other images than the claim's ({claim.dataset or 'which names none'})."
    if measurement.evidence is Evidence.SUBSET:
        whole = f" {claim.n:,}" if claim.n else ""
        return f"Partial: measured on {measurement.n:,} of the claim's{whole} test images."
    if decided is not None and measurement != decided:
        return f"The verdict rests on stronger evidence ({decided.evidence.value}, “{decided.experiment}”)."
    if measurement.evidence is not Evidence.EXACT and claim.n is not None and measurement.n != claim.n:
        return f"Partial: measured on {measurement.n:,} images where the claim has {claim.n:,}."
    return ""


def remedy(row: ClaimRow, paper: str) -> str:
    """Return what to do where a number of a claim must not be cited.

    Args:
        paper: Its key.
    """
    if not refusal_of(row):
        return f"Cite what the verdict rests on: remeasure cite {paper}/{row.claim.id}"
    if row.command:
        return f"Measure it: {row.command}"
    if row.missing:
        return row.missing
    if row.verdict.word is Word.NOT_COMPARABLE:
        return "Cite a ratio of two times that were measured on one device instead."
    return f"Measure all of the claim's test images; remeasure plan {paper} --owed lists the commands."


def refusal_of(row: ClaimRow) -> str:
    """Return why a claim has nothing to cite, what was measured in its stead included; empty if it has."""
    decided = deciding(row)
    why = refusal(row, decided)
    if not why or decided is not None or not row.measurements:
        return why
    return " ".join((why, *dict.fromkeys(refusal(row, measurement) for measurement in row.measurements)))


def _weak(measurement: Measurement) -> str:
    """Say why evidence that says nothing on a printed number itself must not be cited for it; empty if it does."""
    match measurement.evidence:
        case Evidence.SYNTHETIC:
            return "Synthetic: measured on embedded procedural scenes, never citable."
        case Evidence.SCALED_DOWN:
            return "Scaled down: smaller data or a shorter schedule than the paper's; it judges statements alone."
        case Evidence.TIMING:
            return "Timed on other hardware than the paper's: absolute figures are not comparable."
        case _:
            return ""


def _unmeasured(row: ClaimRow) -> str:
    why = "Not measured."
    if not row.unused:
        return why
    named = [f"{item.path.stem} ({item.reason})" for item in row.unused[:MOST_NAMED]]
    more = len(row.unused) - len(named)
    return f"{why} Records that do not count: {', '.join(named)}{f' and {more} more' if more else ''}."
