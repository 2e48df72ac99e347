"""A citation as a sentence or three: for a paper's text, and for the eye."""

from __future__ import annotations

from collections.abc import Iterator

from harness.citation.cited import Cited, name_parts, published
from harness.citation.escape import latex
from harness.statistics.evidence import Evidence
from harness.wording.numbers import grouped, show, with_unit
from harness.wording.words import EVIDENCE, counted

MOST_NAMED = 3


def sentence(cited: Cited) -> str:
    """Say in plain text what was claimed, what was measured, on what evidence, and where the proof lies."""
    return " ".join(_sentences(cited))


def latex_sentence(cited: Cited) -> str:
    """Return :func:`sentence` as LaTeX."""
    return latex(sentence(cited))


def measured_text(cited: Cited) -> str:
    """Return the measured number with its unit and interval: ``76.1 % [75.8, 76.4]``; empty for arithmetic."""
    measurement = cited.measurement
    if measurement is None:
        return ""
    shown = show(measurement.estimate, measurement.low, measurement.high)
    return f"{with_unit(shown.estimate, measurement.unit)} {shown.interval}".strip()


def evidence_text(cited: Cited) -> str:
    """Return what was done: ``exact (derived from the definition ...)``."""
    evidence = cited.verdict.evidence
    assert evidence is not None
    return f"{evidence.value} ({EVIDENCE[evidence]})"


def _sentences(cited: Cited) -> Iterator[str]:
    claim, verdict = cited.claim, cited.verdict
    printed = with_unit(claim.printed.text, claim.unit)
    yield f"“{cited.paper.title}” ({_paper(cited)}) prints {printed} for the {cited.subject} ({claim.place.section})."
    if cited.measurement is None:
        yield f"Remeasure {cited.version} recomputed it: {verdict.word.value}."
    else:
        yield f"Remeasure {cited.version} {_done(cited)}: {verdict.word.value}."
    yield verdict.reason
    yield f"Evidence: {evidence_text(cited)}."
    yield from _deviations(cited)
    yield f"Claim {cited.id}{''.join(f', {part}' for part in _proof(cited))}."


def _paper(cited: Cited) -> str:
    names = [name_parts(name).family for name in cited.paper.authors]
    who = [f"{names[0]} et al."] if len(names) > MOST_NAMED else names
    return ", ".join((*who, published(cited.paper)))


def _done(cited: Cited) -> str:
    measurement = cited.measurement
    assert measurement is not None
    verb = "derived" if measurement.evidence is Evidence.EXACT else "measured"
    sample = [grouped(str(measurement.n)) + " images"] if measurement.n else []
    sample += [counted(len(measurement.seeds), "seed")] if len(measurement.seeds) > 1 else []
    interval = ["95 % interval"] if measurement.low < measurement.high else []
    details = ", ".join(interval + sample)
    device = " and ".join(cited.devices)
    return f"{verb} {measured_text(cited)}{f' ({details})' if details else ''} on {cited.date}, device {device}"


def _deviations(cited: Cited) -> Iterator[str]:
    if cited.measurement is None:
        return
    if not cited.deviations:
        yield "No deviation from the paper is recorded."
        return
    topics = dict.fromkeys(deviation.topic for deviation in cited.deviations)
    yield f"{counted(len(cited.deviations), 'deviation')} from the paper: {'; '.join(topics)}."


def _proof(cited: Cited) -> Iterator[str]:
    for digest in cited.records:
        yield f"record sha256:{digest}"
    for commit in cited.commits:
        yield f"commit {commit}"
    for source in cited.sources:
        yield f"source sha256:{source}"
