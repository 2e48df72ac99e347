"""Run every detector over a paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.audit import (
    complements,
    granularity,
    identical_rows,
    means,
    monotone,
    outliers,
    patterns,
    ranges,
    references,
    relations,
    resolution,
    two_values,
    unlike,
)
from harness.audit.finding import Audit, Finding, Severity
from harness.audit.rules import BROKEN_PATTERN, HIDDEN_VALUE, OUTLIER, Rule
from harness.audit.worksheet import Worksheet, lay_out
from harness.claims.model import Paper
from harness.packages import missing

Detector = Callable[[Worksheet], Iterable[Finding]]

DETECTORS: tuple[Detector, ...] = (
    references.detect,
    means.detect,
    complements.detect,
    ranges.detect,
    granularity.detect,
    two_values.detect,
    patterns.detect,
    identical_rows.detect,
    outliers.detect,
    monotone.detect,
    resolution.detect,
    unlike.detect,
)
"""All but the relations, whose verdicts are part of the audit."""

BY_PREDICTION: tuple[Rule, ...] = (HIDDEN_VALUE, BROKEN_PATTERN, OUTLIER)
"""Rules that hold a number against what others predict, by Student's distribution, which scipy has."""


def audit(paper: Paper) -> Audit:
    """Check a paper's numbers against each other and against the sources it quotes. Pure: no file is read."""
    return audit_sheet(lay_out(paper))


def audit_sheet(sheet: Worksheet) -> Audit:
    """Audit a paper that is already laid out."""
    paper = sheet.paper
    verdicts = relations.verdicts(sheet)
    findings = [*relations.detect(sheet, verdicts), *(found for detect in DETECTORS for found in detect(sheet))]
    rank = list(Severity)
    silent = BY_PREDICTION if missing("scipy") else ()
    powerless = {
        "proportions on too many images for their printed precision to rule anything out": granularity.powerless(paper),
        "rules that need scipy, which is not installed": len(silent),
    }
    return Audit(
        paper=paper.key,
        title=paper.title,
        path=paper.path,
        claims=len(paper.claims),
        findings=tuple(sorted(findings, key=lambda f: (rank.index(f.severity), f.line, f.rule.id))),
        verdicts=verdicts,
        powerless={words: count for words, count in powerless.items() if count},
        silent=silent,
    )
