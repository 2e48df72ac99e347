"""One network under the papers' conventions of evaluation: declared alike, decided by the engine, explained again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from evaluation_sets import labelled
from experiment_desk import ExperimentDesk, uncovered
from hypothesis import given
from hypothesis import strategies as st
from ledger_samples import sample_record
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from harness.cli import cli
from harness.cli.options import run_options
from harness.datasets.labelled import LabelledImages
from harness.datasets.subsets import first
from harness.engine import checkpoint
from harness.errors import UsageError
from harness.evaluation.crops import IMAGENET
from harness.evaluation.preprocess import normalised
from harness.evaluation.windows import resized
from harness.experiment import Context, Experiment, Options, Outcome
from harness.explain.redecide import recorded_protocol
from harness.ledger.record import measured_systems
from harness.ledger.store import Ledger
from harness.metrics.segmentation import confusion_counts, mean_iou
from reproductions.deeplab.comparison import on_maps
from reproductions.deeplab.models import DeepLab, MultiScale, Trained
from reproductions.deeplab.protocol_experiments import IMAGES, PROTOCOLS, SINGLE, Plan, open_images, trained
from reproductions.deeplab.protocol_runs import Remembered, _trunk, measure

pytestmark = pytest.mark.usefixtures("one_thread")
DESK = ExperimentDesk("deeplab")
KEY = "voc-protocols"
LONGER = 12
"""Epochs after which a network of toy size no longer calls everything background."""


# What is declared -----------------------------------------------------------------------------------------------


def test_conventions_differ_in_what_follows_the_network_alone() -> None:
    shown = {(p.colours, p.resize, p.padding, p.tiling, p.precision) for p in PROTOCOLS.values()}
    assert shown == {(IMAGENET, SINGLE.resize, SINGLE.padding, None, SINGLE.precision)}
    assert len(set(PROTOCOLS.values())) == len(PROTOCOLS) == 7
    assert {protocol.scales for protocol in PROTOCOLS.values()} == {(1.0,), (1.0, 0.75, 0.5)}


@given(st.integers(1, 700))
def test_the_cells_of_all_scales_lie_on_the_same_corners(side: int) -> None:
    """Sides of 8k + 1 pixels make k + 1 cells, the first and last of them on the corner pixels, at every scale."""
    padded = SINGLE.padding.side(side, 0)
    sides = [resized((padded, padded), scale, SINGLE.resize.sizes)[0] for scale in PROTOCOLS["max"].scales]
    assert side <= padded < side + 32
    assert [length % 8 for length in sides] == [1, 1, 1]
    assert [(length - 1) / (padded - 1) for length in sides if padded > 1] in ([], [1.0, 0.75, 0.5])


def test_the_recipe_holds_every_protocol_as_json() -> None:
    experiment = DESK.declared()[KEY]
    recipe = json.loads(json.dumps(experiment.recipe))
    assert {suffix: recorded_protocol(recipe, suffix) for suffix in PROTOCOLS} == PROTOCOLS
    assert measured_systems(recipe, experiment.systems[0]).keys() == PROTOCOLS.keys()
    assert len(set(experiment.measured())) == len(PROTOCOLS)
    assert recipe["images"] == IMAGES["cpu"]
    with pytest.raises(UsageError, match="names no evaluation protocol"):
        recorded_protocol(recipe, "another")


def test_photographs_and_weights_are_asked_for(tmp_path: Path) -> None:
    experiment = DESK.declared()[KEY]
    assert "--data DIR" in experiment.needs
    with pytest.raises(UsageError, match="no folder with photographs"):
        experiment.measure(experiment.units()[0], Context(tmp_path, "cpu", lambda *_: None))
    assert "vgg16_features_fp16.pth" in DESK.declared(data=tmp_path)[KEY].needs


def test_the_folder_for_views_is_an_option_of_a_run(tmp_path: Path) -> None:
    seen: list[Path | None] = []

    @click.command()
    @run_options
    def look(papers: tuple[str, ...], options: Options) -> None:
        assert papers == ("deeplab",)
        seen.append(options.views)

    for arguments in ([], ["--keep-views", str(tmp_path)]):
        assert CliRunner().invoke(look, ["deeplab", *arguments], catch_exceptions=False).exit_code == 0
    assert seen == [None, tmp_path]


def test_sources_cover_what_is_imported_to_measure() -> None:
    """What is left out declares what the recipe holds, or feeds and shares the images, or is imported beside."""
    declares = (
        *("reproductions.deeplab.recipes", "reproductions.deeplab.deviations", "harness.segmentation.declare"),
        *("harness.released", "harness.checkpoints", "harness.evaluation.crops", "harness.evaluation.rules"),
        *("harness.packages", "reproductions.deeplab.gpu_deviations"),
    )
    beside = (
        *("harness.evaluation.feed", "harness.evaluation.shards", "harness.explain", "harness.datasets.camvid"),
        *("harness.metrics.classification", "harness.metrics.localisation"),
    )
    source = DESK.declared()[KEY].source
    assert uncovered("reproductions.deeplab.protocol_runs", source, besides=declares + beside) == []


# What it is made of ---------------------------------------------------------------------------------------------


def test_part_of_a_set_is_its_beginning_under_a_digest_of_its_own(tmp_path: Path) -> None:
    images = labelled(tmp_path, [(4, 5)] * 4)
    parts = [first(images, count) for count in (1, 2, 4, 9)]
    assert [len(part) for part in parts] == [part.split.images for part in parts] == [1, 2, 4, 4]
    assert all(part.items == images.items[: len(part)] for part in parts)
    assert len({part.split.digest for part in parts}) == 3
    assert not parts[1].split.whole
    with pytest.raises(ValueError, match="at least one"):
        first(images, 0)


class Counting(nn.Module):
    """A convolution that counts what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 3)
        self.seen = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += len(x)
        maps: torch.Tensor = self.layer(x)
        return maps


def test_features_are_made_once_and_depend_on_no_other_input() -> None:
    torch.manual_seed(0)
    trunk = Counting()
    images = torch.randn(3, 3, 8, 9)
    expected = torch.cat([trunk.layer(image) for image in images.split(1)]).half().float()
    trunk.seen = 0
    remembered = Remembered(trunk)
    assert torch.equal(remembered(images), expected)
    assert torch.equal(remembered(images.flip(0)), expected.flip(0))
    assert torch.equal(remembered(images.contiguous(memory_format=torch.channels_last)), expected)
    assert trunk.seen == 3
    remembered(images[:, :, :7])
    assert trunk.seen == 6
    assert not remembered(images).requires_grad


# What is measured -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """The experiment on a few real photographs, and what it left behind."""

    experiment: Experiment
    plan: Plan
    outcome: Outcome
    folder: Path

    @property
    def images(self) -> LabelledImages:
        return self.plan.images

    def counts(self, suffix: str) -> NDArray[np.int64]:
        return self.outcome.arrays[f"confusion.{suffix}" if suffix else "confusion"].astype(np.int64)


@pytest.fixture(scope="module")
def measured(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    shared("data/VOCdevkit")
    data, folder = shared("data/weights/vgg16_features_fp16.pth").parents[1], tmp_path_factory.mktemp("protocols")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    experiment, toy = DESK.declared(toy=True)[KEY], trained("toy")
    recipe = replace(toy, training=replace(toy.training, epochs=LONGER))
    plan = Plan(recipe, data, open_images(data, IMAGES["toy"]), folder / "views")
    outcome = measure(experiment.units()[0], Context(folder, "cpu", lambda *_: None), plan)
    yield Measured(experiment, plan, outcome, folder)
    _trunk.cache_clear()
    torch.set_num_threads(threads)


def test_each_convention_labels_every_pixel_of_the_images_as_they_are(measured: Measured) -> None:
    truths = [measured.images.truth(number) for number in range(len(measured.images))]
    pixels = [[int((truth == label).sum()) for label in range(21)] for truth in truths]
    assert {truth.shape for truth in truths} != {(161, 161)}
    for suffix in PROTOCOLS:
        counts = measured.counts(suffix)
        assert counts.shape == (len(truths), 21, 22)
        assert counts.sum(axis=2).tolist() == pixels
    assert len({measured.counts(suffix).tobytes() for suffix in PROTOCOLS}) == len(PROTOCOLS)
    assert (measured.counts("").sum(axis=(0, 1)) > 100).sum() > 1, "more than one class is predicted"


@pytest.mark.parametrize("suffix", ["", "max"])
def test_the_engine_counts_what_the_papers_own_network_labels(measured: Measured, suffix: str) -> None:
    """The network of Section 4.1.2 shrinks its own input and fuses its own scores; here it labels one image a time."""
    recipe = measured.plan.recipe
    model = Trained(on_maps(measured.experiment.systems[0], recipe))
    path = measured.folder / "network.pt"
    state = checkpoint.decode(path.read_bytes(), path, torch.device("cpu"))
    model.load_state_dict(state["model"])
    trunk = _trunk(measured.plan.folder / recipe.weights, recipe.geometry, "cpu")
    single = DeepLab(trunk, model.network.head)
    network = (MultiScale(single) if suffix else single).eval()
    expected = []
    for number in range(len(measured.images)):
        truth, image = measured.images.truth(number), measured.images.image(number)
        rows, columns = truth.shape
        padding = (0, -(columns - 1) % 32, 0, -(rows - 1) % 32)
        pixels = F.pad(normalised(torch.from_numpy(image.copy()), IMAGENET), padding)
        with torch.inference_mode():
            labels = network(pixels[None])[0, :, :rows, :columns].argmax(dim=0).numpy()
        expected.append(confusion_counts(truth[None], labels[None].astype(np.uint8), 21)[0])
    moved = np.abs(measured.counts(suffix) - np.stack(expected)).sum() / 2
    assert moved <= 5, "ties of rounded sums aside, the same pixels"


@pytest.mark.parametrize(
    ("kept", "axis", "option", "other"),
    [
        ("", "alignment", "centres", "centres"),
        ("centres", "alignment", "corners", ""),
        ("flip", "flip", "off", ""),
        ("max", "scales", "one", ""),
    ],
)
def test_kept_views_give_what_was_measured_and_what_another_convention_measured(
    measured: Measured, tmp_path: Path, kept: str, axis: str, option: str, other: str
) -> None:
    experiment, ledger = measured.experiment, Ledger(tmp_path)
    (system,) = experiment.systems
    record = sample_record(
        paper="deeplab", experiment=KEY, system=system, evidence=experiment.evidence, recipe=dict(experiment.recipe)
    )
    ledger.append(record, dict(measured.outcome.arrays))
    shown = _explained(ledger, measured, measured_systems(record.recipe, system)[kept])
    usual = [row["score"]["value"] for row in shown if row["usual"]]
    assert usual == pytest.approx([100 * mean_iou(measured.counts(kept))] * len(usual))
    changed = next(row for row in shown if (row["axis"], row["option"]) == (axis, option))
    assert changed["score"]["value"] == pytest.approx(100 * mean_iou(measured.counts(other)))


def _explained(ledger: Ledger, measured: Measured, system: str) -> list[dict[str, Any]]:
    folders = (measured.folder / "views" / KEY).iterdir()
    (views,) = (f / "seed-0" for f in folders if f.name == system.lower().replace(" ", "-").replace(",", ""))
    arguments = ["explain", f"deeplab/{KEY}/{system}", "--ledger", str(ledger.root), "--views", str(views), "--json"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)
    rows: list[dict[str, Any]] = found["conventions"]
    return rows
