"""``remeasure audit``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import ExitCode

if TYPE_CHECKING:
    from harness.audit.finding import Audit
    from harness.audit.review import Comparison


@click.command()
@click.argument("papers", nargs=-1, metavar="PAPER...", required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--sarif", type=click.Path(path_type=Path, dir_okay=False), help="Also write SARIF 2.1.0 to this file.")
@click.option(
    "--relations", "every_relation", is_flag=True, help="List every relation, not only those that do not hold."
)
def audit(papers: tuple[str, ...], as_json: bool, sarif: Path | None, every_relation: bool) -> None:
    """Recompute what each PAPER says about its numbers from the printed digits.

    PAPER is a key such as drn, or the path of any claims.toml. Exit code 9 if a finding is new, that is, not in the
    reviewed.toml beside the claims, or if a reviewed one vanished.
    """
    from harness.audit.review import compare, read_reviews
    from harness.audit.run import audit as audit_paper
    from harness.claims.papers import find_paper
    from harness.cli.console import print_json

    audits = [audit_paper(find_paper(paper)) for paper in papers]
    comparisons = [compare(done, read_reviews(done.path)) for done in audits]
    if sarif is not None:
        _write_sarif(audits, sarif)
    if as_json:
        from harness.audit.export import to_json

        print_json([to_json(done) for done in audits] if len(audits) > 1 else to_json(audits[0]))
    else:
        for done, comparison in zip(audits, comparisons, strict=True):
            _print_audit(done, comparison, every_relation)
        if len(audits) > 1:
            _print_overview(audits)
    if not all(comparison.settled for comparison in comparisons):
        sys.exit(ExitCode.FINDINGS)


def _print_overview(audits: list[Audit]) -> None:
    from harness.audit.text import overview_rows
    from harness.cli.console import print_table

    print_table(f"{len(audits)} papers", *overview_rows(audits))


def _write_sarif(audits: list[Audit], path: Path) -> None:
    import json

    from harness.audit.sarif import to_sarif
    from harness.files import write_atomically

    write_atomically(path, (json.dumps(to_sarif(audits), indent=2) + "\n").encode())


def _print_audit(done: Audit, comparison: Comparison, every_relation: bool) -> None:
    from harness.audit.text import finding_rows, relation_rows, summary_lines
    from harness.cli.console import print_table

    for line in summary_lines(done):
        click.echo(line)
    relations = relation_rows(done, every=every_relation)
    if relations:
        print_table("Relations" if every_relation else "Relations that do not simply hold", *relations)
    if done.findings:
        print_table("Findings", *finding_rows(done))
    for finding in comparison.fresh:
        click.echo(
            f"new, not reviewed: {finding.fingerprint} {finding.rule.id} {finding.claims[0] if finding.claims else ''}"
        )
    for review in comparison.vanished:
        click.echo(f"reviewed on {review.date}, and no longer found: {review.fingerprint} {review.rule}")
