"""Model cards for the Hugging Face Hub: ``README.md`` with a ``model-index`` in its front matter, one per system.

The format (https://github.com/huggingface/hub-docs/blob/main/modelcard.md) has no field for a claim that nobody
checked, so a card holds the number that the paper prints under the paper as its source, and a number measured here as a
result of its own, on the same data set at the revision that the digest of the images names: readers of the format merge
results that agree in task, data set, configuration, split and revision, and keep one source for all.
``verified`` stays unset: it is the Hub's own mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.claims.model import Paper
from harness.exports.hub import HUB, DataSet, data_set, task
from harness.exports.scores import Score, folders, metric_slug, metric_title, place, portable, scores
from harness.exports.spelling import yaml_text
from harness.scoring.model import Results
from harness.wording.numbers import show

_METRICS = {"miou": "mean_iou"}
"""Metrics that the Hub has a page for under another name."""
_HEADER = ("data set", "metric", "unit", "claimed in the paper", "measured", "95 % interval", "evidence", "verdict")


def model_cards(results: Results, *, hub: Mapping[str, str] = HUB, site: str = "") -> dict[str, bytes]:
    """Return a model card for each system that the paper prints a score of, by its path ``paper/system/README.md``.

    Args:
        hub: Repositories of data sets, by the name that claims use.
        site: Where the reports are published, the source of what was measured; empty if nowhere.
    """
    found = scores(results)
    names = folders(found)
    return {
        f"{results.paper.key}/{names[system]}/README.md": _card(results.paper, system, own, hub, site)
        for system, own in found.items()
    }


def _card(paper: Paper, system: str, own: Sequence[Score], hub: Mapping[str, str], site: str) -> bytes:
    head = {"tags": ["remeasure"], "model-index": [{"name": system, "results": _results(paper, own, hub, site)}]}
    return f"---\n{yaml_text(head)}---\n\n{_body(paper, system, own)}".encode()


def _results(paper: Paper, own: Sequence[Score], hub: Mapping[str, str], site: str) -> list[dict[str, Any]]:
    groups: dict[tuple[Any, ...], list[Score]] = {}
    for score in own:
        where = data_set(score.claim.dataset or "", hub)
        groups.setdefault((task(score.claim.metric), where, _revision(score)), []).append(score)
    return [
        {
            "task": {"type": kind.type, "name": kind.name},
            "dataset": _data_set(where, revision),
            "metrics": [_metric(score) for score in members],
            **_source(paper, site, printed=revision is None),
        }
        for (kind, where, revision), members in groups.items()
    ]


def _data_set(where: DataSet, revision: str | None) -> dict[str, str]:
    described = {"name": f"{where.key} ({where.split})" if where.split else where.key, "type": where.type}
    if where.split:
        described["split"] = where.hub_split
    return described if revision is None else {**described, "revision": revision}


def _revision(score: Score) -> str | None:
    """Return the digest of the images that a score was measured on; None for a printed one."""
    digests = {f"sha256:{record.data.digest}" for record in score.records if record.data is not None}
    return " ".join(sorted(digests)) or None


def _metric(score: Score) -> dict[str, Any]:
    claim = score.claim
    what = f"{metric_title(claim)}, {claim.unit}"
    described = {"type": _METRICS.get(claim.metric, claim.metric), "value": score.value}
    if score.measured is None:
        stated = {"claim": claim.id, "printed": claim.printed.text, "transcription": claim.place.transcription.value}
        return {**described, "name": f"{what}, as printed in the paper", "args": stated}
    measured = score.measured
    return {
        **described,
        "name": f"{what}, measured by Remeasure",
        "args": {
            "claim": claim.id,
            "printed": claim.printed.text,
            "low": portable(measured.low),
            "high": portable(measured.high),
            "confidence": 0.95,
            "images": measured.n,
            "seeds": len(measured.seeds),
            "evidence": measured.evidence.value,
            "verdict": score.row.verdict.word.value,
            "date": score.date,
            "records": list(measured.records),
            "deviations": list(score.deviations),
        },
    }


def _source(paper: Paper, site: str, *, printed: bool) -> dict[str, Any]:
    if printed:
        return {"source": {"name": f"{paper.title} (claimed in the paper)", "url": paper.url}} if paper.url else {}
    return {"source": {"name": "Remeasure", "url": f"{site.rstrip('/')}/{paper.key}/index.html"}} if site else {}


def _body(paper: Paper, system: str, own: Sequence[Score]) -> str:
    """Return what the front matter cannot say: which number is whose, with the places and the intervals."""
    opening = (
        f"# {system}\n\nScores of {system} as printed in *{paper.title}* ({paper.venue} {paper.year}), and what was "
        "measured again of them on the claim's own data set. An empty cell was not measured, or not so that it could "
        "be cited.\n\n"
    )
    measured = {(score.claim.dataset, metric_slug(score.claim)): score for score in own if score.measured is not None}
    rows = [
        _row(score, measured.get((score.claim.dataset, metric_slug(score.claim))))
        for score in own
        if score.measured is None
    ]
    deviations = dict.fromkeys(sentence for score in own for sentence in score.deviations)
    differences = "".join(f"\n- {sentence}" for sentence in deviations)
    closing = f"\nDifferences from the paper's protocol:\n{differences}\n" if deviations else ""
    return opening + _table(_HEADER, rows) + closing


def _row(printed: Score, score: Score | None) -> tuple[str, ...]:
    claim = printed.claim
    stated = (claim.dataset or "", metric_title(claim), claim.unit, f"{claim.printed} ({place(claim)})")
    if score is None or score.measured is None:
        return (*stated, "", "", "", "")
    measured = score.measured
    shown = show(measured.estimate, measured.low, measured.high)
    return (
        *stated,
        shown.estimate,
        shown.interval,
        measured.evidence.value,
        printed.row.verdict.word.value,
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (header, ["---"] * len(header), *rows)
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)
