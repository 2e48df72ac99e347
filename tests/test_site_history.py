"""Every record that was ever made of a printed number: which belong, in what order, with what number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scoring_samples import classified, experiment, fill, joined, mini_paper, record_of
from site_samples import COUNTS, EARLIER, ERRORS, OLD_CODE, Sample, sample

from harness.ledger.store import Ledger, Stored
from harness.reports.history import Reading, Standing, histories, readings
from harness.statistics.evidence import Evidence

PLAIN = "t1/plain/top1"


@pytest.fixture
def made(tmp_path: Path) -> Sample:
    return sample(tmp_path)


def error(arrays: dict[str, np.ndarray]) -> float:
    return 100 * float(np.mean(arrays["ranks"] >= 1))


def test_records_of_all_times_stand_in_order_with_their_numbers(made: Sample) -> None:
    entries = made.history[PLAIN]
    expected = [error(classified(skill["Plain"], seed)) for skill in (EARLIER, ERRORS) for seed in range(3)]
    assert [entry.value for entry in entries] == pytest.approx(expected)
    assert [entry.standing for entry in entries] == [Standing.SUPERSEDED] * 3 + [Standing.IN_USE] * 3
    assert [entry.record.started for entry in entries] == sorted(entry.record.started for entry in entries)


def test_a_record_belongs_to_the_numbers_of_its_system_and_metric_alone(made: Sample) -> None:
    claims = made.results.paper.claims
    for id, entries in made.history.items():
        for entry in entries:
            assert entry.record.system == claims[id].system
            assert (entry.record.experiment == "exact") == (claims[id].metric == "parameters")
    spoken = {claim.id for claim in claims.values() if claim.metric in ("top1-error", "parameters")}
    assert set(made.history) <= spoken
    assert PLAIN in made.history


def test_derived_numbers_stand_in_the_units_of_the_print(made: Sample) -> None:
    (entry,) = made.history["t1/plain/params"]
    assert made.results.paper.claims["t1/plain/params"].unit == "M"
    assert entry.value == pytest.approx(COUNTS["Plain"] / 1e6)


def test_records_in_use_are_not_read_again(made: Sample) -> None:
    old = {stored.digest for stored in made.earlier}
    asked: list[str] = []

    def recall(stored: Stored) -> Sequence[Reading]:
        asked.append(stored.digest)
        return readings(stored)

    found = histories(made.results, made.experiments, recall)
    assert sorted(asked) == sorted(old)
    assert found == made.history


def test_a_record_nobody_replaced_is_out_of_date(tmp_path: Path) -> None:
    paper, ledger, scenes = mini_paper(tmp_path), Ledger(tmp_path / "ledger"), experiment()
    fill(ledger, scenes, {"Plain": 0.4}, code=OLD_CODE)
    found = histories(joined(paper, ledger, scenes), (scenes,))
    assert [entry.standing for entry in found[PLAIN]] == [Standing.STALE] * 3


def test_of_a_repeated_measurement_the_newest_counts(tmp_path: Path) -> None:
    paper, ledger, scenes = mini_paper(tmp_path), Ledger(tmp_path / "ledger"), experiment()
    for day in (1, 2, 3):
        fill(ledger, scenes, {"Plain": 0.4}, seeds=(0,), started=f"2025-02-0{day}T00:00:00+00:00")
    found = histories(joined(paper, ledger, scenes), (scenes,))
    assert [entry.standing for entry in found[PLAIN]] == [Standing.SUPERSEDED, Standing.SUPERSEDED, Standing.IN_USE]


def test_a_record_of_another_recipe_is_named_as_not_used(tmp_path: Path) -> None:
    paper, ledger, scenes = mini_paper(tmp_path), Ledger(tmp_path / "ledger"), experiment()
    fill(ledger, scenes, {"Plain": 0.4})
    fill(ledger, scenes, {"Plain": 0.2}, seeds=(0,), recipe={"epochs": 1})
    found = histories(joined(paper, ledger, scenes), (scenes,))
    standings = [entry.standing for entry in found[PLAIN]]
    assert standings.count(Standing.IN_USE) == 3
    assert standings.count(Standing.REFUSED) == 1


def test_damaged_and_unfinished_records_have_no_number(made: Sample) -> None:
    damaged = made.earlier[0]
    content = damaged.path.with_suffix(".npz").read_bytes()
    damaged.path.with_suffix(".npz").write_bytes(content[:-40] + bytes(40))
    scenes = made.experiments[1]
    unfinished = made.ledger.append(
        record_of(scenes, "Plain", 0, code=OLD_CODE, complete=False), classified(0.9, 0, images=20)
    )
    shown = {entry.digest for entry in made.history[PLAIN]}
    assert not {damaged.digest, unfinished.digest} & shown
    assert len(shown) == 5


def test_another_protocol_is_another_history(tmp_path: Path) -> None:
    paper, ledger = mini_paper(tmp_path), Ledger(tmp_path / "ledger")
    scenes = experiment(reaches=tuple(r for r in experiment().reaches if r.protocol is None))
    fill(ledger, scenes, ERRORS)
    found = histories(joined(paper, ledger, scenes), (scenes,))
    assert PLAIN not in found


def test_an_experiment_that_is_gone_leaves_no_history(tmp_path: Path) -> None:
    paper, ledger, gone = mini_paper(tmp_path), Ledger(tmp_path / "ledger"), experiment("gone", Evidence.SYNTHETIC)
    fill(ledger, gone, {"Plain": 0.4})
    kept = experiment()
    assert histories(joined(paper, ledger, kept), (kept,)) == {}
