"""How often the audit finds an error that was put there, and how often it accuses a clean table.

``python -m harness.audit.seeded --seed 0 --mutations 1000`` prints the Markdown tables of ``docs/audit.md``. The
generated papers have no error (see :mod:`harness.audit.generated`); each mutation puts one error of
:mod:`harness.audit.mutations` into one measured cell of a table, drawn evenly. An error counts as found if the audit of
the mutated paper has a finding that the audit of the clean one has not, and that names the cell.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.audit.finding import Finding, Severity
from harness.audit.generated import clean_paper
from harness.audit.mutations import MUTATIONS, Changed, Mutation
from harness.audit.rules import RULES
from harness.audit.run import audit_sheet
from harness.audit.worksheet import Worksheet, lay_out
from harness.claims.model import Claim, Paper
from harness.claims.papers import find_paper, packages

PER_PAPER = 8
"""Errors seeded into one generated paper, each on its own."""
ATTEMPTS = 50

Key = tuple[str, str | None, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Trial:
    """One seeded error and the new findings that name a changed cell."""

    kind: str
    findings: tuple[Finding, ...]

    @property
    def suspected(self) -> bool:
        return any(found.severity is not Severity.NOTE for found in self.findings)


@dataclass(frozen=True, slots=True)
class Experiment:
    """Seeded errors, and what the audit said of the same papers before.

    Attributes:
        papers: The clean papers.
        alarms: Findings on them.
    """

    trials: tuple[Trial, ...]
    papers: int
    alarms: tuple[Finding, ...]
    claims: int
    relations: int

    @property
    def found(self) -> str:
        """The share of errors with any finding, as a reader writes it."""
        return _percent(sum(bool(trial.findings) for trial in self.trials), len(self.trials))

    @property
    def suspected(self) -> str:
        """The share of errors with more than a note."""
        return _percent(sum(trial.suspected for trial in self.trials), len(self.trials))


def experiment(papers: Iterable[Paper], per_paper: int, seed: int) -> Experiment:
    """Seed up to so many errors into each paper, one at a time, of each kind in turn that its tables allow."""
    rng = np.random.default_rng(seed)
    trials: list[Trial] = []
    alarms: list[Finding] = []
    count = claims = relations = 0
    for paper in papers:
        sheet = lay_out(paper)
        before = audit_sheet(sheet).findings
        alarms.extend(before)
        count, claims, relations = count + 1, claims + len(paper.claims), relations + len(paper.relations)
        known = {_key(found) for found in before}
        targets = [claim for claim in paper.claims.values() if claim.table and claim.definition.quantity.measured]
        for number in range(per_paper):
            kind = MUTATIONS[number % len(MUTATIONS)]
            if changed := _mutate(rng, paper, kind, targets):
                trials.append(_trial(sheet, kind, changed, known))
    return Experiment(tuple(trials), count, tuple(alarms), claims, relations)


def _trial(sheet: Worksheet, kind: Mutation, changed: Changed, known: set[Key]) -> Trial:
    after = audit_sheet(sheet.with_printed(changed)).findings
    return Trial(
        kind.__name__,
        tuple(found for found in after if _key(found) not in known and any(id in changed for id in found.claims)),
    )


def _mutate(rng: np.random.Generator, paper: Paper, kind: Mutation, targets: Sequence[Claim]) -> Changed:
    """Draw cells until the error can be made in one; empty where none has a place for it (nothing to swap with)."""
    for _ in range(ATTEMPTS):
        changed = kind(rng, paper, targets[int(rng.integers(len(targets)))])
        if changed:
            return changed
    return {}


def _key(found: Finding) -> Key:
    return found.rule.id, found.relation, found.claims


def tables_only(paper: Paper) -> Paper:
    """Return a real paper's tables without prose, relations and references."""
    claims = {id: claim for id, claim in paper.claims.items() if claim.table is not None}
    return replace(paper, claims=claims, relations=(), references=())


def markdown(done: Experiment) -> str:
    """Write detection rates by kind of error and detector, and the findings on clean papers."""
    kinds = [mutation.__name__ for mutation in MUTATIONS]
    spoke = {found.rule.detector for trial in done.trials for found in trial.findings}
    detectors = [name for name in dict.fromkeys(rule.detector for rule in RULES) if name in spoke]
    lines = [
        "| error | seeded | found | as error or warning | by " + " | by ".join(detectors) + " |",
        "|---|--:|--:|--:|" + "--:|" * len(detectors),
    ]
    for kind in [*kinds, "all"]:
        trials = [trial for trial in done.trials if kind in ("all", trial.kind)]
        if not trials:
            continue
        by = Counter(name for trial in trials for name in {found.rule.detector for found in trial.findings})
        shares = [sum(bool(t.findings) for t in trials), sum(t.suspected for t in trials), *(by[d] for d in detectors)]
        cells = " | ".join(_percent(share, len(trials)) for share in shares)
        lines.append(f"| {kind.replace('_', ' ')} | {len(trials)} | {cells} |")
    return "\n".join([*lines, "", *_alarms(done)])


def _alarms(done: Experiment) -> Iterator[str]:
    size = f"{done.papers} paper{'s' if done.papers > 1 else ''}, {done.claims} claims, {done.relations} relations"
    yield f"| finding before any error was seeded ({size}) | count | severity |"
    yield "|---|--:|---|"
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for found in done.alarms:
        counts[found.severity.value][found.rule.id] += 1
    for severity in Severity:
        for rule, count in sorted(counts[severity.value].items()):
            yield f"| {rule} | {count} | {severity.value} |"
    if not done.alarms:
        yield "| none | 0 | |"


def _percent(count: int, total: int) -> str:
    return f"{100 * count / total:.0f} %" if count else "–"


def report(seed: int, mutations: int) -> str:
    """Return the whole report: generated papers, then the tables of every paper that is installed."""
    papers = (clean_paper(seed + k) for k in range(mutations // PER_PAPER))
    parts = ["### Generated papers", "", markdown(experiment(papers, PER_PAPER, seed))]
    both = ["| paper | seeded | found in its tables | as error or warning | found in all of it | as error or warning |"]
    both.append("|---|--:|--:|--:|--:|--:|")
    for key in packages():
        paper = find_paper(key)
        alone, whole = (experiment([each], mutations // 4, seed) for each in (tables_only(paper), paper))
        parts += ["", f"### The tables of `{key}`, without its prose", "", markdown(alone)]
        shares = (str(len(alone.trials)), alone.found, alone.suspected, whole.found, whole.suspected)
        both.append(f"| `{key}` | {' | '.join(shares)} |")
    return "\n".join([*parts, "", "### The same errors, with prose, relations and sources", "", *both])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m harness.audit.seeded", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="same seed, same tables (default 0)")
    parser.add_argument("--mutations", type=int, default=1000, help="how many errors to seed (default 1000)")
    options = parser.parse_args(arguments)
    if options.seed < 0 or options.mutations < PER_PAPER:
        parser.error(f"--seed must be at least 0 and --mutations at least {PER_PAPER}")
    print(report(options.seed, options.mutations))


if __name__ == "__main__":
    main()
