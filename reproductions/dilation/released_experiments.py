"""What is measured of the authors' checkpoints: VOC 2012, CamVid, KITTI and Cityscapes, tile by tile. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.checkpoints.find import FoundFile
from harness.datasets.labelled import LabelledImages
from harness.evaluation.protocol import (
    Alignment,
    Colours,
    Fill,
    Padding,
    Quantity,
    SegmentationProtocol,
    Tiling,
    Upsampling,
)
from harness.evaluation.rules import mirrored_tiles
from harness.experiment import Context, Experiment, Options, Outcome, Reach, Unit
from harness.ledger.record import Deviation
from harness.released import PORTS, Evaluation, declare, expected_colours, labelling
from harness.released_splits import CITYSCAPES_CLASSES, VOC_CLASSES, open_cityscapes, open_voc
from reproductions.dilation.specs import DEPLOYMENTS, MARGIN, Deployment

STREETS = ("building", "tree", "sky", "car", "sign", "road", "pedestrian", "fence", "pole", "sidewalk", "bicyclist")
"""The classes of CamVid and KITTI in the words of Tables 5 and 6, in the networks' order."""
CAMVID_SIZE = (480, 640)
"""Rows and columns of the paper's CamVid (Appendix A.1)."""

_DATE = "2026-11-21"
_STRIDE = 8
_SOURCE = (
    "reproductions.dilation.context",
    "reproductions.dilation.frontend",
    "reproductions.dilation.models",
    "reproductions.dilation.released",
    "reproductions.dilation.released_experiments",
    "reproductions.dilation.released_runs",
    "reproductions.dilation.specs",
)


@dataclass(frozen=True)
class Benchmark:
    """A dataset that a network was released for.

    Attributes:
        key: Of the experiment.
        title: Of the dataset.
        system: Row of the paper's tables.
        split: That is measured.
        classes: As the tables call them, in order of label.
        open: From a folder to its images.
        deployment: What the network runs on.
        deviations: From the paper.
        stated: Split that the paper's numbers are of, if it is another.
    """

    key: str
    title: str
    system: str
    split: str
    classes: tuple[str, ...]
    open: Callable[[Path], LabelledImages]
    deployment: Deployment
    deviations: tuple[Deviation, ...] = ()
    stated: str = ""


def released(options: Options) -> tuple[Experiment, ...]:
    """Declare the experiments on released checkpoints, those that lack something included."""
    return tuple(experiment for each in BENCHMARKS for experiment in declare(evaluation(each), options))


def evaluation(benchmark: Benchmark) -> Evaluation[LabelledImages]:
    """Return what is measured of a dataset's network."""
    shown = protocol(benchmark.deployment, expected_colours("dilation", benchmark.system))

    def measure(unit: Unit, context: Context, found: FoundFile, images: LabelledImages) -> Outcome:
        from reproductions.dilation.released_runs import labels

        return labels(unit, context, found, images, shown)

    return Evaluation(
        paper="dilation",
        key=benchmark.key,
        title=f"The authors' checkpoint on {benchmark.title}",
        systems=(benchmark.system,),
        task="segmentation",
        split=benchmark.split,
        stated=benchmark.stated,
        open=benchmark.open,
        measure=measure,
        recipe=labelling(benchmark.classes, shown),
        reaches=(Reach("miou", margin=PORTS), Reach("iou", margin=PORTS)),
        source=_SOURCE,
        deviations=benchmark.deviations,
        date=_DATE,
    )


def protocol(deployment: Deployment, colours: Colours) -> SegmentationProtocol:
    """Return how the released code runs a network: on tiles with a mirrored margin of 186 pixels.

    Cells of probabilities are laid side by side and interpolated, cell k on pixel 8k. The network for Cityscapes
    interpolates the logits of each tile between the centres of cells. On KITTI one tile holds the whole image; its
    1268 columns are no whole number of cells.
    """
    rows, columns = (side - 2 * MARGIN for side in deployment.input_size)
    surrounded = Padding(Fill.REFLECT, margin=MARGIN)
    match deployment.dataset:
        case "Cityscapes":
            between = Upsampling(Alignment.CENTRES, _STRIDE, Quantity.LOGITS)
            return SegmentationProtocol(colours, padding=surrounded, tiling=Tiling((rows, columns)), upsampling=between)
        case "KITTI":
            return SegmentationProtocol(
                colours,
                padding=Padding(Fill.REFLECT, least=(rows, columns), margin=MARGIN),
                upsampling=Upsampling(Alignment.SAMPLES, _STRIDE, Quantity.PROBABILITIES),
            )
        case _:
            return mirrored_tiles(colours, (rows, columns), MARGIN, _STRIDE)


def open_camvid(folder: Path) -> LabelledImages:
    """Open what a folder has of CamVid's test set, 640x480 pixels, in the network's classes; raises DataError."""
    from harness.datasets import camvid_original, derived

    images = camvid_original.open_camvid_original(folder, "test", require_complete=False)
    order = ["pavement" if name == "sidewalk" else name for name in STREETS]
    return derived.resized(derived.reordered(images, order), *CAMVID_SIZE)


def open_kitti(folder: Path) -> LabelledImages:
    """Open what a folder has of the test set of Ros et al.; raises DataError."""
    from harness.datasets import kitti_ros

    return kitti_ros.open_kitti_ros(folder, "test", require_complete=False)


_VALIDATION = Deviation(
    date=_DATE,
    topic="split",
    paper="1,456 images whose truth is not public",
    where="Table 4",
    ours="the 1,449 images of the validation set",
    why="only the dataset's server scores the others",
    effect="no verdict on the printed numbers, which are of other images",
)
_SMALLER = Deviation(
    date=_DATE,
    topic="size of the images",
    paper="downsampled to 640x480; how is not stated",
    where="Appendix A.1",
    ours="images bilinear and antialiased, labels from the nearest pixel, both by Pillow",
    why="the usual way",
)
_MERGED = Deviation(
    date=_DATE,
    topic="merging of classes",
    paper="the 11 classes of Sturgess et al.",
    where="Appendix A.1",
    ours="the 32 labels of CamVid merged as SegNet's authors did",
    why="which label becomes which class is not stated",
)
_FRAMES = Deviation(
    date=_DATE,
    topic="list of test images",
    paper="46 test images of Ros et al.",
    where="Appendix A.2",
    ours="the frames of sequence 07 in the annotators' folder, checked by their number",
    why="no list of them is public any more",
    effect="none, if the folder is as released",
)

VOC, CAMVID, KITTI, CITYSCAPES = DEPLOYMENTS
BENCHMARKS = (
    Benchmark(
        "released-voc",
        "PASCAL VOC 2012",
        "Context",
        "voc2012/val",
        VOC_CLASSES,
        open_voc,
        VOC,
        (_VALIDATION,),
        stated="voc2012/test",
    ),
    Benchmark(
        "released-camvid", "CamVid", "Dilation8", "camvid/test", STREETS, open_camvid, CAMVID, (_SMALLER, _MERGED)
    ),
    Benchmark("released-kitti", "KITTI", "Dilation7", "kitti-ros/test", STREETS, open_kitti, KITTI, (_FRAMES,)),
    Benchmark(
        "released-cityscapes",
        "Cityscapes",
        "Dilation10",
        "cityscapes/val",
        CITYSCAPES_CLASSES,
        open_cityscapes,
        CITYSCAPES,
    ),
)
"""Every dataset with a released network."""
