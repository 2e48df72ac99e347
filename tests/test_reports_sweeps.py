"""Localisation by threshold on the page: numbers, curves, and where there are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from html_checks import Element, Page, problems
from numpy.typing import NDArray
from report_samples import SEEDS, SKILL, arrays_of, experiments, fill_trained, numbers, record
from scoring_samples import joined

from harness.claims.papers import find_paper
from harness.errors import UsageError
from harness.experiment import Experiment
from harness.ledger.store import Ledger
from harness.reports.render import page
from harness.scoring.sweeps import sweep_errors, swept_thresholds
from harness.wording.words import NOT_CITABLE

THRESHOLDS = (0.0, 0.25, 0.5, 0.75)
IMAGES = 90
Arrays = dict[str, NDArray[Any]]


def swept(system: str, seed: int) -> Arrays:
    """Return boxes of an invented network, best at the threshold 0.25."""
    luck = np.random.default_rng([seed, len(system)])
    right = np.array([0.3, 0.9, 0.6, 0.1]) * SKILL[system]
    sweep = np.where(luck.random((IMAGES, 4)) < right, 0.8, 0.5).astype(np.float32)
    ranks = (luck.random(IMAGES) < 0.2).astype(np.uint16)
    return {"loc_ranks": ranks, "loc_sweep": sweep, "loc_iou": sweep[:, 1].copy()}


def photographs() -> Experiment:
    declared = experiments(find_paper("drn"))[2]
    return replace(declared, recipe={**declared.recipe, "thresholds": list(THRESHOLDS)})


def shown(folder: Path, of: Experiment) -> Page:
    ledger = Ledger(folder / "ledger")
    for system in SKILL:
        for seed in SEEDS:
            ledger.append(record(of, system, seed), swept(system, seed))
    return Page(page(joined(find_paper("drn"), ledger, of), arrays_of(ledger)))


def section(tree: Page) -> Element:
    return next(element for element in tree.all("section") if element.attributes.get("id") == "thresholds")


def expected(system: str) -> NDArray[np.float64]:
    """The share of images with a wrong class or an IoU of at most 0.5, in percent, mean over seeds."""
    errors = []
    for seed in SEEDS:
        arrays = swept(system, seed)
        right = [
            sum(r == 0 and o > 0.5 for r, o in zip(arrays["loc_ranks"], iou, strict=True))
            for iou in arrays["loc_sweep"].T
        ]
        errors.append([100 * (IMAGES - count) / IMAGES for count in right])
    mean: NDArray[np.float64] = np.mean(errors, axis=0)
    return mean


def test_errors_at_every_threshold_are_printed(tmp_path: Path) -> None:
    tree = shown(tmp_path, photographs())
    assert problems(tree) == []
    curves, every = section(tree).all("table")
    heads = [head.text for head in next(every.all("thead")).all("th")]
    assert heads[1:] == list(SKILL)
    rows = [numbers(row.text) for row in next(every.all("tbody")).all("tr")]
    printed = np.array(rows)
    assert printed[:, 0].tolist() == list(THRESHOLDS)
    for place, system in enumerate(SKILL):
        assert printed[:, place + 1] == pytest.approx(expected(system), abs=0.05)
    for row, system in zip(next(curves.all("tbody")).all("tr"), SKILL, strict=True):
        least, at = (numbers(cell.text)[-1] for cell in list(row.all("td"))[-2:])
        assert least == pytest.approx(expected(system).min(), abs=0.05)
        assert at == 0.25


def test_curves_run_through_the_errors(tmp_path: Path) -> None:
    """On one axis for all systems, thresholds from left to right and errors upwards."""
    drawn = []
    for line in section(shown(tmp_path, photographs())).all("polyline"):
        points = [tuple(map(float, point.split(","))) for point in line.attributes["points"].split()]
        drawn.append(points)
    errors = np.concatenate([expected(system) for system in SKILL])
    heights = np.array([100 - y for points in drawn for _, y in points])
    assert [x for x, _ in drawn[0]] == pytest.approx([0.0, 31.25, 62.5, 93.75])
    slope, start = np.polyfit(errors, heights, 1)
    assert slope > 0
    assert start + slope * errors == pytest.approx(heights, abs=0.05)


def test_scenes_are_marked_and_records_without_a_sweep_have_no_section(tmp_path: Path) -> None:
    scenes = replace(experiments(find_paper("drn"))[1], recipe=photographs().recipe)
    assert NOT_CITABLE in section(shown(tmp_path / "scenes", scenes)).text
    ledger, plain = Ledger(tmp_path / "plain"), experiments(find_paper("drn"))[2]
    fill_trained(ledger, plain, pictures=False)
    tree = Page(page(joined(find_paper("drn"), ledger, plain), arrays_of(ledger)))
    assert not any(element.attributes.get("id") == "thresholds" for element in tree.all("section"))
    assert not any(element.attributes.get("href") == "#thresholds" for element in tree.all("a"))


def test_a_sweep_of_other_thresholds_is_none_and_damaged_ones_are_refused() -> None:
    found = record(photographs(), "ResNet-18", 0)
    arrays = swept("ResNet-18", 0)
    assert swept_thresholds(found, arrays) == THRESHOLDS
    assert swept_thresholds(found, {**arrays, "loc_sweep": arrays["loc_sweep"][:, :3]}) == ()
    assert swept_thresholds(found, {}) == ()
    for damaged in (arrays["loc_sweep"][:-1], np.where(arrays["loc_sweep"] > 0.6, np.nan, 0.1)):
        with pytest.raises(UsageError, match="loc_sweep"):
            sweep_errors(found, {**arrays, "loc_sweep": damaged})
