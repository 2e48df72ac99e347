"""From a ledger and the nights' manifests to series of nights."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from check_samples import BATCH, SYSTEMS, night_of, other_machine, rate_of, seconds_of, start_of, timing_record
from hypothesis import given
from hypothesis import strategies as st
from ledger_samples import sample_record
from scoring_samples import classified, segmented

from harness.errors import LedgerError
from harness.ledger.record import Code, Data, Evidence
from harness.ledger.store import Ledger, Stored
from harness.regression.history import History, address_of, better_of, kind_of, read
from harness.regression.manifests import Manifest, path_of, read_manifest, read_manifests, utc, write_manifest
from harness.regression.model import Address, Kind, Night, Series
from harness.regression.paired import NO_CHANGE, compare
from harness.scoring.scores import Pooled, Single, score

LEDGER = Path(__file__).parents[1] / "reports" / "ledger"


def one(history: History, name: str) -> Series:
    (found,) = (series for series in history.series if series.address.id == name)
    return found


def add(ledger: Ledger, started: str, error: float = 0.3, seed: int = 0, **changes: Any) -> Stored:
    record = sample_record(seed, started=started, values={}, **changes)
    return ledger.append(record, classified(error, seed))


def top1(history: History) -> tuple[Night, ...]:
    return one(history, "drn/scenes/drn-c-26/top1-error").nights


def test_a_night_is_a_date_and_its_value_the_mean_over_seeds(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for date, error in (("2026-01-02", 0.4), ("2026-01-01", 0.3)):
        for seed in (0, 1):
            add(ledger, f"{date}T0{seed}:00:00+00:00", error, seed)
    first, second = top1(read(ledger))
    assert (first.started, second.started) == ("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00")
    expected = np.mean([100 * np.mean(classified(0.3, seed)["ranks"] >= 1) for seed in (0, 1)])
    assert first.value == pytest.approx(expected)
    assert set(first.samples) == {0, 1}
    assert first.segment == second.segment
    assert len(first.records) == 2


def test_times_of_other_zones_are_sorted_into_utc(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    add(ledger, "2026-01-02T01:00:00+03:00")
    add(ledger, "2026-01-02T01:00:00+00:00", 0.4)
    assert [night.started for night in top1(read(ledger))] == ["2026-01-01T22:00:00+00:00", "2026-01-02T01:00:00+00:00"]


def test_what_is_measured_twice_on_a_date_is_two_nights(tmp_path: Path) -> None:
    """The second measurement of any unit on that date is of the second night, whenever it was made."""
    ledger = Ledger(tmp_path)
    add(ledger, "2026-01-01T01:00:00+00:00", seed=0)
    add(ledger, "2026-01-01T02:00:00+00:00", seed=1)
    add(ledger, "2026-01-01T03:00:00+00:00", seed=0, code=Code("e" * 64))
    add(ledger, "2026-01-01T09:00:00+00:00", seed=1, code=Code("e" * 64))
    nights = top1(read(ledger))
    assert [(night.started[11:13], set(night.samples)) for night in nights] == [("01", {0, 1}), ("03", {0, 1})]


def test_records_of_one_instant_are_one_night(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    add(ledger, "2026-01-01T01:00:00+00:00", 0.3)
    add(ledger, "2026-01-01T01:00:00+00:00", 0.4)
    assert len(top1(read(ledger))) == 1


def test_a_manifest_makes_the_night(tmp_path: Path) -> None:
    night_of(tmp_path, 0)
    night_of(tmp_path, 1, {"DRN-C-26": 1.2}, confirmed=["DRN-C-26"])
    history = read(Ledger(tmp_path / "ledger"), tmp_path / "nights")
    slow, usual = one(history, rate_of("DRN-C-26")), one(history, rate_of("ResNet-18"))
    assert [night.started for night in slow.nights] == [start_of(0), start_of(1)]
    assert history.tonight == start_of(1)
    assert slow.nights[1].value == pytest.approx(BATCH / seconds_of("DRN-C-26", 1, 1.2).mean())
    assert slow.nights[1].again == pytest.approx(BATCH / seconds_of("DRN-C-26", 1, 1.2, again=True).mean())
    assert len(slow.nights[1].records) == 2
    assert usual.nights[1].again is None
    assert (slow.kind, slow.unit, slow.better, slow.expected) == (Kind.SPEED, "images/s", "higher", True)
    assert not slow.nights[0].samples


def test_records_in_no_manifest_keep_their_dates(tmp_path: Path) -> None:
    night_of(tmp_path, 0)
    record = timing_record("DRN-C-26", "2026-01-01T12:00:00+00:00")
    Ledger(tmp_path / "ledger").append(record, {"seconds": seconds_of("DRN-C-26", 9)})
    nights = one(read(Ledger(tmp_path / "ledger"), tmp_path / "nights"), rate_of("DRN-C-26")).nights
    assert [night.started for night in nights] == [start_of(0), "2026-01-01T12:00:00+00:00"]


def test_what_the_newest_night_was_to_measure_is_expected(tmp_path: Path) -> None:
    night_of(tmp_path, 0)
    never = "drn/throughput/drn-d-105/rate"
    night_of(tmp_path, 1, systems=SYSTEMS[:5], expected=[*map(rate_of, SYSTEMS), never])
    history = read(Ledger(tmp_path / "ledger"), tmp_path / "nights")
    assert {series.address.id for series in history.series if series.expected} == {*map(rate_of, SYSTEMS), never}
    assert not one(history, never).nights
    assert one(history, rate_of(SYSTEMS[5])).nights[-1].started == start_of(0)
    assert not one(history, "drn/throughput/drn-c-26/memory").expected


def test_what_was_measured_by_hand_since_is_not_expected(tmp_path: Path) -> None:
    night_of(tmp_path, 0, systems=SYSTEMS[1:])
    record = timing_record(SYSTEMS[0], "2026-01-03T12:00:00+00:00")
    Ledger(tmp_path / "ledger").append(record, {"seconds": seconds_of(SYSTEMS[0], 3)})
    assert not one(read(Ledger(tmp_path / "ledger"), tmp_path / "nights"), rate_of(SYSTEMS[0])).expected


def test_only_the_papers_asked_for(tmp_path: Path) -> None:
    night_of(tmp_path, 0, expected=["hdc/throughput/resnet-101/rate", rate_of("DRN-C-26")])
    ledger = Ledger(tmp_path / "ledger")
    papers = {series.address.paper for series in read(ledger, tmp_path / "nights", ("drn",)).series}
    assert papers == {"drn"}
    assert [s.address.paper for s in read(ledger, tmp_path / "nights", ("hdc",)).series] == ["hdc"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"recipe": {"epochs": 9, "rate": 0.1, "crop": [48, 48], "width": "quarter"}}, "recipe.epochs 8 -> 9"),
        ({"data": Data("scenes", "e" * 64, 3000, 1000)}, "data"),
        (other_machine(threads=4), "threads 2 -> 4"),
        (other_machine(device="NVIDIA H100"), 'device "cpu" -> "NVIDIA H100"'),
        (other_machine(packages={"numpy": "2.2.0"}), 'packages.numpy "2.1.0" -> "2.2.0"'),
        (other_machine(packages={"numpy": "2.1.0", "cuda": "12.8"}), 'packages.cuda absent -> "12.8"'),
        (other_machine(python="3.12.1"), 'python "3.11" -> "3.12"'),
    ],
)
def test_other_conditions_are_another_segment_and_said(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    ledger = Ledger(tmp_path)
    add(ledger, "2026-01-01T00:00:00+00:00")
    add(ledger, "2026-01-02T00:00:00+00:00", **changes)
    history = read(ledger)
    before, after = top1(history)
    assert before.segment != after.segment
    (sentence,) = history.changed(before, after)
    assert told in sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"code": Code("e" * 64, "89ab", True)},
        other_machine(platform="Linux-6.2-x86_64"),
        other_machine(python="3.11.10"),
        other_machine(packages={"numpy": "2.1.0", "remeasure": "9.0"}),
        {"deviations": (), "seconds": 99.0},
    ],
)
def test_a_change_of_code_is_what_is_judged(tmp_path: Path, changes: dict[str, Any]) -> None:
    ledger = Ledger(tmp_path)
    add(ledger, "2026-01-01T00:00:00+00:00")
    add(ledger, "2026-01-02T00:00:00+00:00", **changes)
    history = read(ledger)
    before, after = top1(history)
    assert before.segment == after.segment
    assert history.changed(before, after) == ()


def test_code_of_a_night_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for seed, code in enumerate((Code("c" * 64, "0123456789abcdef"), Code("c" * 64, "0123456789abcdef", True))):
        add(ledger, "2026-01-01T00:00:00+00:00", seed=seed, code=code)
    add(ledger, "2026-01-01T00:00:00+00:00", seed=2, code=Code("f" * 64))
    history = read(ledger)
    (night,) = top1(history)
    assert history.code(night) == ("0123456789ab", "0123456789ab+", "ffffffffffff")


def test_what_is_derived_is_the_same_on_every_machine(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for date, changes in (("01", {}), ("02", other_machine(processor="Another CPU", threads=8))):
        record = sample_record(
            evidence=Evidence.EXACT, data=None, values={"parameters": 21}, started=f"2026-01-{date}", **changes
        )
        ledger.append(record, {})
    series = one(read(ledger), "drn/scenes/drn-c-26/parameters")
    assert series.kind is Kind.ACCURACY
    assert [night.value for night in series.nights] == [21, 21]
    assert len({night.segment for night in series.nights}) == 1
    assert isinstance(series.nights[0].samples[0], Single)


def test_seeds_under_different_conditions_are_compared_with_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    add(ledger, "2026-01-01T00:00:00+00:00", seed=0)
    add(ledger, "2026-01-01T00:00:00+00:00", seed=1)
    add(ledger, "2026-01-02T00:00:00+00:00", seed=0)
    add(ledger, "2026-01-02T00:00:00+00:00", seed=1, **other_machine(threads=4))
    history = read(ledger)
    before, after = top1(history)
    assert before.segment != after.segment
    assert any("different conditions" in sentence for sentence in history.changed(before, after))


def test_every_system_and_metric_of_a_record(tmp_path: Path) -> None:
    """Variants measure systems of their own; a class's IoU is the class's against the rest."""
    ledger = Ledger(tmp_path)
    recipe = {
        "variants": {"crf": "{system} + CRF"},
        "classes": ["Sky", "Pole", "Road"],
        "means": {"thin-miou": ["Pole"]},
    }
    arrays = {name: segmented(skill, 0)["confusion"] for name, skill in (("confusion", 0.7), ("confusion.crf", 0.8))}
    ledger.append(sample_record(recipe=recipe, values={}), arrays)
    history = read(ledger)
    for system, name in (("drn-c-26", "confusion"), ("drn-c-26-+-crf", "confusion.crf")):
        whole = Pooled(arrays[name].astype(np.int64), {0: "sky", 1: "pole", 2: "road"}, None, {"thin-miou": (1,)})
        for column, metric in enumerate(("miou", "thin-miou", "iou-sky", "iou-pole", "iou-road")):
            (night,) = one(history, f"drn/scenes/{system}/{metric}").nights
            assert night.value == score(whole)[0, column]
            assert score(night.samples[0])[0, 0] == night.value


def test_one_name_for_one_time(tmp_path: Path) -> None:
    """A rate is the reciprocal of a time: both would count every change twice."""
    ledger = Ledger(tmp_path)
    for batch in (1, 8):
        record = timing_record("DRN-C-26", start_of(0), recipe={"batch": batch}, experiment=f"batches-of-{batch}")
        ledger.append(record, {"seconds": np.array([0.1, 0.2])})
    found = {series.address.id: series.nights[0].value for series in read(ledger).series}
    assert found == {
        "drn/batches-of-1/drn-c-26/time": pytest.approx(150.0),
        "drn/batches-of-1/drn-c-26/memory": 120.5,
        "drn/batches-of-8/drn-c-26/rate": pytest.approx(8 / 0.15),
        "drn/batches-of-8/drn-c-26/memory": 120.5,
    }


def test_records_that_give_no_number_are_named_with_the_reason(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    add(ledger, "2026-01-01T00:00:00+00:00", complete=False)
    add(ledger, "2026-01-02T00:00:00+00:00", recipe={"scale": "toy"})
    add(ledger, "yesterday")
    damaged = add(ledger, "2026-01-04T00:00:00+00:00", 0.4)
    damaged.path.with_suffix(".npz").write_bytes(b"nothing")
    add(ledger, "2026-01-05T00:00:00+00:00", 0.5)
    history = read(ledger)
    assert [night.started[:10] for night in top1(history)] == ["2026-01-05"]
    for found, parts in (
        (history.refused, ("stopped early", "toy run")),
        (history.damaged, ("array 'ranks' cannot be used", "'yesterday', is no ISO 8601 time")),
    ):
        assert len(found) == len(parts)
        for part in parts:
            assert any(part in each.reason for each in found)


def test_a_night_knows_nothing_of_what_began_later(tmp_path: Path) -> None:
    """Neither of another device's night nor of what was measured by hand meanwhile, nor of what they expect."""
    night_of(tmp_path, 0)
    ledger, nights = Ledger(tmp_path / "ledger"), tmp_path / "nights"
    before = read(ledger, nights)
    night_of(tmp_path, 1, expected=["drn/throughput/drn-d-105/rate"])
    by_hand = timing_record(SYSTEMS[0], "2026-01-01T12:00:00+00:00")
    ledger.append(by_hand, {"seconds": seconds_of(SYSTEMS[0], 3)})
    told = read(ledger, nights, until=start_of(0))
    assert (told.series, told.manifests, told.tonight) == (before.series, before.manifests, start_of(0))
    assert len(one(read(ledger, nights), rate_of(SYSTEMS[0])).nights) == 3


def test_scenes_of_the_repository_repeat_bit_for_bit() -> None:
    """The embedded scenes were measured several times under one recipe: paired, no outcome changed."""
    history = read(Ledger(LEDGER), None, ("drn",))
    compared = 0
    for series in history.series:
        if (series.address.experiment, series.kind) != ("scenes", Kind.ACCURACY):
            continue
        for before, after in zip(series.nights, series.nights[1:], strict=False):
            if before.segment == after.segment:
                assert before.value == after.value
                assert compare([before], after, series.better) == NO_CHANGE
                compared += 1
    assert compared >= 50


@pytest.mark.parametrize(
    ("metric", "kind", "better"),
    [
        ("top1-error", Kind.ACCURACY, "lower"),
        ("miou", Kind.ACCURACY, "higher"),
        ("gridding", Kind.ACCURACY, "lower"),
        ("parameters", Kind.ACCURACY, "lower"),
        ("accepted-with-holes", Kind.ACCURACY, "lower"),
        ("time", Kind.SPEED, "lower"),
        ("rate", Kind.SPEED, "higher"),
        ("memory", Kind.MEMORY, "lower"),
    ],
)
def test_kinds_and_directions(metric: str, kind: Kind, better: str) -> None:
    assert (kind_of(metric), better_of(metric)) == (kind, better)


@pytest.mark.parametrize(
    "address",
    [
        Address("drn", "throughput", "resnet-18", "rate"),
        Address("drn", "scenes", "drn-c-26", "iou", "traffic-light"),
        Address("hdc", "rule", "stacks", "accepted-with-holes"),
    ],
)
def test_addresses_are_read_back(address: Address) -> None:
    assert address_of(address.id) == address


@pytest.mark.parametrize("name", ["drn", "drn/throughput/rate", "drn//resnet-18/rate", "a/b/c/d/e"])
def test_what_is_no_address(name: str) -> None:
    with pytest.raises(LedgerError, match="names no metric"):
        address_of(name)


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.timezones())


@given(MOMENTS, MOMENTS)
def test_times_sort_as_their_texts(one: datetime, other: datetime) -> None:
    first, second = utc(one.isoformat()), utc(other.isoformat())
    assert (one < other) == (first < second)
    assert utc(first) == first


def test_manifests_are_read_back_in_order(tmp_path: Path) -> None:
    later = Manifest(started="2026-03-02T03:00:00+01:00", device="cuda", measured=("a",), expected=("x/y/z/rate",))
    earlier = Manifest(started="2026-03-02T01:59:59+00:00", device="cuda", verdicts={"drn/t1/a/b": "reproduced"})
    paths = [write_manifest(tmp_path, each) for each in (later, earlier)]
    assert [path.name for path in paths] == ["20260302T020000Z.json", "20260302T015959Z.json"]
    (tmp_path / "levels.json").write_text("{}")
    assert read_manifests(tmp_path) == (earlier, later)
    assert read_manifests(tmp_path / "none") == ()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "not a night's manifest"),
        (b"[]", "not a night's manifest"),
        (b'{"started": "2026-03-02T02:00:00+00:00"}', "missing required field `device`"),
        (b'{"started": "tonight", "device": "cpu"}', "not a night's manifest"),
        (b'{"started": "2026-03-02T02:00:00+00:00", "device": "cpu", "schema": 2}', "schema 2 is unknown"),
        (b'{"started": "2026-03-03T02:00:00+00:00", "device": "cpu"}', "which is 20260303T020000Z.json"),
    ],
)
def test_damaged_manifests_are_named(tmp_path: Path, content: bytes, why: str) -> None:
    path = path_of(tmp_path, "2026-03-02T02:00:00+00:00")
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=why) as caught:
        read_manifest(path)
    assert str(path) in caught.value.message
    assert caught.value.remedy
    with pytest.raises(LedgerError, match=why):
        read(Ledger(tmp_path / "ledger"), tmp_path)
