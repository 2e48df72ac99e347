"""Released checkpoints from folders to records: random weights in the authors' format, tiny official folders."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dataset_layouts import put_image, put_png
from experiment_desk import ROOT, uncovered, vague_deviations
from ledger_samples import sample_record
from msgspec.structs import asdict
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import functional as official

from harness.checkpoints.find import FoundFile
from harness.checkpoints.released import released_of
from harness.datasets.cityscapes_labels import DRAWN
from harness.datasets.imagenet_classes import WORDNET_IDS
from harness.datasets.labelled import ClassifiedImages, LabelledImages
from harness.errors import CheckpointError, ExitCode, NothingMeasuredError, UsageError
from harness.evaluation.crops import IMAGENET
from harness.evaluation.protocol import Colours
from harness.experiment import Context, Experiment, Options, Unit, experiments_of
from harness.ledger.record import Record
from harness.ledger.store import Ledger
from harness.metrics.classification import fused_crop_ranks
from harness.released import Evaluation, declare
from harness.released_splits import CITYSCAPES_CLASSES, open_cityscapes
from harness.runner.options import lacking, select
from harness.scoring.scores import samples, score
from harness.statistics.evidence import Evidence
from reproductions.drn import released_experiments, released_runs
from reproductions.drn.models import Classifier, Segmenter, build, build_segmenter
from reproductions.drn.released_experiments import BOXES, CITYSCAPES, TEN_CROPS, open_imagenet

pytestmark = pytest.mark.usefixtures("one_thread")

SEGMENTER = "drn_c_26_cityscapes.pth"
LABELS = (0, 7, 999)
SILENT = ("cpu", lambda *_: None)


def save_legacy(path: Path, model: torch.nn.Module) -> str:
    """Write a state dict as torch did before 1.6; return its sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    """Give batch normalisation statistics that keep scores apart."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(layer.running_var, 0.8, 1.2)
    return model.eval()


def put_photograph(path: Path, height: int, width: int) -> None:
    coarse = np.random.default_rng([height, width]).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path, format="JPEG")


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    """Three images of ImageNet's validation set, one folder a class, with boxes."""
    root = tmp_path / "ILSVRC2012"
    for number, (label, size) in enumerate(zip(LABELS, ((90, 120), (140, 100), (90, 120)), strict=True), start=1):
        name, wnid = f"ILSVRC2012_val_{number:08d}", WORDNET_IDS[label]
        put_photograph(root / "val" / wnid / f"{name}.JPEG", *size)
        box = "<bndbox><xmin>10</xmin><ymin>12</ymin><xmax>70</xmax><ymax>80</ymax></bndbox>"
        text = (
            f"<annotation><size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>"
            f"<object><name>{wnid}</name>{box}</object></annotation>"
        )
        xml = root / "ILSVRC2012_bbox_val_v3" / "val" / f"{name}.xml"
        xml.parent.mkdir(parents=True, exist_ok=True)
        xml.write_text(text)
    return root


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    """Two images of Cityscapes' validation set."""
    root = tmp_path / "cityscapes"
    random = np.random.default_rng(4)
    for city, name in (("munster", "munster_000001_000019"), ("frankfurt", "frankfurt_000000_000294")):
        put_image(root / f"leftImg8bit/val/{city}/{name}_leftImg8bit.png", 32, 64)
        labels = np.kron(random.integers(0, 34, (4, 8)), np.ones((8, 8))).astype(np.uint8)
        put_png(root / f"gtFine/val/{city}/{name}_gtFine_labelIds.png", labels)
        put_png(root / f"gtFine/val/{city}/{name}_gtFine_instanceIds.png", labels.astype(np.uint16))
    return root


def remeasure(*arguments: str, cwd: Path, code: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(code), str(ROOT)])}
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


def only_record(folder: Path) -> tuple[Record, dict[str, NDArray[Any]]]:
    (stored,) = Ledger(folder).records("drn", verify_arrays=True)
    return stored.record, dict(stored.arrays())


def declared(**options: Any) -> dict[str, Experiment]:
    return {e.key: e for e in experiments_of("drn")(Options(device="cpu", **options)) if "released" in e.key}


def test_without_folders_everything_says_what_it_needs_and_nothing_is_looked_at() -> None:
    found = declared()
    assert {e.evidence for e in found.values()} == {Evidence.RELEASED_WEIGHTS, Evidence.SUBSET}
    assert all("--weights DIR" in e.needs and "--data DIR" in e.needs for e in found.values())
    assert found["released-imagenet"].systems == ("DRN-C-26", "DRN-C-42")
    assert found["released-cityscapes"].systems == ("DRN-A-50", "DRN-C-26", "DRN-C-42")
    assert vague_deviations(found.values()) == []


def test_what_is_lacking_is_listed_with_where_to_get_it(tmp_path: Path, cityscapes: Path) -> None:
    torch.manual_seed(0)
    weights = tmp_path / "weights"
    save_legacy(weights / SEGMENTER, build_segmenter("DRN-C-26", width=1 / 16))
    (weights / "drn_c_42-9d336e8c.pth").write_bytes(b"something else")
    found = declared(weights=weights, data=cityscapes)
    part, whole = found["released-cityscapes-part"], found["released-cityscapes"]
    assert not part.needs
    assert part.lacks.keys() == {"DRN-A-50", "DRN-C-42"}
    assert "go.yf.io" in part.lacks["DRN-C-42"]
    assert "all 500 images" in whole.needs
    assert "2 are here" in whole.needs
    classify = found["released-imagenet"]
    assert "http://dl.yf.io/drn/drn_c_26-ddedf421.pth" in classify.lacks["DRN-C-26"]
    assert "not the released file" in classify.lacks["DRN-C-42"]
    assert "image-net.org" in classify.needs
    sentences = lacking(tuple(found.values()), (), Evidence.RELEASED_WEIGHTS)
    assert len(sentences) == len(set(sentences))
    assert any(sentence.startswith("released-cityscapes needs all 500 images") for sentence in sentences)
    assert not any("-part needs" in sentence for sentence in sentences)


def test_all_images_of_a_split_are_evidence_on_the_claim_itself(tmp_path: Path, cityscapes: Path) -> None:
    """The same folder, were the split no larger: then the other of the two experiments can run."""
    weights = tmp_path / "weights"
    save_legacy(weights / SEGMENTER, build_segmenter("DRN-C-26", width=1 / 16))

    def open_all(folder: Path) -> LabelledImages:
        images = open_cityscapes(folder)
        return replace(images, split=replace(images.split, release=len(images)))

    evaluation: Evaluation[LabelledImages] = replace(released_experiments.cityscapes_evaluation(), open=open_all)
    whole, part = declare(evaluation, Options(weights=weights, data=cityscapes))
    assert (whole.evidence, whole.needs) == (Evidence.RELEASED_WEIGHTS, "")
    assert whole.data is not None
    assert whole.data(lambda *_: None).name == "cityscapes/val"
    assert "all of it is here" in part.needs
    assert set(whole.recipe["weights"]) == {"DRN-C-26"}


def test_the_protocols_are_those_of_the_checkpoints() -> None:
    colours = {"classification": IMAGENET, "segmentation": CITYSCAPES.colours}
    for file in released_of("drn"):
        assert Colours(**asdict(file.preprocessing)) == colours[file.task]


def test_classes_are_in_the_order_of_the_labels() -> None:
    order = [
        label.name.split()[-1] for label in sorted(DRAWN, key=lambda label: label.train_id) if label.train_id < 255
    ]
    assert list(CITYSCAPES_CLASSES) == order


def test_every_module_that_can_change_a_number_is_part_of_the_identity() -> None:
    (experiment,) = {e.source for e in declared().values()}
    assert uncovered("reproductions.drn.released_runs", experiment, besides=("harness.crf", "harness.released")) == []


def test_cityscapes_from_the_command_line_by_a_second_method(tmp_path: Path, cityscapes: Path) -> None:
    torch.manual_seed(1)
    model = randomised(build_segmenter("DRN-C-26"))
    assert isinstance(model, Segmenter)
    digest = save_legacy(tmp_path / "weights" / SEGMENTER, model)
    folders = ("--weights", "weights", "--data", "cityscapes", "--ledger", "ledger", "--reports", "reports")
    done = remeasure("run", "drn", "--evidence", "released-weights", "--device", "cpu", *folders, cwd=tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "DRN-C-42 lacks drn[-_]c[-_]42*cityscapes*.pth (from http://go.yf.io/drn-cityscapes-models)" in done.stderr
    assert "released-imagenet needs imagenet/val" in done.stderr
    record, arrays = only_record(tmp_path / "ledger")
    assert (record.experiment, record.system) == ("released-cityscapes-part", "DRN-C-26")
    assert record.evidence is Evidence.SUBSET
    assert record.recipe["weights"] == {"DRN-C-26": digest}
    assert record.values["weights-sha256"] == digest
    assert record.data is not None
    assert (record.data.name, record.data.test) == ("part of cityscapes/val", 2)
    train_ids = np.array([label.train_id for label in DRAWN])
    expected = []
    for path in sorted((cityscapes / "leftImg8bit/val").rglob("*.png")):
        pixels = official.to_tensor(np.array(Image.open(path)))
        normal = official.normalize(pixels, CITYSCAPES.colours.mean, CITYSCAPES.colours.deviation)
        with torch.no_grad():
            predicted = model(normal[None])[0].argmax(dim=0).numpy()
        drawn = str(path).replace("leftImg8bit/", "gtFine/").replace("leftImg8bit.", "gtFine_labelIds.")
        truth = train_ids[np.array(Image.open(drawn))]
        scored = truth < 255
        pairs = np.bincount(19 * truth[scored] + predicted[scored], minlength=361).reshape(19, 19)
        expected.append(np.pad(pairs, ((0, 0), (0, 1))))
    assert np.array_equal(arrays["confusion"], np.stack(expected))


def test_imagenet_from_the_command_line_by_a_second_method(tmp_path: Path, imagenet: Path) -> None:
    """With the paper's list of checkpoints changed to know the digest of one with random weights."""
    torch.manual_seed(2)
    model = randomised(build("DRN-C-26"))
    weights = tmp_path / "weights"
    digest = save_legacy(weights / "new.pth", model)
    (weights / "new.pth").rename(weights / f"drn_c_26-{digest[:8]}.pth")
    shutil.copytree(ROOT / "reproductions", tmp_path / "reproductions", ignore=shutil.ignore_patterns("__pycache__"))
    listed = tmp_path / "reproductions/drn/released.toml"
    listed.write_text(listed.read_text().replace("ddedf421", digest[:8]))
    folders = ("--weights", "weights", "--data", str(imagenet), "--ledger", "ledger", "--reports", "reports")
    chosen = ("--only", "released-imagenet-part", "--device", "cpu")
    done = remeasure("run", "drn", *chosen, *folders, cwd=tmp_path, code=tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "DRN-C-42 lacks drn_c_42-9d336e8c.pth" in done.stderr
    record, arrays = only_record(tmp_path / "ledger")
    assert record.recipe["weights"] == {"DRN-C-26": digest}
    assert record.recipe["protocol"]["shorter_side"] == 256
    expected = []
    for number, label in enumerate(LABELS, start=1):
        image = Image.open(imagenet / "val" / WORDNET_IDS[label] / f"ILSVRC2012_val_{number:08d}.JPEG")
        shown = official.center_crop(official.resize(image, [256]), [224, 224])
        with torch.no_grad():
            scores = model(official.normalize(official.to_tensor(shown), IMAGENET.mean, IMAGENET.deviation)[None])[0]
        expected.append(int((scores >= scores[label]).sum()) - 1)
    assert arrays["ranks"].tolist() == expected


def test_ten_crops_and_boxes_give_every_reading(
    tmp_path: Path, imagenet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A narrow network, so that it is quick; two of the three images when the blacklisted one is left out."""
    torch.manual_seed(3)
    narrow = partial_build(1 / 16)
    monkeypatch.setattr(released_runs, "build_released", narrow)
    (file,) = [each for each in released_of("drn") if each.name == "drn_c_26-ddedf421.pth"]
    model = randomised(narrow(file))
    path = tmp_path / "narrow.pth"
    save_legacy(path, model)
    found = FoundFile(replace(file, sha256=""), path, verified=False)
    images: ClassifiedImages = open_imagenet(imagenet)
    images = replace(images, blacklisted=frozenset(images.names[1:2]))
    unit, context = Unit("released-imagenet-boxes", "DRN-C-26", 0), Context(tmp_path / "scratch", *SILENT)
    crops = released_runs.crops(unit, context, found, images, TEN_CROPS, 8).arrays
    outcome = released_runs.boxes(unit, context, found, images, TEN_CROPS, BOXES, 8)
    arrays = outcome.arrays
    views = []
    for image_path in images.paths:
        five = official.five_crop(official.resize(Image.open(image_path), [256]), [224, 224])
        ten = [*five, *map(official.hflip, five)]
        pixels = torch.stack(
            [official.normalize(official.to_tensor(v), IMAGENET.mean, IMAGENET.deviation) for v in ten]
        )
        with torch.no_grad():
            views.append(model(pixels).numpy())
    probabilities = torch.from_numpy(np.stack(views)).softmax(dim=2).numpy()
    ranks = (fused_crop_ranks(probabilities, images.labels) - 1).tolist()
    assert arrays["loc_ranks"].tolist() == crops["ranks"].tolist() == ranks
    assert arrays["loc_ranks.listed"].tolist() == [ranks[0], ranks[2]]
    assert {name.partition(".")[2] for name in arrays} == {"", "in-crop", "of-crop", "whole", "listed"}
    for suffix in ("", ".in-crop", ".of-crop", ".whole"):
        assert arrays[f"loc_sweep{suffix}"].shape == (3, 20)
        assert (arrays[f"loc_iou{suffix}"] <= arrays[f"loc_sweep{suffix}"].max(axis=1)).all()
    assert {"threshold-even", "threshold-odd.whole", "weights-sha256"} <= outcome.values.keys()
    recipe = declared()["released-imagenet-boxes"].recipe
    systems = scored(recipe, arrays)
    assert len(systems) == 5
    each = scored(declared()["released-imagenet-10-crop"].recipe, crops)
    expected = 100 * (crops["crop_ranks.each"] >= 1).mean()
    assert each["DRN-C-26, mean of the crops' accuracies"][0] == pytest.approx(expected)


def partial_build(width: float) -> Callable[[Any], Classifier]:
    return lambda file: build(file.network, num_classes=file.classes, width=width)


def scored(recipe: Any, arrays: Any) -> dict[str, list[float]]:
    """Return what the results make of arrays, by system."""
    made = sample_record(recipe=dict(recipe), system="DRN-C-26")
    return {system: [float(score(s)[0, 0]) for s in found] for system, found in samples(made, arrays).items()}


def test_mistakes_are_one_message(tmp_path: Path, cityscapes: Path) -> None:
    run = ("run", "drn", "--evidence", "released-weights", "--device", "cpu")
    nothing = remeasure(*run, cwd=tmp_path)
    assert nothing.returncode == ExitCode.NOTHING_MEASURED
    assert "released-imagenet needs a folder with the authors' checkpoints (--weights DIR)" in nothing.stderr
    absent = remeasure(*run, "--weights", "nowhere", "--data", str(cityscapes), cwd=tmp_path)
    assert absent.returncode == ExitCode.CHECKPOINT
    unknown = remeasure("run", "drn", "--evidence", "hearsay", cwd=tmp_path)
    assert unknown.returncode == ExitCode.USAGE
    assert not any("Traceback" in done.stderr for done in (nothing, absent, unknown))


def test_evidence_chooses_among_experiments() -> None:
    every = experiments_of("drn")(Options(device="cpu"))
    assert {e.key for e in select(every, (), Evidence.EXACT)} == {"architecture", "statements"}
    assert {e.key for e in select(every, (), Evidence.SYNTHETIC)} == {"scenes"}
    with pytest.raises(UsageError, match="no experiment gives retrained evidence"):
        select(every, (), Evidence.RETRAINED)
    with pytest.raises(UsageError, match="unknown system or experiment 'scenes'"):
        select(every, ("scenes",), Evidence.EXACT)
    with pytest.raises(NothingMeasuredError) as caught:
        select(every, (), Evidence.SUBSET)
    assert "released-imagenet-part needs" in caught.value.remedy


def test_a_checkpoint_that_is_not_at_hand_cannot_be_measured(tmp_path: Path) -> None:
    experiment = declared()["released-imagenet"]
    with pytest.raises(CheckpointError, match="DRN-C-26 is not at hand"):
        experiment.measure(Unit(experiment.key, "DRN-C-26", 0), Context(tmp_path, *SILENT))
