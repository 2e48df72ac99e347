"""A night's report with everything in it that a report can hold, for the tests of its outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from ledger_samples import sample_record

from harness.ledger.record import Code
from harness.nightly.outcome import Made, NightReport, Timed
from harness.nightly.verdicts import Worse
from harness.nightly.work import Failed, Left
from harness.regression.model import Address, Change, Decision, Kind, Night, Series, Shape, Word

STARTED = "2026-03-20T01:00:00+00:00"
NASTY = "50 % | <b>worse</b>,\r\nsee [x](y): `rm` \x1b[31mred\x1b[0m"
"""What a message may hold, and no output may stumble over."""
RATE = Address("drn", "throughput", "ResNet-18", "rate")
MEMORY = Address("drn", "throughput", "ResNet-18", "memory")
ERROR = Address("drn", "scenes", "DRN-C-26", "top1-error")
IOU = Address("deeplab", "voc", "LargeFOV + CRF", "iou", "sky")


def nights(
    level: float, last: float, *, count: int = 12, segments: int = 1, again: float | None = None
) -> tuple[Night, ...]:
    """Return nights about a level, the last of them elsewhere; the first of ``segments`` are of other conditions."""
    noise = np.random.default_rng(3).normal(0, 0.004, count)
    found = [
        Night(
            f"2026-03-{day + 8:02d}T01:00:00+00:00",
            level * (1 + noise[day]),
            f"s{day * segments // count}",
            (f"r{day}",),
        )
        for day in range(count)
    ]
    return (*found, Night(STARTED, last, found[-1].segment, ("r-now",), again=again))


def decision(address: Address, word: Word, **changes: Any) -> Decision:
    kind = {"rate": Kind.SPEED, "memory": Kind.MEMORY}.get(address.metric, Kind.ACCURACY)
    unit = {"rate": "images/s", "memory": "MiB"}.get(address.metric, "%")
    made = Decision(address, kind, unit, word, None, None, None, None, "", 0, f"It is {word.value}.")
    return replace(made, **changes)


def full_report(**changes: Any) -> NightReport:
    """Return a night in which all went wrong that can."""
    slow = Change(-0.074, -0.091, -0.058, 2e-9, 1.0)
    decisions = (
        decision(
            RATE, Word.REGRESSION, level=400.0, tonight=370.4, change=slow, shape=Shape.STEP, since=STARTED, nights=12
        ),
        decision(MEMORY, Word.IMPROVEMENT, level=120.0, tonight=100.0, change=Change(-0.167, -0.17, -0.16, 1.0, 1e-14)),
        decision(ERROR, Word.STEADY, level=31.2, tonight=31.2, change=Change(0.0, 0.0, 0.0, 1.0, 1.0), nights=12),
        decision(IOU, Word.MISSING),
        decision(replace_(ERROR, system="DRN-A-18"), Word.NOT_COMPARED, reason=NASTY),
        decision(replace_(ERROR, system="DRN-B-26"), Word.NEW_SEGMENT, tonight=28.0),
        decision(replace_(RATE, system="DRN-C-26"), Word.SUSPECT, level=90.0, tonight=85.0, change=slow),
    )
    series = (
        Series(RATE, Kind.SPEED, "images/s", "higher", nights(400.0, 370.4, again=371.0)),
        Series(MEMORY, Kind.MEMORY, "MiB", "lower", nights(120.0, 100.0)),
        Series(ERROR, Kind.ACCURACY, "%", "lower", nights(31.2, 31.2)),
        Series(replace_(ERROR, system="DRN-B-26"), Kind.ACCURACY, "%", "lower", nights(28.0, 28.0, segments=3)),
        Series(replace_(RATE, system="DRN-C-26"), Kind.SPEED, "images/s", "higher", nights(90.0, 85.0)),
    )
    usual = NightReport(
        started=STARTED,
        ended="2026-03-20T03:30:00+00:00",
        device="Some GPU",
        commit="c0ffee" * 6 + "beef",
        command="remeasure nightly --budget 8h",
        made=(Made("drn/throughput: ResNet-18, seed 0", 12.5, "d" * 64),),
        confirmed=(Made("drn/throughput: ResNet-18, seed 0", 12.5, "e" * 64),),
        failed=(
            Failed("deeplab/voc: LargeFOV, seed 0", (("deeplab", "voc", "LargeFOV + CRF"),), 1, f"Traceback\n{NASTY}"),
        ),
        left=(Left("hdc/scenes: DUC, seed 1", False, "it did not fit"), Left("the timing session", True, "no time")),
        decisions=decisions,
        series={one.address.id: one for one in series},
        worse=(Worse("drn/t1/drn-c-26/top1-1crop", "reproduced", "worse", NASTY),),
        against=("drn/t2/drn-a-18/params",),
        timings=(_timed("drn/throughput/resnet-18/rate"),),
        previous="2026-03-19T01:00:00+00:00",
        records={
            **{
                f"r{day}": sample_record(system="ResNet-18", code=Code("c" * 64, f"{day + 10}" * 20))
                for day in range(12)
            },
            "r-now": sample_record(system="ResNet-18", code=Code("d" * 64, "c0ffee" * 6 + "beef")),
        },
        moved={replace_(ERROR, system="DRN-B-26").id: ('packages.torch "2.6.0" -> "2.7.0"',)},
    )
    return replace(usual, **changes)


def quiet_report() -> NightReport:
    """Return a night in which nothing happened."""
    full = full_report()
    steady = tuple(each for each in full.decisions if each.word is Word.STEADY)
    return replace(full, decisions=steady, failed=(), left=(), worse=(), confirmed=())


def replace_(address: Address, **changes: str) -> Address:
    return address._replace(**changes)


def _timed(name: str) -> Timed:
    seconds = tuple(np.random.default_rng(1).lognormal(-4, 0.01, 21).tolist())
    return Timed(name, "drn", "throughput", seconds, 8, {"node": "Some GPU", "processor": "Some CPU"}, "d" * 64)
