"""Why a printed number was not measured, and the command that would measure it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.claims.model import Claim, Operand, Paper, Relation
from harness.claims.vocabulary import Quantity
from harness.scoring.declared import AnyExperiment
from harness.scoring.directions import compared
from harness.scoring.reach import reach_of
from harness.statistics.evidence import ON_CLAIMS, WORDS, Word


class Missing(NamedTuple):
    """What it would take, and the command; empty where this version has none."""

    reason: str
    command: str = ""


def missing_claim(claim: Claim, experiments: Sequence[AnyExperiment]) -> Missing:
    """Say what a verdict on a claim would take."""
    reaching = [experiment for experiment in experiments if reach_of(experiment, claim)]
    on_claims = (experiment for experiment in reaching if experiment.evidence in ON_CLAIMS)
    deciding = next((experiment for experiment in on_claims if experiment.split in ("", claim.dataset)), None)
    if deciding is not None:
        return Missing(f"No usable record of “{deciding.title}” for {claim.system}.", deciding.command)
    match claim.definition.quantity:
        case Quantity.PROPORTION | Quantity.SCORE:
            return Missing(f"{_needs(claim)} {_instead(reaching)}".strip())
        case Quantity.SPEED:
            return Missing("Needs the paper's own hardware: absolute figures from other devices are not comparable.")
        case Quantity.DIFFERENCE | Quantity.RATIO:
            return Missing("Follows from other numbers, and no statement settles it by arithmetic.")
        case Quantity.COUNT | Quantity.SETTING:
            return Missing("No experiment of this version derives it.")


def missing_relation(relation: Relation, paper: Paper, experiments: Sequence[AnyExperiment]) -> Missing:
    """Say what a measured verdict on a relation's direction would take; empty if it has no direction."""
    claims = [paper.operands[id] for id in compared(relation, paper)]
    if not claims:
        return Missing("")
    for experiment in experiments:
        if _judges(experiment) and all(reach_of(experiment, claim) for claim in claims):
            return Missing(
                f"No usable records of “{experiment.title}” for all systems it compares.", experiment.command
            )
    reached = [[e for e in experiments if _judges(e) and reach_of(e, claim)] for claim in claims]
    lacking = dict.fromkeys(_variant(claim) for claim, by in zip(claims, reached, strict=True) if not by)
    if lacking:
        return Missing(f"No experiment of this version measures {', '.join(sorted(lacking))} in this respect.")
    return Missing("No single experiment of this version measures all it compares.")


def _judges(experiment: AnyExperiment) -> bool:
    words = WORDS[experiment.evidence]
    return Word.SUPPORTS in words or Word.EXACT in words


def _needs(claim: Claim) -> str:
    """Say what measuring a trained network's score takes."""
    where = f"the test images of {claim.dataset}" if claim.dataset else "the paper's test images"
    how_many = f" ({claim.n:,})" if claim.n else ""
    return f"Needs {where}{how_many} and a network trained on that dataset; no experiment of this version reads them."


def _instead(reaching: Sequence[AnyExperiment]) -> str:
    if not reaching:
        return ""
    titles = ", ".join(f"“{experiment.title}” ({experiment.evidence.value})" for experiment in reaching)
    return f"The same quantity on other data: {titles}."


def _variant(claim: Operand) -> str:
    protocol = f" ({claim.protocol})" if claim.protocol else ""
    return f"{claim.system or 'what it describes'}{protocol}"
