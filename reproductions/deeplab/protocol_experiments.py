"""One network on whole photographs under the conventions of evaluation that the papers differ in. No torch.

All conventions show the network the same inputs and differ in what follows it, so that each can be decided again from
the outputs that an evaluation keeps (``remeasure explain --views``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import msgspec

from harness.crf.parameters import CrfParameters
from harness.datasets.labelled import LabelledImages
from harness.errors import UsageError
from harness.evaluation.crops import IMAGENET
from harness.evaluation.protocol import (
    Alignment,
    Fusion,
    Grid,
    Padding,
    Quantity,
    SegmentationProtocol,
    Upsampling,
)
from harness.evaluation.rules import largest_logits
from harness.experiment import Context, Experiment, Options, Outcome, Progress, Unit
from harness.ledger.record import Data, Deviation
from harness.released import labelling
from harness.segmentation.declare import CRF_SOURCE, SEEDS, SOURCE, scale_of
from harness.segmentation.recipe import PhotoData, Scale
from harness.segmentation.sets import load_sets
from harness.statistics.evidence import Evidence
from reproductions.deeplab import recipes
from reproductions.deeplab.deviations import deviations
from reproductions.deeplab.recipes import DeepLabRecipe
from reproductions.deeplab.specs import SCALES, TABLE_3

KEY = "voc-protocols"
SYSTEM = TABLE_3[0]
SINGLE = replace(largest_logits(IMAGENET, side=1, scales=(1.0,)), padding=Padding(multiple=32, remainder=1))
"""DeepLab's rule for one scale. Sides of 32k + 1 pixels, so that three quarters and a half of them are 8k + 1 too."""
_MAX = replace(SINGLE, scales=tuple(map(float, SCALES)))


def _on_pixels(protocol: SegmentationProtocol, quantity: Quantity, fusion: Fusion) -> SegmentationProtocol:
    """Interpolate each view's cells to the pixels first, and fuse there."""
    upsampling = Upsampling(Alignment.CORNERS, quantity=quantity)
    return replace(protocol, upsampling=upsampling, fusion=fusion, fused_on=Grid.PIXELS)


VARIANTS: Mapping[str, tuple[str, SegmentationProtocol]] = MappingProxyType(
    {
        "centres": (
            "{system}, cells in the middle of their pixels",
            replace(SINGLE, upsampling=Upsampling(Alignment.CENTRES), fused_on=Grid.PIXELS),
        ),
        "flip": (
            "{system}, mirrored views",
            replace(_on_pixels(SINGLE, Quantity.LOGITS, Fusion.MEAN_OF_PROBABILITIES), flip=True),
        ),
        "max": ("{system}, three scales by maximum of logits", _MAX),
        "mean": (
            "{system}, three scales by mean of probabilities",
            _on_pixels(_MAX, Quantity.PROBABILITIES, Fusion.MEAN_OF_PROBABILITIES),
        ),
        "sum": (
            "{system}, three scales by sum of log-probabilities",
            _on_pixels(_MAX, Quantity.LOG_PROBABILITIES, Fusion.SUM_OF_LOG_PROBABILITIES),
        ),
        "crf": ("{system} + CRF", replace(SINGLE, crf=CrfParameters(w1=4.0, sigma_alpha=40.0, sigma_beta=4.0))),
    }
)
"""By suffix, what else than ``SINGLE`` the same network is evaluated by: the rules of DeepLab, DUC and DRN, in turn."""
NAMES: Mapping[str, str] = MappingProxyType({suffix: name for suffix, (name, _) in VARIANTS.items()})
PROTOCOLS: Mapping[str, SegmentationProtocol] = MappingProxyType(
    {"": SINGLE} | {suffix: protocol for suffix, (_, protocol) in VARIANTS.items()}
)
"""All ways of evaluation; the empty suffix is the system itself."""
IMAGES: Mapping[Scale, int] = MappingProxyType({"toy": 2, "cpu": 40})
BATCH = 2
"""Images in flight, which a CRF refines side by side."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What one unit does.

    Attributes:
        recipe: Of the training, which is that of the experiment "voc".
        folder: With photographs and weights.
        images: To be evaluated.
        views: Where the network's outputs are kept; None: nowhere.
    """

    recipe: DeepLabRecipe
    folder: Path
    images: LabelledImages
    views: Path | None


def protocols(options: Options) -> Experiment:
    """Declare the experiment; a data folder is looked at only when its units are measured."""
    scale = scale_of(options)
    recipe = trained(scale)

    def plan() -> Plan:
        if options.data is None:
            raise UsageError("no folder with photographs was given", "Name a folder that holds VOCdevkit: --data DIR")
        return Plan(recipe, options.data, open_images(options.data, IMAGES[scale]), options.views)

    def measure(unit: Unit, context: Context) -> Outcome:
        from reproductions.deeplab.protocol_runs import measure

        return measure(unit, context, plan())

    def describe(progress: Progress) -> Data:
        split, sets = plan().images.split, load_sets(recipe.data, options.data, progress)
        digest = hashlib.sha256(f"{sets.digest} {split.digest}".encode()).hexdigest()
        note = f"trained on small copies, tested on the first {split.images} images that are here of {split.key}"
        return Data("PASCAL VOC 2012", digest, len(sets.train), split.images, f"{note}, as they are")

    needs = "" if options.data is not None else "a folder that holds VOCdevkit: --data DIR"
    if options.data is not None and not (options.data / recipe.weights).exists():
        needs = f"{recipe.weights} in the data folder"
    return Experiment(
        key=KEY,
        title="One network on PASCAL VOC 2012 under the papers' conventions of evaluation",
        evidence=Evidence.SCALED_DOWN,
        systems=(SYSTEM,),
        seeds=tuple(range(options.seeds if options.seeds is not None else 1 if options.toy else SEEDS)),
        reaches=(),
        recipe={
            **msgspec.to_builtins(recipe),
            **labelling(recipe.classes, SINGLE, batch=BATCH, variants=VARIANTS),
            "images": IMAGES[scale],
        },
        source=_SOURCE,
        deviations=_deviations(recipe, IMAGES[scale]),
        measure=measure,
        command=f"remeasure run deeplab --only {KEY} --data DIR",
        data=describe,
        needs=needs,
    )


def trained(scale: Scale) -> DeepLabRecipe:
    """Return the recipe that the network is trained by: that of the experiment "voc", whose tests are left out."""
    return replace(recipes.photographs(scale), variants={}, crf=None, refined=(), panels=0)


def open_images(folder: Path, count: int) -> LabelledImages:
    """Open the first images of the validation list, with labels without a band of void; raises DataError."""
    from harness.datasets.pascal import open_pascal
    from harness.datasets.subsets import first
    from harness.datasets.voc import AUGMENTED_LABELS

    return first(open_pascal(folder, "val", labels=AUGMENTED_LABELS, require_complete=False), count)


_SOURCE = (
    *SOURCE,
    *CRF_SOURCE,
    "harness.datasets.folders",
    "harness.datasets.labelled",
    "harness.datasets.lists",
    "harness.datasets.pascal",
    "harness.datasets.subsets",
    "harness.datasets.voc",
    "harness.evaluation.counting",
    "harness.evaluation.decide",
    "harness.evaluation.groups",
    "harness.evaluation.predict",
    "harness.evaluation.preprocess",
    "harness.evaluation.protocol",
    "harness.evaluation.released",
    "harness.evaluation.segment",
    "harness.evaluation.upsampling",
    "harness.evaluation.windows",
    "harness.networks",
    "harness.segmentation.frozen",
    "harness.weights",
    "reproductions.deeplab.comparison",
    "reproductions.deeplab.interpolation",
    "reproductions.deeplab.losses",
    "reproductions.deeplab.models",
    "reproductions.deeplab.protocol_experiments",
    "reproductions.deeplab.protocol_runs",
    "reproductions.deeplab.specs",
)


def _deviations(recipe: DeepLabRecipe, images: int) -> tuple[Deviation, ...]:
    """Return those of the network's training, and what its evaluation does differently."""
    of_training = (d for d in deviations(recipe, recipe.training.epochs) if d.topic not in ("data", "trimap"))
    return (_data(recipe, images), *of_training, _INPUTS, _FLIP, _PARAMETERS)


_DATE = "2026-11-21"


def _data(recipe: DeepLabRecipe, images: int) -> Deviation:
    assert isinstance(recipe.data, PhotoData)
    return Deviation(
        date=_DATE,
        topic="data",
        paper="PASCAL VOC 2012: 10,582 images for training, 1,449 for validation, whole images of 500 pixels",
        where="Section 4",
        ours=f"at most {recipe.data.limit} images of the copy in the data folder for training, scaled to fit 161x161 "
        f"pixels; the first {images} of its validation list for testing, at the size they have there, with labels "
        "without a band of void around objects",
        why="minutes instead of days on two processor cores",
        effect="scores cannot be compared with the printed ones; objects are twice as large as in training or more, so "
        "that smaller views may gain more than the paper's did",
    )


_INPUTS = Deviation(
    date=_DATE,
    topic="inputs of the network",
    paper="images filled up to 513x513 pixels; DUC and DRN resize images otherwise",
    where="the authors' code",
    ours="images filled up with the mean colour to sides of 32k + 1 pixels, and resized by Caffe's interpolation, for "
    "all conventions",
    why="only what follows the network is compared; cells of all three scales then lie on the same corners",
)
_FLIP = Deviation(
    date=_DATE,
    topic="mirrored views",
    paper="none",
    where="Section 4",
    ours="beside the paper's own conventions: the mean of the probabilities of an image and its mirror image",
    why="DUC and many later papers evaluate so",
    effect="measured: see the variants of each system",
)
_PARAMETERS = Deviation(
    date=_DATE,
    topic="parameters of the CRF",
    paper="searched on 100 validation images; w2 = 3, sigma_gamma = 3, 10 iterations",
    where="Section 4.1.1",
    ours="w1 = 4 and sigma_beta = 4 of the searched ranges; sigma_alpha = 40, about the middle of its range in "
    "proportion to images of 320 pixels; not searched",
    why="time",
)
