"""The claims on a night when a paper could not be judged: what is not known is neither lost nor forgotten."""

from __future__ import annotations

from collections.abc import Mapping

from harness.nightly.judge import Claims, Found, claims
from harness.nightly.kept import NightFile
from harness.nightly.verdicts import Said
from harness.regression.history import History
from harness.statistics.evidence import Evidence, Word

NO_HISTORY = History((), {}, {}, (), (), ())
BEFORE = {"drn/a": "reproduced", "drn/b": "reproduced", "hdc/c": "exact"}


def compared(verdicts: Mapping[str, Mapping[str, Said]], words: Mapping[str, str], lost: tuple[str, ...]) -> Claims:
    before = NightFile(started="2026-03-01T02:00:00+00:00", device="cpu", verdicts=dict(words), lost=lost)
    tonight = NightFile(started="2026-03-02T02:00:00+00:00", device="cpu")
    return claims(Found(tonight, before, NO_HISTORY, (), verdicts, (), (), (), (), frozenset()))


def said(word: Word) -> Said:
    return Said(word, Evidence.RELEASED_WEIGHTS, "")


def test_a_paper_that_could_not_be_judged_keeps_its_words_and_what_it_had_lost() -> None:
    found = compared({"hdc": {"hdc/c": said(Word.EXACT)}}, BEFORE, ("drn/b",))
    assert found.words == BEFORE
    assert found.lost == ("drn/b",)
    assert found.worse == ()
    back = compared({"drn": {"drn/a": said(Word.REPRODUCED)}, "hdc": {}}, found.words, found.lost)
    assert [worse.id for worse in back.worse] == ["hdc/c"], "drn/b was told on the night on which it was lost"
    assert back.lost == ("drn/b", "hdc/c")


def test_the_first_night_has_nothing_to_be_worse_than() -> None:
    tonight = NightFile(started="2026-03-02T02:00:00+00:00", device="cpu")
    verdicts = {"drn": {"drn/a": said(Word.WORSE)}}
    found = claims(Found(tonight, None, NO_HISTORY, (), verdicts, (), (), (), (), frozenset()))
    assert found == Claims({"drn/a": "worse"}, (), ())
