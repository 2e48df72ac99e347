"""Released checkpoints of dilation, DeepLab and HDC: files in the authors' formats, official folders, second methods.

Networks are narrow, but tiles and padded sizes are those of the release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from dataset_layouts import put_lines, put_png
from experiment_desk import uncovered, vague_deviations
from numpy.typing import NDArray
from PIL import Image
from released_files import write_as_released
from torch import nn
from torch.nn import functional as F

from harness.checkpoints.released import ReleasedFile, released_of
from harness.claims.document import slug
from harness.claims.papers import find_paper
from harness.cli import cli
from harness.datasets import camvid, kitti_ros, voc
from harness.datasets.camvid_frames import frames
from harness.datasets.camvid_original import COLOURS
from harness.datasets.cityscapes_labels import DRAWN
from harness.datasets.labelled import LabelledImages
from harness.engine.crf import refine
from harness.errors import ExitCode
from harness.experiment import Context, Experiment, Options, Outcome, Unit, experiments_of
from harness.ledger.store import Ledger
from harness.released import Evaluation, declare
from harness.released_splits import CITYSCAPES_CLASSES, VOC_CLASSES
from harness.scoring.missing import missing_claim
from harness.statistics.evidence import Evidence
from reproductions.deeplab import released as deeplab_networks
from reproductions.deeplab.models import DeepLab, MultiScale
from reproductions.deeplab.models import build as build_deeplab
from reproductions.deeplab.released_experiments import LARGE_FOV_CRF, NETWORKS
from reproductions.dilation import released as dilation_networks
from reproductions.dilation.frontend import dilated_front_end
from reproductions.dilation.models import Segmenter as DilatedSegmenter
from reproductions.dilation.released_experiments import BENCHMARKS, CAMVID_SIZE, STREETS, evaluation
from reproductions.dilation.specs import MARGIN, Size
from reproductions.hdc import released as hdc_networks
from reproductions.hdc.models import Segmenter as DUCSegmenter
from reproductions.hdc.models import build as build_hdc
from reproductions.hdc.specs import RELEASED

pytestmark = pytest.mark.usefixtures("one_thread")

Pixels = NDArray[np.uint8]
Labels = NDArray[np.integer[Any]]
PAPERS = ("dilation", "deeplab", "hdc")
TRAIN_IDS = np.array([label.train_id if label.train_id >= 0 else 255 for label in DRAWN], np.uint8)
PALETTE = bytes((7 * place + channel) % 256 for place in range(256) for channel in range(3))


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the networks that files belong to have few channels."""
    monkeypatch.setattr(dilation_networks, "dilated_front_end", partial(dilated_front_end, size=Size(width=0.05)))
    monkeypatch.setattr(deeplab_networks, "build", partial(build_deeplab, width=0.05))
    monkeypatch.setattr(hdc_networks, "build", partial(build_hdc, width=0.05))


def lively(network: nn.Module, seed: int) -> None:
    """Give parameters with which scores vary over an image and between classes."""
    torch.manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=0.1)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_var, 0.8, 1.2)
            nn.init.normal_(layer.running_mean, std=0.1)
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    with torch.no_grad():
        first.weight /= 50
    network.eval()


def photograph(seed: int, height: int, width: int) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def blocks(seed: int, height: int, width: int, choices: int) -> Labels:
    coarse = np.random.default_rng(seed).integers(0, choices, (height // 8 + 1, width // 8 + 1))
    return np.kron(coarse, np.ones((8, 8), np.int64))[:height, :width]


def save(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def put_voc(root: Path, sizes: Sequence[tuple[int, int]]) -> list[tuple[Pixels, Labels]]:
    """Write images of VOC's validation set; return them with their labels."""
    names, made = [f"2009_{number:06}" for number in range(len(sizes))], []
    put_lines(root / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt", names)
    for seed, (name, size) in enumerate(zip(names, sizes, strict=True)):
        path = root / f"VOCdevkit/VOC2012/JPEGImages/{name}.jpg"
        save(path, photograph(seed, *size))
        labels = blocks(seed, *size, choices=22)
        labels[labels == 21] = 255
        put_png(root / f"VOCdevkit/VOC2012/SegmentationClass/{name}.png", labels.astype(np.uint8), PALETTE)
        made.append((np.asarray(Image.open(path)), labels))
    return made


def put_cityscapes(root: Path, sizes: Sequence[tuple[int, int]]) -> list[tuple[Pixels, Labels]]:
    made = []
    for seed, size in enumerate(sizes):
        name = f"frankfurt/frankfurt_{seed:06}_000294"
        save(root / f"leftImg8bit/val/{name}_leftImg8bit.png", photograph(seed, *size))
        drawn = blocks(seed, *size, choices=34).astype(np.uint8)
        put_png(root / f"gtFine/val/{name}_gtFine_labelIds.png", drawn)
        put_png(root / f"gtFine/val/{name}_gtFine_instanceIds.png", drawn.astype(np.uint16))
        made.append((photograph(seed, *size), TRAIN_IDS[drawn]))
    return made


def put_camvid(root: Path, sizes: Sequence[tuple[int, int]]) -> list[tuple[Pixels, Labels]]:
    """Write frames of the original; return them at the paper's size, labelled in the order of its tables."""
    colours = list(COLOURS.values())
    numbers = {"pavement": STREETS.index("sidewalk"), None: 255}
    merged = np.array([numbers[name] if name in numbers else STREETS.index(str(name)) for _, name in colours])
    rows, columns = CAMVID_SIZE
    made = []
    for seed, (name, size) in enumerate(zip(frames("test"), sizes, strict=False)):
        places = blocks(seed, *size, choices=len(colours))
        save(root / f"701_StillsRaw_full/{name}.png", photograph(seed, *size))
        save(root / f"LabeledApproved_full/{name}_L.png", np.array([c for c, _ in colours], np.uint8)[places])
        shown = Image.fromarray(photograph(seed, *size)).resize((columns, rows), Image.Resampling.BILINEAR)
        nearest = np.ix_(
            ((np.arange(rows) + 0.5) * size[0] / rows).astype(int),
            ((np.arange(columns) + 0.5) * size[1] / columns).astype(int),
        )
        made.append((np.asarray(shown), merged[places][nearest]))
    return made


def put_kitti(root: Path, sizes: Sequence[tuple[int, int]]) -> list[tuple[Pixels, Labels]]:
    colours = np.array([*kitti_ros.COLOURS.values(), (0, 0, 0)], np.uint8)
    made = []
    for seed, size in enumerate(sizes):
        labels = blocks(seed, *size, choices=12)
        save(root / f"Validation_07/RGB/{seed:06}.png", photograph(seed, *size))
        save(root / f"Validation_07/GT/{seed:06}.png", colours[labels])
        made.append((photograph(seed, *size), np.where(labels == 11, 255, labels)))
    return made


def counted(labels: Labels, predicted: Labels, classes: int) -> Labels:
    scored = labels < classes
    truth = labels[scored].astype(np.int64)
    pairs = np.bincount(classes * truth + predicted[scored], minlength=classes**2)
    return np.pad(pairs.reshape(classes, classes), ((0, 0), (0, 1)))


def caffe_input(image: Pixels, file: ReleasedFile) -> NDArray[np.float32]:
    """[H, W, 3], in the file's order, without its mean."""
    ordered = image[..., ::-1] if file.preprocessing.channels == "bgr" else image
    return ordered.astype(np.float32) - np.array(file.preprocessing.mean, np.float32)


def scores_of(network: Any, tile: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.no_grad():
        scores: NDArray[np.float32] = network.scores(torch.from_numpy(tile.transpose(2, 0, 1)[None].copy()))[0].numpy()
    return scores


def released_file(paper: str, system: str) -> ReleasedFile:
    return next(file for file in released_of(paper) if file.system == system and file.origin == "authors")


def declared(paper: str, **options: Any) -> dict[str, Experiment]:
    return {e.key: e for e in experiments_of(paper)(Options(device="cpu", **options)) if "released" in e.key}


def measured(experiment: Experiment, scratch: Path) -> Outcome:
    assert not experiment.needs
    (system,) = experiment.systems
    return experiment.measure(Unit(experiment.key, system, 0), Context(scratch, "cpu", lambda *_: None))


def agrees(confusion: NDArray[Any], expected: Sequence[Labels]) -> bool:
    """Whether all pixels are counted alike, several classes being predicted."""
    assert (np.stack(expected).sum(axis=(0, 1)) > 0).sum() > 1
    return np.array_equal(confusion, np.stack(expected))


def surround(image: NDArray[np.float32], rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.float32]:
    """Mirror an image without its edge pixel."""
    return np.pad(image, (rows, columns, (0, 0)), mode="reflect")


def by_tiles(network: DilatedSegmenter, file: ReleasedFile, image: Pixels) -> Labels:
    """The released code, step by step: mirrored margin, tiles beside each other, then pixels."""
    deployment = dilation_networks.deployment(file)
    height, width = (side - 2 * MARGIN for side in deployment.input_size)
    framed = surround(caffe_input(image, file), (MARGIN, MARGIN), (MARGIN, MARGIN))
    rows = []
    for top in range(0, image.shape[0], height):
        maps = []
        for left in range(0, image.shape[1], width):
            tile = framed[top : top + deployment.input_size[0], left : left + deployment.input_size[1]]
            lacking = [want - have for want, have in zip(deployment.input_size, tile.shape[:2], strict=True)]
            scores = torch.from_numpy(scores_of(network, surround(tile, (0, lacking[0]), (0, lacking[1]))))
            if deployment.dataset == "Cityscapes":
                at_pixels = F.interpolate(scores[None], scale_factor=8, mode="bilinear", align_corners=False)[0]
                maps.append(at_pixels.softmax(dim=0).numpy())
            else:
                maps.append(scores.softmax(dim=0).numpy())
        rows.append(np.concatenate(maps, axis=2))
    whole = np.concatenate(rows, axis=1)
    if deployment.dataset != "Cityscapes":
        whole = between_cells(between_cells(whole, 1, image.shape[0]), 2, image.shape[1])
    return whole[:, : image.shape[0], : image.shape[1]].argmax(axis=0)


def between_cells(maps: NDArray[np.float32], axis: int, length: int) -> NDArray[np.float32]:
    """Interpolate along an axis, cell k being pixel 8 k."""
    pixels = np.arange(length)
    shape = [1, 1, 1]
    shape[axis] = length
    share = (pixels % 8 / 8).reshape(shape).astype(np.float32)
    return maps.take(pixels // 8, axis) * (1 - share) + maps.take(pixels // 8 + 1, axis) * share


FOLDERS: Mapping[str, tuple[Callable[[Path, Sequence[tuple[int, int]]], list[tuple[Pixels, Labels]]], Any]] = {
    "released-voc": (put_voc, [(44, 60)]),
    "released-camvid": (put_camvid, [(72, 96)]),
    "released-kitti": (put_kitti, [(37, 122), (37, 124)]),
    "released-cityscapes": (put_cityscapes, [(40, 1100)]),
}


@pytest.mark.parametrize("benchmark_", BENCHMARKS, ids=lambda each: each.key)
def test_tiles_of_yu_and_koltun_by_their_own_steps(tmp_path: Path, benchmark_: Any) -> None:
    put, sizes = FOLDERS[benchmark_.key]
    made = put(tmp_path / "data", sizes)
    file = released_file("dilation", benchmark_.system)
    network = dilation_networks.build_released(file, surrounded=True)
    lively(network, 3)
    (tmp_path / "weights").mkdir()
    write_as_released(file, network, tmp_path / "weights")
    part = declared("dilation", weights=tmp_path / "weights", data=tmp_path / "data")[f"{benchmark_.key}-part"]
    outcome = measured(part, tmp_path / "scratch")
    assert outcome.values["weights-file"] == file.name
    expected = [counted(labels, by_tiles(network, file, image), file.classes) for image, labels in made]
    assert agrees(outcome.arrays["confusion"], expected)


def by_scales(network: DeepLab, file: ReleasedFile, image: Pixels, scales: tuple[float, ...]) -> torch.Tensor:
    """Scores at the pixels of an image, [K, H, W], as the released network gives them for its padded input."""
    height, width, _ = image.shape
    padded = np.pad(caffe_input(image, file), ((0, 513 - height), (0, 513 - width), (0, 0)))
    model = MultiScale(network, tuple(map(Fraction, scales)))
    at_cells = torch.from_numpy(scores_of(model, padded))
    at_pixels = F.interpolate(at_cells[None], size=(513, 513), mode="bilinear", align_corners=True)[0]
    return at_pixels[:, :height, :width]


@pytest.mark.parametrize("released", NETWORKS, ids=lambda each: each.key)
def test_scales_and_crf_of_deeplab_by_its_own_network(tmp_path: Path, released: Any) -> None:
    made = put_voc(tmp_path / "data", [(48, 64), (56, 40)])
    file = released_file("deeplab", released.system)
    network = deeplab_networks.build_released(file)
    lively(network, 7)
    (tmp_path / "weights").mkdir()
    write_as_released(file, network, tmp_path / "weights")
    part = declared("deeplab", weights=tmp_path / "weights", data=tmp_path / "data")[f"{released.key}-part"]
    outcome = measured(part, tmp_path / "scratch")
    scores = [by_scales(network, file, image, released.scales) for image, _ in made]
    expected = [counted(labels, each.argmax(dim=0).numpy(), 21) for each, (_, labels) in zip(scores, made, strict=True)]
    assert agrees(outcome.arrays["confusion"], expected)
    for scale in released.scales[1:]:
        fewer = tuple(each for each in released.scales if each != scale)
        assert any(
            not torch.equal(by_scales(network, file, image, fewer).argmax(dim=0), each.argmax(dim=0))
            for each, (image, _) in zip(scores, made, strict=True)
        )
    assert ("confusion.crf" in outcome.arrays) == ("crf" in released.refined)
    if released.refined:
        refined = [
            counted(labels, refine(each.softmax(dim=0).numpy(), image, LARGE_FOV_CRF).argmax(axis=0), 21)
            for each, (image, labels) in zip(scores, made, strict=True)
        ]
        assert agrees(outcome.arrays["confusion.crf"], refined)
        assert not np.array_equal(outcome.arrays["confusion.crf"], outcome.arrays["confusion"])


def test_checkpoints_that_saw_the_validation_images_are_not_measured_on_them(tmp_path: Path) -> None:
    put_voc(tmp_path / "data", [(24, 24)])
    (tmp_path / "weights").mkdir()
    for file in released_of("deeplab"):
        if file.contaminated_for and file.format == "caffe" and file.network == "ResNet-101 + ASPP":
            write_as_released(file, deeplab_networks.build_released(file), tmp_path / "weights")
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["train2_iter_20000.caffemodel"]
    part = declared("deeplab", weights=tmp_path / "weights", data=tmp_path / "data")["released-voc-part"]
    assert part.lacks.keys() == set(part.systems)
    assert part.recipe["weights"] == {}


def by_duc(network: DUCSegmenter, file: ReleasedFile, image: Pixels) -> Labels:
    scores = torch.from_numpy(scores_of(network, caffe_input(image, file)))
    assert scores.shape[1:] == (image.shape[0] // 2, image.shape[1] // 2)
    at_pixels = F.interpolate(scores.softmax(dim=0)[None], scale_factor=2, mode="bilinear", align_corners=False)[0]
    return at_pixels.argmax(dim=0).numpy()


def test_duc_from_the_command_line_by_its_own_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = put_cityscapes(tmp_path / "data", [(64, 128), (64, 96)])
    file = released_file("hdc", RELEASED.name)
    network = hdc_networks.build_released(file)
    lively(network, 7)
    (tmp_path / "weights").mkdir()
    write_as_released(file, network, tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    folders = ("--weights", "weights", "--data", "data", "--ledger", "ledger", "--reports", "reports")
    command = ("run", "hdc", "--evidence", "released-weights", "--device", "cpu", *folders)
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == ExitCode.OK, done.output
    (stored,) = Ledger(tmp_path / "ledger").records("hdc", verify_arrays=True)
    record = stored.record
    assert (record.experiment, record.evidence) == ("released-cityscapes-part", Evidence.SUBSET)
    assert record.data is not None
    assert record.data.name == "part of cityscapes/val"
    assert record.recipe["protocol"]["upsampling"]["quantity"] == "probabilities"
    expected = [counted(labels, by_duc(network, file, image), 19) for image, labels in made]
    assert agrees(stored.array("confusion"), expected)
    assert "The authors&#39; checkpoint on Cityscapes" in (tmp_path / "reports/hdc/index.html").read_text()


@pytest.mark.parametrize("paper", PAPERS)
def test_declarations_keep_their_promises(paper: str) -> None:
    found = declared(paper)
    assert {e.evidence for e in found.values()} == {Evidence.RELEASED_WEIGHTS, Evidence.SUBSET}
    assert all("--weights DIR" in e.needs and "--data DIR" in e.needs for e in found.values())
    assert vague_deviations(found.values()) == []
    claims = find_paper(paper).claims.values()
    for experiment in found.values():
        assert len(experiment.systems) == 1
        assert any(claim.system in experiment.systems and claim.metric == "miou" for claim in claims)
    (source,) = {e.source for e in found.values()}
    assert uncovered(f"reproductions.{paper}.released_runs", source, besides=("harness.shards",)) == []


def test_classes_are_those_of_the_tables_in_the_order_of_the_labels() -> None:
    assert kitti_ros.CLASSES == STREETS
    assert {name.replace("pavement", "sidewalk") for name in camvid.CLASSES} == set(STREETS)
    short = {"aero": "aeroplane", "bike": "bicycle", "mbike": "motorbike", "plant": "pottedplant"}
    short |= {"table": "diningtable", "tv": "tvmonitor"}
    assert tuple(short.get(name, name) for name in VOC_CLASSES) == voc.CLASSES
    claims = find_paper("dilation").claims.values()
    tables = {"Context": VOC_CLASSES[1:], "Dilation8": STREETS, "Dilation7": STREETS, "Dilation10": CITYSCAPES_CLASSES}
    for benchmark_ in BENCHMARKS:
        printed = {
            (claim.column or "").removeprefix("iou-")
            for claim in claims
            if (claim.system, claim.metric) == (benchmark_.system, "iou")
            and claim.dataset == (benchmark_.stated or benchmark_.split)
        }
        assert {slug(name) for name in tables[benchmark_.system]} == printed - {""} - CATEGORIES
        assert benchmark_.classes[-len(tables[benchmark_.system]) :] == tables[benchmark_.system]


CATEGORIES = {"flat", "nature", "object", "construction", "human", "vehicle"}
"""Cityscapes' categories, whose IoU is printed beside that of the classes."""


def test_only_claims_on_the_same_images_await_a_run() -> None:
    """The numbers on test sets without public truth are not to be had from the validation images."""
    every = experiments_of("dilation")(Options(device="cpu"))
    claims = find_paper("dilation").claims
    waiting = {
        id
        for id, claim in claims.items()
        if "checkpoint on" in missing_claim(claim, every).reason and missing_claim(claim, every).command
    }
    assert {claims[id].dataset for id in waiting} == {"camvid/test", "kitti-ros/test", "cityscapes/val"}
    assert {claims[id].system for id in waiting} == {"Dilation7", "Dilation8", "Dilation10"}


def test_all_images_of_a_test_set_are_evidence_on_the_claim_itself(tmp_path: Path) -> None:
    put_kitti(tmp_path / "data", [(37, 122)])
    file = released_file("dilation", "Dilation7")
    (tmp_path / "weights").mkdir()
    write_as_released(file, dilation_networks.build_released(file), tmp_path / "weights")
    benchmark_ = next(each for each in BENCHMARKS if each.key == "released-kitti")

    def open_all(folder: Path) -> LabelledImages:
        images = benchmark_.open(folder)
        return replace(images, split=replace(images.split, release=len(images)))

    whole: Evaluation[LabelledImages] = replace(evaluation(benchmark_), open=open_all)
    declared_whole, part = declare(whole, Options(weights=tmp_path / "weights", data=tmp_path / "data"))
    assert (declared_whole.evidence, declared_whole.needs) == (Evidence.RELEASED_WEIGHTS, "")
    assert declared_whole.data is not None
    assert declared_whole.data(lambda *_: None).name == declared_whole.split == "kitti-ros/test"
    assert "all of it is here" in part.needs
