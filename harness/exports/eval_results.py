"""``.eval_results/*.yaml`` for the Hugging Face Hub: scores that a benchmark's page and the model's page show.

The format (https://huggingface.co/docs/hub/eval-results) names the benchmark by its repository on the Hub, so only data
sets that have one are written. Per task it shows one value: the citable measurement where there is one, otherwise the
number that the paper prints, with the paper as its source and a note that says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.claims.document import slug
from harness.claims.model import Paper
from harness.exports.hub import HUB, data_set
from harness.exports.scores import Score, folders, metric_slug, metric_title, place, portable, scores
from harness.exports.spelling import yaml_text
from harness.scoring.model import Results


def eval_results(results: Results, *, hub: Mapping[str, str] = HUB, site: str = "") -> dict[str, bytes]:
    """Return a file for each system and data set, by its path ``paper/system/.eval_results/dataset.yaml``.

    Args:
        hub: Repositories of data sets, by the name that claims use; scores on other data sets are left out.
        site: Where the reports are published, the source of what was measured; empty if nowhere.
    """
    found = scores(results)
    names = folders(found)
    files = {}
    for system, own in found.items():
        for repository, tasks in _by_repository(own, hub).items():
            entries = [_entry(results.paper, repository, name, same, site) for name, same in tasks.items()]
            path = f"{results.paper.key}/{names[system]}/.eval_results/{slug(repository)}.yaml"
            files[path] = yaml_text(entries).encode()
    return files


def left_out(results: Results, hub: Mapping[str, str] = HUB) -> tuple[str, ...]:
    """Return the data sets whose scores :func:`eval_results` leaves out, by the name that claims use."""
    named = {data_set(score.claim.dataset or "", hub) for own in scores(results).values() for score in own}
    return tuple(sorted({where.key for where in named if where.repository is None}))


def _by_repository(own: Sequence[Score], hub: Mapping[str, str]) -> dict[str, dict[str, list[Score]]]:
    """Return a system's scores by repository and task."""
    found: dict[str, dict[str, list[Score]]] = {}
    for score in own:
        where = data_set(score.claim.dataset or "", hub)
        if where.repository is not None:
            name = "-".join(part for part in (where.split, metric_slug(score.claim)) if part)
            found.setdefault(where.repository, {}).setdefault(name, []).append(score)
    return found


def _entry(paper: Paper, repository: str, task_id: str, same: Sequence[Score], site: str) -> dict[str, Any]:
    """Return the entry of a task: the first citable measurement, otherwise the first printed number."""
    chosen = next((score for score in same if score.measured is not None), same[0])
    head: dict[str, Any] = {"dataset": {"id": repository, "task_id": task_id}, "value": chosen.value}
    if chosen.measured is None:
        others = [f"{score.claim.printed} ({place(score.claim)})" for score in same if score.value != chosen.value]
        also = f" Also printed as {', '.join(others)}." if others else ""
        return {**head, **_source(paper.url, paper.title), "notes": f"{_printed(chosen)}{also}"}
    page = f"{site.rstrip('/')}/{paper.key}/index.html" if site else ""
    return {**head, "date": chosen.date, **_source(page, "Remeasure"), "notes": _measured(chosen)}


def _source(url: str, name: str) -> dict[str, Any]:
    return {"source": {"url": url, "name": name}} if url else {}


def _printed(score: Score) -> str:
    claim = score.claim
    return (
        f"{metric_title(claim)} in {claim.unit}, claimed in the paper ({place(claim)}: {claim.printed}); "
        "nothing citable was measured of it."
    )


def _measured(score: Score) -> str:
    claim, measured = score.claim, score.measured
    assert measured is not None
    low, high = portable(measured.low), portable(measured.high)
    deviations = "".join(f" Deviation: {sentence}." for sentence in score.deviations)
    return (
        f"{metric_title(claim)} in {claim.unit}, measured by Remeasure ({measured.evidence.value}): 95 % interval "
        f"[{low}, {high}], {measured.n} images; the paper claims {claim.printed} ({place(claim)}): "
        f"{score.row.verdict.word.value}. Records: {', '.join(measured.records)}.{deviations}"
    )
