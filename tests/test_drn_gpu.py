"""What a GPU trains of the paper drn: declared as the paper has it, and run end to end at toy size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from experiment_desk import ExperimentDesk, vague_deviations
from numpy.typing import NDArray
from PIL import Image
from runner_desk import quiet

from harness.claims.papers import find_paper
from harness.datasets.imagenette import BOXES_FILE, CLASSES, RELEASE_COUNTS
from harness.engine.variation import Variation
from harness.experiment import Experiment, Options, experiments_of
from harness.ledger.record import Record
from harness.ledger.store import Ledger
from harness.runner.prepare import Job, prepare
from harness.runner.run import Summary, run
from harness.runner.work import work_list
from harness.scoring.directions import compared
from harness.scoring.reach import reach_of
from reproductions.drn import gpu_recipes
from reproductions.drn.models import build
from reproductions.drn.recipes import PhotoRecipe, Recipe

pytestmark = pytest.mark.usefixtures("one_thread")
DESK = ExperimentDesk("drn")
KEY = "imagenette-gpu"
FULL = gpu_recipes.photographs("gpu")
TRAINING = FULL.classification
IMAGES = 9103
STEPS = IMAGES // TRAINING.batch


def declared(**options: object) -> Experiment:
    return DESK.declared(**options)[KEY]


def said(experiment: Experiment, topic: str) -> str:
    return next(deviation.ours for deviation in experiment.deviations if deviation.topic == topic)


# What is declared -----------------------------------------------------------------------------------------------


def test_seven_networks_are_trained_from_five_seeds() -> None:
    units = declared().units()
    assert len(units) == 35
    assert len({(unit.system, unit.seed) for unit in units}) == 35
    assert len(declared(seeds=2).units()) == 14
    assert len(declared(toy=True).units()) == 7


def test_a_gpu_and_photographs_are_asked_for_both() -> None:
    assert declared().needs == "a GPU: --device cuda; an Imagenette folder: --data DIR"
    assert declared(data=Path("folder")).needs == "a GPU: --device cuda"
    assert declared(data=Path("folder"), device="cuda").needs == ""
    assert declared(toy=True, data=Path("folder")).needs == ""
    assert declared().command == f"remeasure run drn --only {KEY} --data DIR --device cuda"


def test_settings_are_those_of_section_5_1() -> None:
    assert (TRAINING.epochs, TRAINING.learning_rate, TRAINING.momentum, TRAINING.weight_decay) == (120, 0.1, 0.9, 1e-4)
    assert (TRAINING.batch, TRAINING.groups, TRAINING.batch_norm, TRAINING.warmup) == (256, (), "batch", 0.0)
    assert (FULL.width, FULL.segmentation) == (1.0, None)
    rates = [TRAINING.rate(step, TRAINING.epochs * STEPS) for step in range(TRAINING.epochs * STEPS)]
    for stage in range(4):
        assert rates[stage * 30 * STEPS : (stage + 1) * 30 * STEPS] == pytest.approx([0.1 * 0.1**stage] * 30 * STEPS)


@pytest.mark.parametrize("recipe", [FULL, gpu_recipes.photographs("toy")])
def test_pieces_show_8_to_100_percent_of_the_frame_and_nothing_beyond(
    recipe: Recipe[PhotoRecipe],
) -> None:
    """The frame's sides have to be 256/224 of the piece's, as in the paper's test."""
    varied, side = recipe.classification.augmentation, recipe.data.size
    assert varied.crop is not None
    assert side / varied.crop[0] == pytest.approx(256 / 224)
    drawn = Variation.draw(2000, varied, 0, 0, torch.device("cpu"))
    grid = drawn.sampling(0, 2000, (side, side))
    assert bool(grid.rows.inside.all())
    assert bool(grid.columns.inside.all())
    low, high, _ = grid.rows.neighbours()
    seen = (high.amax(1) - low.amin(1) + 1) / side
    shares = (varied.crop[0] / side / drawn.scales) ** 2
    assert sorted({round(float(share), 2) for share in shares}) == [percent / 100 for percent in range(8, 101, 4)]
    assert (seen - shares.sqrt()).abs().max() <= 3 / side
    assert int(drawn.mirrored.sum()) == pytest.approx(1000, abs=100)


def test_networks_are_the_papers_but_for_the_classes() -> None:
    """At full width a DRN-C-42 has 31.2 M parameters with 1,000 classes (Table 1)."""
    for system, printed in (("DRN-A-34", 21.8), ("DRN-C-26", 21.1), ("DRN-C-42", 31.2)):
        with torch.device("meta"):
            model = build(system, num_classes=len(FULL.classes), width=FULL.width)
        assert isinstance(model.fc, torch.nn.Linear | torch.nn.Conv2d)
        assert model.fc.weight.shape[:2] == (10, 512)
        found = sum(parameter.numel() for parameter in model.parameters()) + 513 * 990
        assert found / 1e6 == pytest.approx(printed, abs=0.05)


def test_deviations_name_what_differs() -> None:
    experiment = declared()
    assert vague_deviations([experiment, DESK.declared()["scenes-gpu"]]) == []
    assert f"{TRAINING.epochs * STEPS:,} steps" in said(experiment, "training schedule")
    assert "batches of 256, 120 epochs in 4 stages" in said(experiment, "training schedule")
    assert "112x112 pixels" in said(experiment, "augmentation")
    assert "8% to 100%" in said(experiment, "augmentation")
    assert "bfloat16" in said(experiment, "precision")
    assert "bfloat16" in said(DESK.declared()["scenes-gpu"], "precision")
    assert "all channels" in said(experiment, "width and resolution of the networks")
    assert "134 are test photographs as well" in said(experiment, "data")
    assert "even and odd place" in said(experiment, "localisation threshold")
    words = str([msgspec.to_builtins(deviation) for deviation in experiment.deviations])
    assert not any(untrue in words for untrue in ("cosine", "translation", "processor cores"))
    cut = declared(epochs={KEY: 30})
    assert said(cut, "time budget") == "30 of the 120 epochs of this experiment"
    assert cut.trade is not None
    assert cut.trade.epochs == 30
    assert "precision" not in {deviation.topic for deviation in DESK.declared()["imagenette"].deviations}


def test_what_the_paper_says_of_34_and_42_layers_can_be_judged() -> None:
    """Deeper networks are compared with each other in classification and in localisation."""
    paper, experiment = find_paper("drn"), declared()
    judged = set()
    for relation in paper.relations:
        claims = [paper.operands[id] for id in compared(relation, paper)]
        if claims and all(reach_of(experiment, claim) for claim in claims):
            judged |= {(claim.id.split("/")[0], frozenset(other.system for other in claims)) for claim in claims}
    assert {("t1", frozenset(pair)) for pair in (("DRN-A-34", "ResNet-34"), ("DRN-C-42", "DRN-A-34"))} <= judged
    assert ("t2", frozenset(("DRN-A-34", "ResNet-34"))) in judged


# What is measured -----------------------------------------------------------------------------------------------


def put_square(path: Path, colour: tuple[int, int, int], corner: int) -> Path:
    """Write a grey image of 16x16 pixels with a square of 12x12 in some colour."""
    pixels = np.full((16, 16, 3), 90, dtype=np.uint8)
    pixels[corner : corner + 12, corner : corner + 12] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def put_release(root: Path) -> Path:
    """Lay out as many images as the release has, 500 of them with boxes; those of a class are links to few files."""
    rows = ["path,imagenet_class,orig_w,orig_h,x0,y0,x1,y1"]
    for label, wnid in enumerate(CLASSES):
        colour = (25 * label, 250 - 25 * label, 120)
        images = [put_square(root / "few" / f"{label}-{corner}.png", colour, corner) for corner in (0, 2, 4)]
        for folder, boxed in (("train", 36), ("val", 14)):
            (root / folder / wnid).mkdir(parents=True)
            for index in range(RELEASE_COUNTS[folder][label]):
                name = f"{'ILSVRC2012_val_' if index < boxed else wnid}_{folder}_{index:05d}.png"
                os.link(images[index % 3], root / folder / wnid / name)
                corner = 2 * (index % 3)
                if index < boxed:
                    box = f"{corner},{corner},{corner + 11},{corner + 11}"
                    rows.append(f"{folder}/{wnid}/{name},{label},16,16,{box}")
    (root / BOXES_FILE).write_text("\n".join(rows) + "\n")
    return root


@dataclass(frozen=True)
class Desk:
    """A run of the toy in a folder of its own."""

    folder: Path
    data: Path

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.folder / "ledger")

    def job(self) -> Job:
        options = Options(device="cpu", toy=True, data=self.data, only=(KEY,))
        state = self.folder / "state"
        return prepare("drn", experiments_of("drn"), options, ledger=self.ledger, progress=quiet, state=state)

    def run(self) -> Summary:
        state = self.folder / "state"
        return run(self.job(), ledger=self.ledger, tell=quiet, progress=quiet, state=state)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("gpu")
    threads, before = torch.get_num_threads(), Path.cwd()
    torch.set_num_threads(1)
    os.chdir(folder)
    found = Desk(folder, put_release(folder / "imagenette2"))
    found.run()
    yield found
    os.chdir(before)
    torch.set_num_threads(threads)


Kept = dict[str, tuple[Record, dict[str, NDArray[Any]]]]


@pytest.fixture(scope="module")
def kept(desk: Desk) -> Kept:
    stored = list(desk.ledger.records(verify_arrays=True))
    return {found.record.system: (found.record, found.arrays()) for found in stored}


def test_the_toy_measures_every_network_once(desk: Desk, kept: Kept) -> None:
    assert set(kept) == set(gpu_recipes.SYSTEMS)
    records = list(desk.ledger.records(verify_arrays=True))
    assert len(records) == 7
    job = desk.job()
    assert job.outstanding(work_list("drn", job.experiments, job.bases, records)) == []
    for record, arrays in kept.values():
        assert record.recipe["scale"] == "toy"
        assert record.recipe["classification"]["precision"] == "bfloat16"
        assert record.data is not None
        assert "none of them trained on" in record.data.note
        assert [row["phase"] for row in record.log] == ["classification"] * 4
        assert {"ranks", "loc_ranks", "loc_iou", "loc_sweep", "loc_boxes", "panel_maps", "panel_boxes"} <= set(arrays)
        assert "panel_images" not in arrays
        assert ("gridding" in arrays) == (not record.system.startswith("ResNet"))


def test_errors_at_every_threshold_can_be_had_from_the_record(kept: Kept) -> None:
    """Each half's threshold is the best of the other half, found here from what is kept alone."""
    spread = []
    for record, arrays in kept.values():
        swept, iou = arrays["loc_sweep"].astype(float), arrays["loc_iou"].astype(float)
        thresholds = record.recipe["thresholds"]
        assert swept.shape == (48, len(thresholds))
        wrong = (arrays["loc_ranks"] > 0)[:, None] | (swept <= 0.5)
        spread.append(np.ptp(wrong.mean(axis=0)))
        for parity, name in enumerate(("threshold-even", "threshold-odd")):
            own, other = slice(parity, None, 2), slice(1 - parity, None, 2)
            best = int(wrong[other].mean(axis=0).argmin())
            assert record.values[name] == thresholds[best]
            assert np.array_equal(iou[own], swept[own, best])
    assert max(spread) > 0


def test_costs_are_timed_with_few_images(desk: Desk) -> None:
    """One epoch of the toy has three steps; the cost is that of the declared number of epochs."""
    (experiment,) = desk.job().experiments
    assert experiment.cost is not None
    assert experiment.trade is not None
    cost = experiment.cost(experiment.units()[0], "cpu")
    assert cost.setup > 0
    assert cost.per_epoch > 0
    assert cost.seconds(experiment.trade.epochs) == pytest.approx(cost.setup + 4 * cost.per_epoch)
