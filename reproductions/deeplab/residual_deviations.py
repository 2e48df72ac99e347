"""Where ResNet-101 that photographs train end to end differs from the paper's. No torch."""

from __future__ import annotations

from harness.ledger.record import Deviation
from harness.segmentation.recipe import PhotoData
from reproductions.deeplab.deviations import BASELINE_HEAD, deviations
from reproductions.deeplab.residual_recipes import PLAIN, VARIED, ResidualRecipe

_DATE = "2026-11-21"
_ALIKE = (
    "data",
    "size of test images",
    "search of the CRF's parameters",
    "trimap",
    "classes in the mean IoU",
    "time budget",
)
"""Topics in which these networks are treated as those on VGG-16."""


def residual_deviations(recipe: ResidualRecipe, full_epochs: int) -> tuple[Deviation, ...]:
    """Return what is done differently; ``full_epochs`` is the recipe's without a time budget."""
    alike = (deviation for deviation in deviations(recipe, full_epochs) if deviation.topic in _ALIKE)
    start = _WEIGHTS if recipe.weights else _reduced(recipe)
    return (start, _COCO, BASELINE_HEAD, _length(recipe), _augmentation(recipe), _LOSS, *alike)


_WEIGHTS = Deviation(
    date=_DATE,
    topic="initial weights and colours of ResNet-101",
    paper="He et al.'s ResNet-101 in Caffe, which strides in the first 1x1 convolution of a stage and reads BGR in "
    "0..255 less the mean",
    where="Section 4.1.2 and the authors' code",
    ours="torchvision's ImageNet weights (IMAGENET1K_V1), which were trained with strides in the 3x3 convolutions: so "
    "these stride here, too, and where a stage has lost its stride, its first 3x3 convolution dilates as the stage "
    "before (by 1 and 2, not 2 and 4), which keeps what was trained; torchvision's colours: RGB in 0..1 less the mean, "
    "over the standard deviation",
    why="weights that anyone gets with torchvision; those that the authors released were trained on MS-COCO already",
    effect="unmeasured",
)


def _reduced(recipe: ResidualRecipe) -> Deviation:
    return Deviation(
        date=_DATE,
        topic="width, depth and initial weights",
        paper="all channels and 33 blocks, initial weights from ImageNet",
        where="Section 4.1.2",
        ours=f"{recipe.width:g} of the channels of every layer, {recipe.geometry.blocks} block in each stage, all "
        "weights random and batch norm frozen as it is built",
        why="a test of the path, in seconds",
        effect="scores mean nothing",
    )


_COCO = Deviation(
    date=_DATE,
    topic="training on MS-COCO",
    paper="the rows of Table 4 from the third on start from a network that was trained on MS-COCO",
    where="Section 4.1.2, Table 4",
    ours="all systems start from ImageNet; their names leave COCO out, and what the paper prints for rows with it "
    "stands beside none of them",
    why="time, and MS-COCO is not among the data",
    effect="lowers all scores, with MSC by 2.01 points in the paper (Table 4)",
)


def _length(recipe: ResidualRecipe) -> Deviation:
    training = recipe.training_of(PLAIN)
    assert isinstance(recipe.data, PhotoData)
    images = recipe.data.limit or 0
    return Deviation(
        date=_DATE,
        topic="length and precision of training",
        paper="20K iterations of 10 images, 19 passes over 10,582 images; single precision",
        where="Section 4.1.2 and the authors' code",
        ours=f"{training.epochs} epochs of batches of {training.batch} over at most {images:,} images, at most "
        f"{training.epochs * (images // training.batch):,} iterations; convolutions in {training.precision}, weights, "
        "their steps, the loss and the evaluation in float32; learning rate "
        f"{training.learning_rate:g} (the classifier's weights ten times that, its biases twenty times and without "
        f"weight decay), poly with power {training.power:g}, momentum {training.momentum:g}, weight decay "
        f"{training.weight_decay:g} and frozen batch norm as in the authors' code",
        why="a network in at most nine minutes on one GPU",
        effect="unmeasured; a tenth of the iterations lowers all scores, and may rank networks otherwise",
    )


def _augmentation(recipe: ResidualRecipe) -> Deviation:
    assert isinstance(recipe.data, PhotoData)
    varied = recipe.training_of(VARIED).augmentation
    crop = varied.crop or (0, 0)
    return Deviation(
        date=_DATE,
        topic="augmentation",
        paper="crops of 321 pixels from images of at most 500, and mirroring; with Aug, scales from 0.5 to 1.5",
        where="Section 4.1.2, Table 4 and the authors' code",
        ours=f"crops of {crop[0]} pixels and mirroring, of images whose longer side has {recipe.data.width} pixels: "
        "without Aug each step sees them whole; with Aug at one of the scales "
        f"{' '.join(f'{scale:g}' for scale in varied.scales)}; beyond an image the mean colour, not trained on",
        why="the sample of PASCAL VOC 2012 at hand has sides of 320 pixels; the full data set is treated alike",
        effect="unmeasured; without Aug images vary less than the paper's, so that Aug may matter more",
    )


_LOSS = Deviation(
    date=_DATE,
    topic="loss",
    paper="the sum of the cross-entropy over all cells, labels subsampled by 8; with multi-scale inputs the sum of "
    "four such terms, for each scale and for their maximum",
    where="Section 4 and the authors' code",
    ours="the mean over a batch's cells that are not void, with the same labels; with multi-scale inputs the sum of "
    "the four; at scale 3/4, whose cells lie between pixels, with the nearest pixel's label",
    why="the released code divides by the number of cells, and its learning rates are for that; how it aligns labels "
    "at scale 3/4 is unknown",
    effect="none against the released code but at scale 3/4, where it is unmeasured",
)
