"""What was done for a number, and the words that allows."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class Evidence(Enum):
    """What was done for a number; it bounds the verdicts the number can give."""

    ARITHMETIC = "arithmetic"
    EXACT = "exact"
    RELEASED_WEIGHTS = "released-weights"
    RETRAINED = "retrained"
    SUBSET = "subset"
    SCALED_DOWN = "scaled-down"
    SYNTHETIC = "synthetic"
    TIMING = "timing"


class Word(Enum):
    """Every verdict there is; :data:`WORDS` says which evidence can give which."""

    CONSISTENT = "consistent"
    INCONSISTENT = "inconsistent"
    EXACT = "exact"
    DIFFERS = "differs"
    REPRODUCED = "reproduced"
    BETTER = "better"
    WORSE = "worse"
    COMPATIBLE = "compatible"
    INCOMPATIBLE = "incompatible"
    SUPPORTS = "supports"
    CONTRADICTS = "contradicts"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"
    NOT_MEASURED = "not measured"


_AGAINST_CLAIM = frozenset({Word.REPRODUCED, Word.BETTER, Word.WORSE, Word.INCONCLUSIVE})
_FOR_RELATION = frozenset({Word.SUPPORTS, Word.CONTRADICTS, Word.INCONCLUSIVE})

WORDS: Mapping[Evidence, frozenset[Word]] = MappingProxyType(
    {
        Evidence.ARITHMETIC: frozenset({Word.CONSISTENT, Word.INCONSISTENT}),
        Evidence.EXACT: frozenset({Word.EXACT, Word.DIFFERS}),
        Evidence.RELEASED_WEIGHTS: _AGAINST_CLAIM,
        Evidence.RETRAINED: _AGAINST_CLAIM,
        Evidence.SUBSET: frozenset({Word.COMPATIBLE, Word.INCOMPATIBLE, Word.INCONCLUSIVE}),
        Evidence.SCALED_DOWN: _FOR_RELATION,
        Evidence.SYNTHETIC: _FOR_RELATION,
        Evidence.TIMING: _FOR_RELATION | {Word.NOT_COMPARABLE},
    }
)
"""The words each kind of evidence can give."""

ON_CLAIMS = (Evidence.EXACT, Evidence.RELEASED_WEIGHTS, Evidence.RETRAINED, Evidence.SUBSET, Evidence.TIMING)
"""The measured evidence that judges claims, strongest first; the rest judges relations alone."""


def bounded(evidence: Evidence, word: Word) -> Word:
    """Return the word if the evidence can give it.

    Raises:
        ValueError: The evidence cannot; to say it would claim more than was done.
    """
    if word not in WORDS[evidence]:
        known = ", ".join(sorted(allowed.value for allowed in WORDS[evidence]))
        raise ValueError(f"{evidence.value} evidence cannot give {word.value!r}; it can give: {known}")
    return word
