"""``remeasure cite``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import existing_ledger_option
from harness.packages import require

if TYPE_CHECKING:
    from harness.citation.cited import Cited

FORMATS = ("text", "bibtex", "csl-json", "latex")


@click.command()
@click.argument("claims", nargs=-1, required=True, metavar="CLAIM...")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="How to write it."
)
@existing_ledger_option
def cite(claims: tuple[str, ...], form: str, ledger: Path) -> None:
    """Cite each CLAIM with what was measured: value and interval, date, device, evidence, deviations, digests.

    CLAIM is a number's address, such as drn/t1/drn-c-26/params. A number that is synthetic, partial, stale or not
    measured is refused with the reason (exit code 16), and then nothing is printed. Measures nothing.
    """
    require("scipy")
    _print(_cited(claims, ledger), form)


def _cited(claims: tuple[str, ...], ledger: Path) -> list[Cited]:
    from harness.citation.cited import cite as cite_claim
    from harness.ledger.store import Ledger
    from harness.scoring.load import load_results

    store = Ledger(ledger)
    papers = dict.fromkeys(claim.partition("/")[0] for claim in claims)
    results = {paper: load_results(paper, store) for paper in papers}
    return [cite_claim(results[claim.partition("/")[0]], claim) for claim in dict.fromkeys(claims)]


def _print(cited: list[Cited], form: str) -> None:
    from harness.citation.bibtex import bibtex
    from harness.citation.csl import csl_items
    from harness.citation.sentence import latex_sentence, sentence
    from harness.cli.console import print_json

    match form:
        case "bibtex":
            click.echo(bibtex(cited), nl=False)
        case "csl-json":
            print_json(csl_items(cited))
        case "latex":
            click.echo("\n\n".join(map(latex_sentence, cited)))
        case _:
            click.echo("\n\n".join(map(sentence, cited)))
