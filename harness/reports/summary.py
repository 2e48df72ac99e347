"""What a reader grasps in ten seconds: counts, what holds, what does not, what is not known, how sure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.audit.finding import Outcome, Severity
from harness.audit.wording import listing
from harness.claims.model import Paper
from harness.reports.claim_views import ClaimView, claim_views
from harness.reports.effort_views import Effort, efforts, total
from harness.reports.relation_views import MeasuredDirection, Statement, statements
from harness.reports.values import STRENGTH, basis, claim_name, finding_anchor, where
from harness.scoring.model import Results
from harness.statistics.evidence import Evidence
from harness.wording.words import EVIDENCE, OUTCOMES, SEVERITIES, VERDICTS, Mark, counted, metric_title

MOST_LISTED = 6


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each mark was given, in the order of the marks' declaration."""

    total: int
    parts: tuple[tuple[Mark, int], ...]

    def count(self, tone: str) -> int:
        return sum(number for mark, number in self.parts if mark.tone == tone)

    def of(self, mark: Mark) -> int:
        return dict(self.parts).get(mark, 0)


@dataclass(frozen=True, slots=True)
class Directions:
    """Directions of the prose, measured in one experiment."""

    experiment: str
    title: str
    evidence: Evidence
    tally: Tally

    @property
    def synthetic(self) -> bool:
        return self.evidence is Evidence.SYNTHETIC


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the summary.

    Attributes:
        anchor: Where it leads on the page.
        synthetic: Whether it rests on synthetic scenes.
    """

    text: str
    anchor: str
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """What the index page shows of a paper, and the head of its own page.

    Attributes:
        claims: Every printed number by verdict.
        statements: Every case of every statement by arithmetic verdict.
        directions: Measured directions, strongest evidence first.
        holds, fails, unknown: The most important of each, in words.
        basis: What the measurements rest on.
        refused, stale: Records that were not used.
        effort: What the records that were used took.
    """

    key: str
    title: str
    authors: tuple[str, ...]
    venue: str
    headline: str
    claims: Tally
    statements: Tally
    directions: tuple[Directions, ...]
    findings: Tally
    holds: tuple[Item, ...]
    fails: tuple[Item, ...]
    unknown: tuple[Item, ...]
    basis: tuple[str, ...]
    synthetic: bool
    refused: int
    stale: int
    effort: Effort

    @property
    def checked(self) -> int:
        """How many printed numbers have a verdict other than "not measured" or "not comparable"."""
        return self.claims.total - self.claims.count("none")

    def measured(self, mark: Mark) -> int:
        """How many measured directions got a mark, in all experiments."""
        return sum(found.tally.of(mark) for found in self.directions)


@dataclass(frozen=True, slots=True)
class Overview:
    """A paper's results as all of its pages show them."""

    claims: Sequence[ClaimView]
    prose: Sequence[Statement]
    summary: Summary


def overview(results: Results) -> Overview:
    """Work out what all pages of a paper share."""
    claims, prose = claim_views(results), statements(results)
    return Overview(claims, prose, _summary(results, claims, prose))


def summarise(results: Results) -> Summary:
    """Return the summary of one paper's results."""
    return overview(results).summary


def _summary(results: Results, claims: Sequence[ClaimView], prose: Sequence[Statement]) -> Summary:
    paper = results.paper
    words = _tally(VERDICTS.values(), (view.mark for view in claims))
    cases = _tally(OUTCOMES.values(), (case.mark for statement in prose for case in statement.cases))
    directions = _directions(prose, results.titles)
    severities = _tally(SEVERITIES.values(), (SEVERITIES[finding.severity] for finding in results.audit.findings))
    return Summary(
        key=paper.key,
        title=paper.title,
        authors=paper.authors,
        venue=f"{paper.venue} {paper.year}".strip(),
        headline=_headline(words, cases, directions, severities),
        claims=words,
        statements=cases,
        directions=directions,
        findings=severities,
        holds=_holds(claims, cases, directions, paper),
        fails=_fails(claims, prose, results),
        unknown=_unknown(claims, cases, directions, paper),
        basis=_basis(results),
        synthetic=is_synthetic(results),
        refused=len(results.refused),
        stale=len(results.stale),
        effort=total(efforts(results)),
    )


def is_synthetic(results: Results) -> bool:
    """Whether any number of the page rests on synthetic scenes."""
    records = any(record.evidence is Evidence.SYNTHETIC for record in results.records.values())
    return records or any(m.evidence is Evidence.SYNTHETIC for m in results.measurements)


def _tally(known: Iterable[Mark], given: Iterable[Mark]) -> Tally:
    counts = Counter(given)
    return Tally(counts.total(), tuple((mark, counts[mark]) for mark in known if counts[mark]))


def _directions(prose: Sequence[Statement], titles: Mapping[str, str]) -> tuple[Directions, ...]:
    """Count the measured directions of each experiment, one that is stated twice once."""
    grouped: dict[tuple[int, str], dict[str, MeasuredDirection]] = {}
    for case in (case for statement in prose for case in statement.cases):
        for found in case.measured:
            if found.verdict.evidence is not None:
                group = (STRENGTH[found.verdict.evidence], found.verdict.experiment)
                grouped.setdefault(group, {}).setdefault(case.direction, found)
    tallies = []
    for (rank, experiment), measured in sorted(grouped.items()):
        tally = _tally(VERDICTS.values(), (found.mark for found in measured.values()))
        tallies.append(Directions(experiment, titles[experiment], tuple(Evidence)[rank], tally))
    return tuple(tallies)


def _headline(claims: Tally, cases: Tally, directions: Sequence[Directions], findings: Tally) -> str:
    good, bad, checked = claims.count("good"), claims.count("bad"), claims.total - claims.count("none")
    parts = [f"None of the {counted(claims.total, 'printed number')} was checked here."]
    if checked:
        left = checked - good - bad
        parts = [
            f"Of {counted(claims.total, 'printed number')}, {checked} {_were(checked)} checked here: {good} "
            f"{'agrees' if good == 1 else 'agree'}, {bad} {_do(bad)} not{f', {left} stayed open' if left else ''}."
        ]
    if decidable := cases.total - cases.count("none"):
        follow, fail = cases.count("good"), cases.count("bad")
        parts.append(
            f"Of {counted(decidable, 'comparison')} in the prose, {follow} {'follows' if follow == 1 else 'follow'} "
            f"from the printed numbers, {fail} {_do(fail)} not."
        )
    if directions:
        measured = [
            f"{found.tally.count('good')} of {found.tally.total} in “{found.title}” ({found.evidence.value}"
            f"{', not citable' if found.synthetic else ''})"
            for found in directions
        ]
        parts.append(f"Measured comparisons that go the paper’s way: {listing(measured)}.")
    serious = [counted(n, mark.text) for mark, n in findings.parts if mark.tone != "none"]
    if serious:
        parts.append(f"The audit reports {listing(serious)}.")
    return " ".join(parts)


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _do(number: int) -> str:
    return "does" if number == 1 else "do"


def _holds(
    claims: Sequence[ClaimView], cases: Tally, directions: Sequence[Directions], paper: Paper
) -> tuple[Item, ...]:
    items = [
        Item(f"{place}, {title}: {len(group)} of {total} {mark.text}", group[0].id)
        for (place, title, mark), group, total in _groups(claims, paper)
        if mark.tone == "good"
    ][:MOST_LISTED]
    if cases.count("good"):
        within = sum(number for mark, number in cases.parts if mark is OUTCOMES[Outcome.WITHIN_ROUNDING])
        extra = f", {within} of them only because of rounding" if within else ""
        text = f"{counted(cases.count('good'), 'comparison')} of the prose follow from the printed numbers{extra}"
        items.append(Item(text, "relations"))
    for found in directions:
        if found.tally.count("good"):
            text = (
                f"{found.tally.count('good')} of {counted(found.tally.total, 'measured comparison')} as the paper says"
            )
            items.append(Item(f"{text} in “{found.title}”", "differences", found.synthetic))
    return tuple(items)


def _fails(claims: Sequence[ClaimView], prose: Sequence[Statement], results: Results) -> tuple[Item, ...]:
    items = [
        Item(f"{claim_name(finding.claims[0], results.paper)}: {finding.rule.title}", finding_anchor(finding))
        for finding in results.audit.by_severity(Severity.ERROR)
        if finding.relation is None and finding.claims
    ]
    items += [
        Item(f"{v.place}, {v.subject}, {v.quantity}: {v.mark.text}", v.id) for v in claims if v.mark.tone == "bad"
    ]
    against: dict[str, Item] = {}
    for statement in prose:
        for case in statement.cases:
            if case.mark.tone == "bad":
                items.append(Item(f"“{statement.quote}”: {case.text}", case.anchor))
            for found in case.measured:
                if found.mark.tone == "bad":
                    text = f"{case.direction}: contradicted in “{results.titles[found.verdict.experiment]}”"
                    against.setdefault(text, Item(text, case.anchor, found.synthetic))
    items += against.values()
    rest = len(items) - MOST_LISTED
    return (*items[:MOST_LISTED], *([Item(f"and {rest} more", "claims")] if rest > 0 else []))


def _unknown(
    claims: Sequence[ClaimView], cases: Tally, directions: Sequence[Directions], paper: Paper
) -> tuple[Item, ...]:
    groups = [
        (len(group), Item(f"{place}, {title}: {len(group)} of {total} {mark.text}", group[0].id))
        for (place, title, mark), group, total in _groups(claims, paper)
        if mark.tone in ("none", "open")
    ]
    groups.sort(key=lambda pair: -pair[0])
    items = [item for _, item in groups[:MOST_LISTED]]
    if len(groups) > MOST_LISTED:
        left = sum(number for number, _ in groups[MOST_LISTED:])
        items.append(Item(f"{counted(left, 'number')} more elsewhere", "missing"))
    if cases.count("open"):
        items.append(
            Item(f"{counted(cases.count('open'), 'comparison')} the printed precision cannot decide", "relations")
        )
    for found in directions:
        if found.tally.count("open"):
            text = f"{counted(found.tally.count('open'), 'comparison')} inconclusive in “{found.title}”"
            items.append(Item(text, "differences", found.synthetic))
    return tuple(items)


def _groups(claims: Sequence[ClaimView], paper: Paper) -> list[tuple[tuple[str, str, Mark], list[ClaimView], int]]:
    """Group claims by place, metric and verdict, with how many the place and metric have."""
    grouped: dict[tuple[str, str, Mark], list[ClaimView]] = {}
    totals: Counter[tuple[str, str]] = Counter()
    for view in claims:
        place = where(view.claim, paper) if view.claim.table else "Prose"
        title = metric_title(view.claim.metric)
        totals[place, title] += 1
        grouped.setdefault((place, title, view.mark), []).append(view)
    return [(key, group, totals[key[0], key[1]]) for key, group in grouped.items()]


def _basis(results: Results) -> tuple[str, ...]:
    """Say for each kind of evidence at hand what it rests on."""
    lines = []
    for evidence in sorted({m.evidence for m in results.measurements}, key=STRENGTH.__getitem__):
        own = [m for m in results.measurements if m.evidence is evidence]
        systems = counted(len({m.system for m in own}), "system")
        most = basis(evidence, len({seed for m in own for seed in m.seeds}), max(m.n for m in own))
        lines.append(f"{evidence.value}: {EVIDENCE[evidence]} ({systems}{f', {most}' if most else ''})")
    return tuple(lines)
