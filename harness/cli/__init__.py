"""The command line. Commands import what they need when they run, so that ``remeasure list`` starts at once."""

from __future__ import annotations

import sys

import click

from harness import __version__
from harness.cli.audit import audit
from harness.cli.bench import bench
from harness.cli.bundle import bundle, sign, verify
from harness.cli.check import check
from harness.cli.cite import cite
from harness.cli.data import data
from harness.cli.explain import explain
from harness.cli.export import export
from harness.cli.import_table import import_table
from harness.cli.listing import list_papers
from harness.cli.measure import run
from harness.cli.merge import merge
from harness.cli.new_paper import new_paper
from harness.cli.nightly import nightly
from harness.cli.plan import plan
from harness.cli.report import report
from harness.packages import switched_off
from harness.shards import launched


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="remeasure")
@click.pass_context
def cli(context: click.Context) -> None:
    """Measure the numbers a paper prints, audit the rest by arithmetic, and show both side by side.

    \b
    remeasure list               which papers there are
    remeasure data check DIR     which datasets lie in a folder, and what is wrong with them
    remeasure audit drn          what arithmetic says about a paper's numbers (seconds, no GPU, no data)
    remeasure plan drn           what would be measured here, how long it takes, what is missing
    remeasure run drn            audit, measure, and write reports/drn/index.html
    remeasure report drn         render the report again from the ledger
    remeasure explain RECORD     score a record again under other conventions
    remeasure check              which metrics got worse or disappeared, by their own histories
    remeasure nightly            measure tonight what every night measures, and say what got worse
    remeasure cite CLAIM         cite a number that was verified: sentence, BibTeX, CSL-JSON, LaTeX
    remeasure bundle drn         put a report and its records into one file, signed if you like
    remeasure verify FILE        work out every number of such a file again, without torch
    remeasure export FORMAT      write results for other programs: CSV, Parquet, LaTeX, Hugging Face, RO-Crate
    remeasure new-paper KEY      make a folder for a paper of your own that already runs
    remeasure import-table FILE  read a table of results into claims: CSV, Markdown, LaTeX, model-index

    Exit codes are listed in docs/exit-codes.md.
    """
    if launched().leads:
        for sentence in switched_off(context.invoked_subcommand or "", terminal=sys.stderr.isatty()):
            click.echo(sentence, err=True)


for _command in (
    list_papers,
    plan,
    run,
    audit,
    report,
    explain,
    bench,
    data,
    merge,
    new_paper,
    cite,
    export,
    bundle,
    sign,
    verify,
    check,
    nightly,
    import_table,
):
    cli.add_command(_command)
