"""What a night's records make of the papers' claims, beside what the night before made of them. No torch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import msgspec

from harness.scoring.model import Results, Verdict
from harness.statistics.evidence import Evidence, Word

FOR = frozenset({Word.REPRODUCED, Word.BETTER, Word.EXACT, Word.CONSISTENT, Word.COMPATIBLE, Word.SUPPORTS})
AGAINST = frozenset({Word.WORSE, Word.DIFFERS, Word.INCONSISTENT, Word.INCOMPATIBLE, Word.CONTRADICTS})


class Said(NamedTuple):
    """A verdict of tonight's."""

    word: Word
    evidence: Evidence
    reason: str


class Worse(msgspec.Struct, frozen=True):
    """A claim whose verdict got worse, or was lost.

    Attributes:
        id: ``drn/t1/drn-c-26/top1-1crop``; of a relation's direction with the experiment: ``drn/s5.1/gain (scenes)``.
        now: The verdict, or "not measured".
    """

    id: str
    before: str
    now: str
    reason: str


def said(results: Results) -> dict[str, Said]:
    """Return every measured verdict on a paper's claims and on the directions of its relations."""
    found: dict[str, Said] = {}
    for row in results.claims:
        found.update(_kept(f"{results.paper.key}/{row.claim.id}", row.verdict))
    for relation in results.relations:
        for verdict in relation.measured:
            found.update(_kept(f"{results.paper.key}/{relation.relation.id} ({verdict.experiment})", verdict))
    return found


def _kept(name: str, verdict: Verdict) -> Iterator[tuple[str, Said]]:
    if verdict.word is not Word.NOT_MEASURED and verdict.evidence is not None:
        yield name, Said(verdict.word, verdict.evidence, verdict.reason)


def got_worse(before: Mapping[str, str], lost: Collection[str], now: Mapping[str, Said]) -> tuple[Worse, ...]:
    """Return what got worse since the night before: what is as bad as it was is known, and does not count again.

    A verdict that is gone counts on the first night without it. Between "for" and "open", a verdict on timing does not
    count: its interval is as wide as the night was noisy, and the check of the times themselves judges that.

    Args:
        before: The word on each claim by its id, as the night before left it.
        lost: Ids of those that had no verdict that night: their last one stands in ``before``.
    """
    return tuple(_worse(before, lost, now))


def _worse(before: Mapping[str, str], lost: Collection[str], now: Mapping[str, Said]) -> Iterator[Worse]:
    for name, word in before.items():
        new = now.get(name)
        if new is None:
            if name not in lost:
                yield Worse(name, word, Word.NOT_MEASURED.value, "No current record stands behind it.")
        elif rank(new.word) < rank(Word(word)) and not (rank(new.word) == 1 and new.evidence is Evidence.TIMING):
            yield Worse(name, word, new.word.value, new.reason)


def rank(word: Word) -> int:
    """Return 2 for a word in favour of a claim, 0 for one against it, 1 for one that leaves it open."""
    return 2 if word in FOR else 0 if word in AGAINST else 1


def carried(before: Mapping[str, str], now: Mapping[str, Said]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what the next night is compared with: the last word on each claim, and the ids that have none now."""
    lost = tuple(sorted(set(before) - set(now)))
    words = {**before, **{name: verdict.word.value for name, verdict in now.items()}}
    return dict(sorted(words.items())), lost


def against(now: Mapping[str, Said]) -> tuple[str, ...]:
    """Return the ids of the claims that tonight's verdicts speak against."""
    return tuple(sorted(name for name, verdict in now.items() if verdict.word in AGAINST))
