"""``remeasure explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import FOLDER, existing_ledger_option

if TYPE_CHECKING:
    from harness.claims.model import Claim, Paper
    from harness.experiment import Experiment
    from harness.ledger.record import Record
    from harness.scoring.explained import Arrays, Explanation
    from harness.scoring.lookup import Found


@click.command()
@click.argument("record", metavar="RECORD")
@click.option("--claim", "claim_id", metavar="ID", help="Explain the distance from this claim: t1/drn-c-26/miou.")
@click.option("--views", type=FOLDER, help="Network outputs that the evaluation kept: also decides the labels again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@existing_ledger_option
def explain(record: str, claim_id: str | None, views: Path | None, as_json: bool, ledger: Path) -> None:
    """Score RECORD again under other conventions, and say which of them lead towards the printed number.

    RECORD is the first digits of a record's digest, the path of its JSON, or paper/experiment/system[/seed]. Without
    --claim, the first claim is taken whose very number the record measured; a record of other images is shown without
    one. Nothing is measured and nothing is written.
    """
    from harness.cli.console import print_json
    from harness.ledger.store import Ledger
    from harness.reports.explain_export import to_json
    from harness.scoring.lookup import find_record

    found = find_record(Ledger(ledger), record)
    explained = _explained(found, claim_id, views)
    if as_json:
        print_json([to_json(found.stored, found.system, one) for one in explained])
        return
    click.echo(_heading(found))
    for one in explained:
        _print(one, found.stored.record)


def _explained(found: Found, claim_id: str | None, views: Path | None) -> tuple[Explanation, ...]:
    """Explain what a record holds, or its distance from the claim that was named."""
    from harness.ledger.record import variant_arrays
    from harness.scoring.explained import KINDS, chosen_claim, explain, explanations, reached, rescoring

    record = found.stored.record
    every = found.stored.arrays()
    arrays = variant_arrays(every, found.suffix)
    paper, experiment = _declared(record, needed=claim_id is not None)
    claim = None
    if claim_id is not None and paper is not None:
        claim = chosen_claim(record, arrays, found.system, paper, claim_id)
    if views is not None:
        reaches = [c for c in reached(record, found.system, paper, experiment) if KINDS[c.metric][0] == "segmentation"]
        return (_by_views(found, arrays, views, claim or next(iter(reaches), None)),)
    if claim is None:
        return explanations(record, every, found.suffix, paper, experiment)
    return (explain(rescoring(record, every, claim.metric, found.suffix), claim.metric, claim),)


def _by_views(found: Found, arrays: Arrays, folder: Path, claim: Claim | None) -> Explanation:
    """Explain what the network's kept outputs give, counts and all before them.

    Raises:
        UsageError: The record keeps no counts, or names no evaluation protocol.
        DataError: The views are damaged, or of other images than the record.
    """
    import numpy as np

    from harness.cli.console import progress
    from harness.errors import UsageError
    from harness.explain.conventions import SEGMENTATION_METRICS
    from harness.explain.redecide import recorded_protocol, rescoring_of_views
    from harness.scoring.explained import dataset_of, explain

    if "confusion" not in arrays or (claim is not None and claim.metric not in SEGMENTATION_METRICS):
        raise UsageError("views are of segmentation, the record or the claim is not", "Leave out --views.")
    record = found.stored.record
    protocol, metric = recorded_protocol(record.recipe, found.suffix), claim.metric if claim else "miou"
    with progress() as tell:
        scoring = rescoring_of_views(
            folder,
            protocol,
            arrays["confusion"].astype(np.int64),
            record.recipe.get("classes", []),
            metric=SEGMENTATION_METRICS[metric],
            dataset=dataset_of(record),
            progress=tell,
        )
        return explain(scoring, metric, claim, whole=False)


def _declared(record: Record, *, needed: bool) -> tuple[Paper | None, Experiment | None]:
    """Return the paper and the experiment a record is of; None where they are not here.

    Raises:
        UsageError: The paper is needed and not here.
    """
    from harness.claims.papers import find_paper, packages
    from harness.experiment import Options, experiments_of

    if record.paper not in packages() and not needed:
        return None, None
    paper = find_paper(record.paper)
    declared = experiments_of(record.paper)(Options())
    return paper, next((e for e in declared if e.key == record.experiment), None)


def _heading(found: Found) -> str:
    from harness.statistics.evidence import Evidence
    from harness.wording.words import NOT_CITABLE

    record = found.stored.record
    images = f" on {record.data.name}" if record.data else ""
    warning = f" [{NOT_CITABLE}]" if record.evidence is Evidence.SYNTHETIC else ""
    unfinished = "" if record.complete else " [partial: its evaluation stopped early]"
    return (
        f"{record.paper}/{record.experiment}, {found.system}, seed {record.seed}: {record.evidence.value} evidence"
        f"{images}{warning}{unfinished}\nrecord {found.stored.digest}"
    )


def _print(explanation: Explanation, record: Record) -> None:
    from harness.cli.console import print_table
    from harness.reports.explain_text import COLUMNS, drawing, sentences, table_rows, untried_lines
    from harness.statistics.evidence import Evidence
    from harness.wording.words import NOT_CITABLE, metric_title

    mark = f" [{NOT_CITABLE}]" if record.evidence is Evidence.SYNTHETIC else ""
    title = f"{metric_title(explanation.metric)} of {explanation.images} images, one convention changed at a time{mark}"
    click.echo()
    print_table(title, COLUMNS, table_rows(explanation))
    for line in untried_lines(explanation):
        click.echo(f"  {line}")
    if explanation.gap is not None:
        click.echo()
        for line in (*drawing(explanation.gap), "", *sentences(explanation, part=record.evidence is Evidence.SUBSET)):
            click.echo(line)
    if explanation.others:
        click.echo(f"Also about what was measured (--claim): {', '.join(explanation.others)}")
