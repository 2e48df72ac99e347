"""Claims and relations next to everything computed and measured: what a report shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction

from harness.audit.finding import Audit, Finding, Outcome, RelationVerdict
from harness.audit.rules import COUNTER_EXAMPLE
from harness.claims.model import Claim, Paper
from harness.claims.vocabulary import Quantity
from harness.ledger.record import measured_systems
from harness.ledger.store import Ledger
from harness.scoring.citable import judges
from harness.scoring.cohort import Cohort, gather
from harness.scoring.declared import AnyExperiment, Declared, declare
from harness.scoring.directions import judge
from harness.scoring.measurements import estimated, in_unit_of, measurements
from harness.scoring.missing import missing_claim, missing_relation
from harness.scoring.model import ClaimRow, Measurement, RelationRow, Results, Unused, Verdict
from harness.scoring.provenance import deviations
from harness.scoring.reach import Beside, beside, conversion, metric_of, reach_of
from harness.scoring.scores import Metric
from harness.statistics.evidence import ON_CLAIMS, Evidence, Word
from harness.statistics.intervals import Estimate
from harness.statistics.verdicts import (
    Margin,
    Ruling,
    absolute_timing,
    arithmetic,
    equivalence,
    exact,
    measured_minus_printed,
    subset,
    undecided,
)


def join(paper: Paper, audit: Audit, experiments: Sequence[AnyExperiment], ledger: Ledger) -> Results:
    """Put every claim and relation of a paper next to its verdicts.

    Args:
        experiments: All of the paper's, or what they declared; a record of an experiment that is not among them counts
            as stale.
        ledger: Only intact, complete records made by the present code are used; none of a toy run.

    Raises:
        ClaimsError: A claim's unit cannot be compared with its metric.
        ModuleNotFoundError: An experiment names a source that is not there.
    """
    declared = tuple(map(declare, experiments))
    gathered = gather(paper.key, declared, ledger)
    measured = tuple(m for cohort in gathered.cohorts for m in measurements(cohort))
    shown = {(m.experiment, m.system, Metric(m.metric, m.label)): m for m in measured}
    findings, concerns, recomputed = _by_claim(audit), _by_relation(audit), _recomputed(audit)
    records = {digest: record for cohort in gathered.cohorts for digest, record in cohort.records.items()}
    unused = _by_system(gathered.unused)
    return Results(
        paper=paper,
        audit=audit,
        claims=tuple(
            _claim_row(claim, declared, gathered.cohorts, shown, unused, tuple(findings.get(claim.id, ())), recomputed)
            for claim in paper.claims.values()
        ),
        relations=tuple(
            _relation_row(verdict, paper, declared, gathered.cohorts, tuple(concerns.get(verdict.relation.id, ())))
            for verdict in audit.verdicts
        ),
        measurements=measured,
        records=records,
        stored={stored.digest: stored for stored in gathered.stored},
        stale=gathered.stale,
        superseded=gathered.superseded,
        refused=gathered.refused,
        deviations=deviations(records.values()),
        titles={experiment.key: experiment.title for experiment in declared},
    )


def _claim_row(
    claim: Claim,
    experiments: Sequence[Declared],
    cohorts: Sequence[Cohort],
    measured: Mapping[tuple[str, str, Metric], Measurement],
    unused: Mapping[tuple[str, str], Sequence[Unused]],
    findings: tuple[Finding, ...],
    recomputed: Mapping[str, Verdict],
) -> ClaimRow:
    found = [item for cohort in cohorts if (item := beside(cohort, claim)) is not None]
    own = [measured[item.cohort.experiment.key, claim.system, metric_of(claim)] for item in found]
    shown = tuple(in_unit_of(measurement, claim) for measurement in own)
    deciding = [item for item, m in zip(found, own, strict=True) if judges(m.evidence, m.data, claim)]
    if deciding:
        strongest = min(deciding, key=lambda item: ON_CLAIMS.index(item.cohort.evidence))
        return ClaimRow(claim, shown, _verdict(claim, strongest), findings)
    if claim.definition.quantity in (Quantity.DIFFERENCE, Quantity.RATIO) and claim.id in recomputed:
        return ClaimRow(claim, shown, recomputed[claim.id], findings)
    reason, command = missing_claim(claim, experiments)
    verdict = Verdict(Word.NOT_MEASURED, None, "", reason)
    idle = (
        item
        for experiment in experiments
        if experiment.evidence in ON_CLAIMS and reach_of(experiment, claim)
        for item in (*unused.get((experiment.key, claim.system), ()), *unused.get((experiment.key, ""), ()))
        if item.record is None or item.record.data is None or item.record.data.name == claim.dataset
    )
    return ClaimRow(claim, shown, verdict, findings, reason, command, tuple(idle))


def _by_claim(audit: Audit) -> Mapping[str, Sequence[Finding]]:
    """Return the findings on each claim, by its id."""
    found: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in audit.findings:
        for claim_id in dict.fromkeys(finding.claims):
            found[claim_id].append(finding)
    return found


def _by_relation(audit: Audit) -> Mapping[str, Sequence[Finding]]:
    """Return the findings that are about a relation, make it a counter-example, or would change what becomes of it."""
    broken: defaultdict[str, list[str]] = defaultdict(list)
    for verdict in audit.verdicts:
        if verdict.outcome is Outcome.INCONSISTENT:
            broken[verdict.relation.statement].append(verdict.relation.id)
    found: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in audit.findings:
        named = [finding.relation or "", *(consequence.relation for consequence in finding.consequences)]
        if finding.relation is not None and finding.rule is COUNTER_EXAMPLE:
            named = broken[finding.relation.partition("#")[0]]
        for relation_id in dict.fromkeys(named):
            found[relation_id].append(finding)
    return found


def _by_system(unused: Sequence[Unused]) -> Mapping[tuple[str, str], Sequence[Unused]]:
    """Group records that do not count by experiment and each system they say something of; "" for unreadable ones."""
    grouped: defaultdict[tuple[str, str], list[Unused]] = defaultdict(list)
    for item in unused:
        record = item.record
        systems = [""] if record is None else measured_systems(record.recipe, record.system).values()
        for system in systems:
            grouped[item.experiment, system].append(item)
    return grouped


def _relation_row(
    arithmetic_verdict: RelationVerdict,
    paper: Paper,
    experiments: Sequence[Declared],
    cohorts: Sequence[Cohort],
    findings: tuple[Finding, ...],
) -> RelationRow:
    relation = arithmetic_verdict.relation
    judged = tuple(verdict for cohort in cohorts if (verdict := judge(relation, paper, cohort)) is not None)
    if judged:
        return RelationRow(relation, arithmetic_verdict, judged, findings)
    return RelationRow(relation, arithmetic_verdict, (), findings, *missing_relation(relation, paper, experiments))


def _verdict(claim: Claim, found: Beside) -> Verdict:
    """Judge a claim by a cohort that measured the very thing it states."""
    cohort, metric = found.cohort, metric_of(claim)
    factor = conversion(metric, claim)
    key, unit = cohort.experiment.key, "pp" if claim.unit == "%" else claim.unit
    if cohort.evidence is Evidence.EXACT:
        value = Fraction(next(iter(found.scores.values())).value) * factor
        word, reason = exact(value, claim.printed, claim.unit, claim.readings)
        return Verdict(word, Evidence.EXACT, key, reason, float(value - claim.printed.value), unit=unit)
    if cohort.evidence is Evidence.TIMING:
        word, reason = absolute_timing(cohort.any_record.environment.device)
        return Verdict(word, Evidence.TIMING, key, reason)
    measured = estimated(found.scores, metric).scaled(float(factor))
    difference = measured_minus_printed(measured, claim.printed.interval)
    word, reason = _against_print(claim, cohort.evidence, measured, found.reach.margin, unit)
    return Verdict(word, cohort.evidence, key, reason, difference.value, difference.low, difference.high, unit)


def _against_print(claim: Claim, evidence: Evidence, measured: Estimate, margin: Margin | None, unit: str) -> Ruling:
    if evidence is Evidence.SUBSET:
        return subset(measured, claim.printed, margin, unit)
    if claim.n is not None and measured.images != claim.n:
        return undecided(evidence, f"Measured on {measured.images:,} images where the claim has {claim.n:,}.")
    if claim.better is None:
        return undecided(evidence, f"Neither a lower nor a higher {claim.definition.title} is better.")
    return equivalence(evidence, measured, claim.printed, margin, claim.better, unit)


def _recomputed(audit: Audit) -> Mapping[str, Verdict]:
    """Return the arithmetic verdict on each claim that a statement equates with other numbers: its first, by id."""
    found: dict[str, Verdict] = {}
    for verdict in audit.verdicts:
        relation = verdict.relation
        if relation.op in ("=", "~") and (verdict.holds or verdict.outcome is Outcome.INCONSISTENT):
            for claim_id, other in ((relation.left, relation.right), (relation.right, relation.left)):
                if claim_id not in found:
                    word, reason = arithmetic(verdict.holds, f"Recomputed as {other}: {verdict.outcome.value}.")
                    found[claim_id] = Verdict(word, Evidence.ARITHMETIC, "", reason)
    return found
