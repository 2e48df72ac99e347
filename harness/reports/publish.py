"""From a paper and a ledger to its pages on the disk, unless they stand as they should."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.audit.run import audit
from harness.claims.model import Paper
from harness.experiment import Experiment
from harness.files import write_atomically
from harness.ledger.store import Ledger
from harness.reports.history import histories
from harness.reports.inputs import inputs_of
from harness.reports.pages import index_pages, paper_pages
from harness.reports.panel_views import ImagesOf
from harness.reports.site import MEMORY, Rendered, recall, write
from harness.reports.summary import Summary, overview, summarise
from harness.scoring.join import join

Declaration = tuple[Paper, Sequence[Experiment]]


@dataclass(frozen=True)
class Source:
    """A paper to be rendered.

    Attributes:
        package: Its folder; whatever changes there makes its pages out of date.
        load: Reads its claims and declares its experiments; called only if something has to be rendered.
        settings: What else its pages depend on, such as the options of the run whose records count first.
    """

    key: str
    package: Path
    load: Callable[[], Declaration]
    settings: str = ""


def publish(
    source: Source, ledger: Ledger, site: Path, images: ImagesOf | None = None, memory: Path = MEMORY
) -> Rendered:
    """Write every page of a paper, where anything it shows has changed since it was rendered last.

    Args:
        images: Gives the photographs of a private report, whose ``site`` is a folder that is not published. Such a
            report is always rendered.

    Raises:
        ClaimsError: The claims or their reviews cannot be read.
        LedgerError: A record's arrays were damaged while they were read.
        StorageError: A page cannot be written.
    """
    inputs = inputs_of(source.package, ledger.root / source.key, source.settings)
    if images is None and (rendered := recall(source.key, inputs, site, memory)):
        return rendered
    paper, experiments = source.load()
    results = join(paper, audit(paper), experiments, ledger)
    history = histories(results, experiments)
    seen = overview(results)
    pages = paper_pages(results, lambda digest: results.stored[digest].arrays(), history, images, seen)
    return write(source.key, "" if images else inputs, pages, seen.summary, results.refused, site, memory)


def brief(source: Source, ledger: Ledger, site: Path, memory: Path = MEMORY) -> Summary:
    """Return a paper's summary for the index, without writing its pages.

    Raises:
        ClaimsError: The claims cannot be read.
    """
    inputs = inputs_of(source.package, ledger.root / source.key, source.settings)
    if rendered := recall(source.key, inputs, site, memory):
        return rendered.summary
    paper, experiments = source.load()
    return summarise(join(paper, audit(paper), experiments, ledger))


def publish_index(summaries: Sequence[Summary], unread: Sequence[str], site: Path) -> None:
    """Write the page that lists the papers, and what all pages share.

    Args:
        unread: Keys of papers that cannot be listed.

    Raises:
        StorageError: A page cannot be written.
    """
    pages: Mapping[str, bytes] = index_pages(summaries, unread)
    for path, content in pages.items():
        write_atomically(site / path, content, durable=False)
