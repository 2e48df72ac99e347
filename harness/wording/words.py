"""Verdicts, evidence and severities in a reader's words; every tone has a symbol, so that colour never speaks alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from harness.audit.finding import Outcome, Severity
from harness.claims.model import ReferenceKind, Transcription
from harness.claims.vocabulary import METRICS
from harness.statistics.evidence import Evidence, Word

NOT_CITABLE = "synthetic: not citable"
WEAK = frozenset({Evidence.SCALED_DOWN, Evidence.SYNTHETIC, Evidence.TIMING})
"""Evidence that says nothing on a printed number itself, only on which of two is larger."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A verdict for the eye.

    Attributes:
        tone: "good", "bad", "open" or "none": whether it speaks for the paper, against it, for neither, or not at all.
    """

    text: str
    symbol: str
    tone: str
    meaning: str


VERDICTS: Mapping[Word, Mark] = MappingProxyType(
    {
        Word.CONSISTENT: Mark("consistent", "✓", "good", "follows from the paper's own numbers, rounding allowed for"),
        Word.INCONSISTENT: Mark("inconsistent", "✗", "bad", "no values that round to the printed numbers satisfy it"),
        Word.EXACT: Mark("exact", "✓", "good", "derived from the definition and equal at the printed precision"),
        Word.DIFFERS: Mark("differs", "✗", "bad", "derived from the definition and not equal at the printed precision"),
        Word.REPRODUCED: Mark("reproduced", "✓", "good", "measured again and the same within the declared margin"),
        Word.BETTER: Mark("better", "▲", "open", "measured again and better than printed by more than the margin"),
        Word.WORSE: Mark("worse", "▼", "bad", "measured again and worse than printed by more than the margin"),
        Word.COMPATIBLE: Mark("compatible", "✓", "good", "agrees on the part of the test set that was measured"),
        Word.INCOMPATIBLE: Mark("incompatible", "✗", "bad", "disagrees on the part of the test set that was measured"),
        Word.SUPPORTS: Mark(
            "supports", "✓", "good", "points the way the paper says, on other data or at smaller scale"
        ),
        Word.CONTRADICTS: Mark("contradicts", "✗", "bad", "points the other way, on other data or at smaller scale"),
        Word.INCONCLUSIVE: Mark("inconclusive", "?", "open", "measured, and the interval allows either"),
        Word.NOT_COMPARABLE: Mark("not comparable", "≠", "none", "measured under conditions that cannot be compared"),
        Word.NOT_MEASURED: Mark("not measured", "○", "none", "nothing here says anything on it"),
    }
)

OUTCOMES: Mapping[Outcome, Mark] = MappingProxyType(
    {
        Outcome.CONSISTENT: Mark("consistent", "✓", "good", "holds for the printed decimals"),
        Outcome.WITHIN_ROUNDING: Mark(
            "within rounding", "≈", "good", "holds for some values that round to the printed decimals"
        ),
        Outcome.INCONSISTENT: Mark(
            "inconsistent", "✗", "bad", "holds for no values that round to the printed decimals"
        ),
        Outcome.UNDECIDED: Mark("undecided", "?", "open", "rounding or an uncertain copy leaves it open"),
        Outcome.NOT_CHECKABLE: Mark("not checkable", "○", "none", "the paper prints no numbers that could decide it"),
    }
)

SEVERITIES: Mapping[Severity, Mark] = MappingProxyType(
    {
        Severity.ERROR: Mark("error", "✗", "bad", "cannot be as printed"),
        Severity.WARNING: Mark("warning", "!", "open", "probably wrong"),
        Severity.NOTE: Mark("note", "i", "none", "worth a look"),
    }
)

REFUSED = Mark("refused", "✗", "bad", "damaged, unfinished, a toy run, or of other settings than the records shown")
STALE = Mark("out of date", "!", "open", "made by code that has changed since")

SAME_ELSEWHERE = Mark("same", "=", "none", "the same at the coarser of the two precisions")
DIFFERS_ELSEWHERE = Mark("differs", "≠", "bad", "not the same number, where it should be")
MAY_DIFFER = Mark("differs", "≠", "open", "measured again by others, and rightly may differ")

EVIDENCE: Mapping[Evidence, str] = MappingProxyType(
    {
        Evidence.ARITHMETIC: "recomputed from the paper's own numbers",
        Evidence.EXACT: "derived from the definition or the built model; no sampling, no training",
        Evidence.RELEASED_WEIGHTS: "the authors' checkpoint on the claim's dataset and protocol",
        Evidence.RETRAINED: "trained here on the claim's dataset with the paper's recipe",
        Evidence.SUBSET: "measured on part of the claim's test images",
        Evidence.SCALED_DOWN: "real images, with less data or a shorter schedule than the paper's",
        Evidence.SYNTHETIC: "procedural scenes that stand in for photographs; says nothing on real images",
        Evidence.TIMING: "timed on this device; only ratios travel to other hardware",
    }
)

TRANSCRIPTIONS: Mapping[Transcription, str] = MappingProxyType(
    {
        Transcription.TWO_SOURCES: "copied from two sources that agree",
        Transcription.ONE_SOURCE: "copied from one source",
        Transcription.TEXT: "copied from the extracted text",
        Transcription.UNCERTAIN: "the copy is uncertain",
    }
)

REFERENCES: Mapping[ReferenceKind, str] = MappingProxyType(
    {
        ReferenceKind.AUTHORS: "printed by the authors elsewhere",
        ReferenceKind.ORIGIN: "the origin of a quoted number",
        ReferenceKind.COPY: "repeated by others",
        ReferenceKind.INDEPENDENT: "measured again by others",
    }
)

OPERATORS: Mapping[str, str] = MappingProxyType({"=": "=", "~": "≈", "<": "<", "<=": "≤", ">": ">", ">=": "≥"})


def metric_title(name: str) -> str:
    """Return a metric's title; a metric the vocabulary lacks keeps its name."""
    return METRICS[name].title if name in METRICS else name.replace("-", " ")


def counted(number: int, singular: str, plural: str = "") -> str:
    """Write ``1 claim``, ``2 claims``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
