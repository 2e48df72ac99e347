"""Ranks and boxes of a network on images of all shapes, beside a loop over images with torchvision and numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from socket import socket

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import functional as official

from harness.datasets.labelled import ClassifiedImages, Split, TrueBoxes
from harness.errors import CheckpointError, DataError, UsageError
from harness.evaluation.boxes import BoxFrame, BoxProtocol
from harness.evaluation.classify import Bench, classify, localise
from harness.evaluation.crops import IMAGENET, ClassificationProtocol, Frame
from harness.evaluation.protocol import Precision
from harness.evaluation.shards import joined
from harness.metrics.classification import fused_crop_ranks, per_crop_ranks, true_class_ranks
from harness.metrics.localisation import EmptySet, LocalisationProtocol, class_activation, predicted_boxes
from harness.metrics.localisation import localise as localise_maps
from harness.shards import Shard

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = 6
END = np.array([0, 0, 1, 1])
"""From the last pixel of a box to its edge."""
CROP = ClassificationProtocol(shorter_side=40, crop=32)
TEN = replace(CROP, frame=Frame.TEN)
SIZES = ((40, 60), (60, 40), (40, 60), (33, 33), (64, 90), (40, 60), (25, 31), (60, 40), (120, 41))


class Small(nn.Module):
    """Convolutions of stride 8, mean over the map, scores: as the networks that are evaluated, and quick."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 7, stride=4, padding=3), nn.ReLU(), nn.Conv2d(8, CLASSES, 3, stride=2, padding=1)
        )

    def maps(self, x: Tensor) -> Tensor:
        scores: Tensor = 40 * self.layers(x)
        return scores

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x).mean(dim=(2, 3))


@pytest.fixture
def network() -> Small:
    torch.manual_seed(3)
    return Small().eval()


@pytest.fixture
def images(tmp_path: Path) -> ClassifiedImages:
    random = np.random.default_rng(1)
    paths, boxes = [], []
    for place, (height, width) in enumerate(SIZES):
        coarse = random.integers(0, 256, (5, 6, 3), dtype=np.uint8)
        path = tmp_path / f"{place}.png"
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)
        paths.append(path)
        boxes.append(TrueBoxes(np.array([[2, 3, width // 2, height - 5]], dtype=np.int32), width, height))
    labels = random.integers(0, CLASSES, len(paths))
    split = Split("imagenet", "val", tmp_path, "0" * 64, len(paths), 50000)
    names = tuple(path.stem for path in paths)
    return ClassifiedImages(split, names, tuple(paths), labels, tuple("abcdef"), tuple(boxes))


def bench(network: nn.Module, batch: int = 4, scratch: Path | None = None) -> Bench:
    return Bench(network, torch.device("cpu"), batch, scratch)


def pictures(images: ClassifiedImages) -> list[Image.Image]:
    return [official.resize(Image.open(path), [40]) for path in images.paths]


def scores(network: nn.Module, views: Sequence[Image.Image]) -> NDArray[np.float32]:
    tensors = [official.normalize(official.to_tensor(view), IMAGENET.mean, IMAGENET.deviation) for view in views]
    with torch.no_grad():
        return np.stack([network(tensor[None])[0].numpy() for tensor in tensors])


def test_one_crop_by_a_loop_with_torchvision(network: Small, images: ClassifiedImages) -> None:
    found = classify(bench(network), images, CROP)
    expected = scores(network, [official.center_crop(picture, [32, 32]) for picture in pictures(images)])
    assert found.keys() == {"ranks"}
    assert found["ranks"].dtype == np.uint16
    assert found["ranks"].tolist() == (true_class_ranks(expected, images.labels) - 1).tolist()
    assert len(set(found["ranks"].tolist())) > 2


def test_ten_crops_by_every_reading(network: Small, images: ClassifiedImages) -> None:
    found = classify(bench(network), images, TEN)
    views = np.stack([scores(network, official.ten_crop(picture, [32, 32])) for picture in pictures(images)])
    probabilities = torch.from_numpy(views).softmax(dim=2).numpy()
    assert found["ranks"].tolist() == (fused_crop_ranks(probabilities, images.labels) - 1).tolist()
    assert found["ranks.logits"].tolist() == (fused_crop_ranks(views, images.labels) - 1).tolist()
    each = per_crop_ranks(views, images.labels) - 1
    assert found["crop_ranks.each"].tolist() == each[:, [4, 0, 1, 2, 3, 9, 6, 5, 8, 7]].tolist()
    assert (found["crop_ranks.each"][:, 0] == classify(bench(network), images, CROP)["ranks"]).all()


def test_averaging_probabilities_and_logits_are_different_readings(images: ClassifiedImages) -> None:
    """Nine views lean slightly to class 1, one is sure of class 0: the mean logit sides with the one."""

    class Torn(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            views = torch.zeros(len(x), 2)
            views[:, 1] = 1.0
            views[::10] = torch.tensor([20.0, 0.0])
            return views

    torn = replace(images, labels=np.zeros(len(images), dtype=np.int64))
    found = classify(bench(Torn(), batch=10), torn, TEN)
    assert set(found["ranks"].tolist()) == {1}
    assert set(found["ranks.logits"].tolist()) == {0}
    assert (found["crop_ranks.each"] > 0).mean() == pytest.approx(0.9)


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_batch_makes_no_difference(network: Small, images: ClassifiedImages, batch: int) -> None:
    whole, found = classify(bench(network), images, TEN), classify(bench(network, batch), images, TEN)
    assert all(np.array_equal(found[name], whole[name]) for name in whole)


def test_an_interrupted_pass_goes_on(network: Small, images: ClassifiedImages, tmp_path: Path) -> None:
    """An unreadable image stops the first pass; once it is mended, only what was not done is looked at."""
    whole, scratch = classify(bench(network, 2), images, TEN), tmp_path / "scratch"
    kept = images.paths[5].read_bytes()
    images.paths[5].write_bytes(kept[:60])
    with pytest.raises(DataError, match=r"5\.png"):
        classify(bench(network, 2, scratch), images, TEN)
    images.paths[5].write_bytes(kept)
    done = len(list(scratch.rglob("*.npy")))
    assert 1 <= done <= 2
    for path in images.paths[: 2 * done]:
        path.write_bytes(b"")
    resumed = classify(bench(network, 2, scratch), images, TEN)
    assert all(np.array_equal(resumed[name], whole[name]) for name in whole)


@pytest.mark.parametrize("frame", list(BoxFrame))
def test_boxes_by_a_loop(network: Small, images: ClassifiedImages, frame: BoxFrame) -> None:
    """The network's whole map, image by image, by the rule in the frame's own pixels, with the truth brought there."""
    rule = BoxProtocol(frame, thresholds=(0.1, 0.5))
    places = [8, *range(8)]
    found = localise(bench(network), network.maps, images, places, CROP, rule)
    for row, place in enumerate(places):
        image, truth = Image.open(images.paths[place]), images.boxes[place]
        left = top = 0
        resized = official.resize(image, [32, 32]) if frame is BoxFrame.STRETCHED else official.resize(image, [40])
        shown = resized
        if rule.shown(CROP).frame is Frame.CENTRE:
            left, top = round((resized.width - 32) / 2), round((resized.height - 32) / 2)
            shown = resized.crop((left, top, left + 32, top + 32))
        tensor = official.normalize(official.to_tensor(shown), IMAGENET.mean, IMAGENET.deviation)
        with torch.no_grad():
            maps = network.maps(tensor[None]).softmax(dim=1).numpy()
        scale = np.array([resized.width / image.width, resized.height / image.height] * 2)
        brought = (truth.edges + END) * scale - np.array([left, top, left, top]) - END
        if frame is BoxFrame.TRUTH_IN_CROP:
            brought = np.clip(brought, [0, 0, -1, -1], [32, 32, 31, 31])
        activation = class_activation(maps, images.labels[[place]])
        for column, threshold in enumerate(rule.thresholds):
            at = replace(rule.rule, threshold=threshold)
            expected = localise_maps(activation, brought, np.zeros(1, np.int64), (shown.height, shown.width), at)
            assert found.iou[row, column] == pytest.approx(expected.iou[0], abs=1e-6)
            assert np.isnan(found.boxes[row, column]).all() == np.isnan(expected.boxes[0]).all()


def test_lower_precision_is_used_where_asked_for(images: ClassifiedImages) -> None:
    seen = []

    class Watched(Small):
        def maps(self, x: Tensor) -> Tensor:
            scores = self.layers(x)
            seen.append(scores.dtype)
            return scores

    for precision in (Precision.FLOAT32, Precision.BFLOAT16):
        classify(bench(Watched()), images, replace(CROP, precision=precision))
    assert set(seen[: len(seen) // 2]) == {torch.float32}
    assert set(seen[len(seen) // 2 :]) == {torch.bfloat16}


def test_what_cannot_be_evaluated_is_one_clear_error(network: Small, images: ClassifiedImages) -> None:
    class Broken(Small):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * torch.tensor([1.0, torch.nan, 1, 1, 1, 1])

    places = range(len(images))
    with pytest.raises(CheckpointError, match="0: the network's scores are not finite"):
        classify(bench(Broken()), images, TEN)
    with pytest.raises(UsageError, match="has the class 9, and the network tells 6 apart"):
        classify(bench(network), replace(images, labels=images.labels * 0 + 9), CROP)
    with pytest.raises(UsageError, match="no true boxes"):
        localise(bench(network), network.maps, replace(images, boxes=()), places, CROP, BoxProtocol())
    with pytest.raises(CheckpointError, match="0: the network's scores are not finite"):
        localise(bench(network), lambda x: network.maps(x) * torch.nan, images, places, CROP, BoxProtocol())
    images.paths[5].write_bytes(images.paths[5].read_bytes()[:60])
    with pytest.raises(DataError, match=r"5\.png"):
        classify(bench(network), images, CROP)


def test_progress_counts_every_image_once(network: Small, images: ClassifiedImages) -> None:
    told: list[tuple[int, int]] = []
    classify(replace(bench(network), progress=lambda *done: told.append(done)), images, CROP)
    assert told == [(4, 9), (8, 9), (9, 9)]


@pytest.mark.parametrize("empty_set", list(EmptySet))
def test_empty_sets_are_filled_by_the_rule(network: Small, images: ClassifiedImages, empty_set: EmptySet) -> None:
    rule = LocalisationProtocol(empty_set=empty_set)
    boxes = BoxProtocol(rule=rule, thresholds=(0.01, 0.2, 0.9))
    found = localise(bench(network), network.maps, images, range(len(images)), CROP, boxes)
    shown = np.stack([official.resize(Image.open(path), [32, 32]) for path in images.paths])
    pixels = torch.from_numpy(shown).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        maps = network.maps(official.normalize(pixels, IMAGENET.mean, IMAGENET.deviation)).softmax(dim=1).numpy()
    activation = class_activation(maps, images.labels)
    for column, threshold in enumerate(boxes.thresholds):
        expected, empty = predicted_boxes(activation, (32, 32), replace(rule, threshold=threshold))
        there = np.isfinite(found.boxes[:, column]).all(axis=1)
        assert there.tolist() == np.isfinite(expected).all(axis=1).tolist()
        if threshold == 0.9:
            assert empty.any()


def _shard(rank: int, world: int, folder: str, images: ClassifiedImages) -> None:
    """One of several processes: the first keeps what all of them counted."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    network = Small().eval()
    with joined(Shard(rank, world)) as shard:
        ranks = classify(replace(bench(network, 2), shard=shard), images, TEN)
        boxes = localise(
            replace(bench(network, 2), shard=shard), network.maps, images, [3, 1, 7, 8], CROP, BoxProtocol()
        )
    if shard.leads:
        np.savez(Path(folder) / "found.npz", **ranks, iou=boxes.iou)


def test_several_processes_count_what_one_counts(
    network: Small, images: ClassifiedImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MASTER_PORT", str(free.getsockname()[1]))
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    torch.multiprocessing.spawn(_shard, (2, str(tmp_path), images), nprocs=2)
    found = np.load(tmp_path / "found.npz")
    for name, ranks in classify(bench(network, 2), images, TEN).items():
        assert found[name].tolist() == ranks.tolist()
    alone = localise(bench(network, 2), network.maps, images, [3, 1, 7, 8], CROP, BoxProtocol())
    assert found["iou"].tolist() == alone.iou.tolist()
