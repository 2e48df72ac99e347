"""Where networks that photographs train end to end differ from the paper's. No torch."""

from __future__ import annotations

from harness.ledger.record import Deviation
from harness.segmentation.recipe import PhotoData
from reproductions.deeplab.recipes import STEP, DeepLabRecipe
from reproductions.deeplab.specs import TABLE_3

_DATE = "2026-11-21"


def fine_tuning(recipe: DeepLabRecipe) -> tuple[Deviation, ...]:
    """Return what is done differently from the first to the last layer, schedules apart."""
    return (_TRUNK, _new_layers(recipe), _length(recipe), _CELLS, _scales(recipe), _frame(recipe))


_TRUNK = Deviation(
    date=_DATE,
    topic="initial weights and colours of VGG-16",
    paper="the authors' VGG-16 in Caffe, which reads BGR in 0..255 less the mean",
    where="Section 4 and the authors' code",
    ours="torchvision's ImageNet weights of the 13 convolutions, rounded to half precision, and its colours: RGB in "
    "0..1 less the mean, over the standard deviation",
    why="the weights at hand",
    effect="unmeasured",
)


def _new_layers(recipe: DeepLabRecipe) -> Deviation:
    return Deviation(
        date=_DATE,
        topic="initial weights and learning rates of fc6 and fc7",
        paper="initial weights from ImageNet's fc6 and fc7; the classifier alone is new, and learns ten times as fast",
        where="Section 4.1.1",
        ours=f"random weights, normal with a deviation of {recipe.filler:g} as Caffe fills the classifier; fc6, fc7 "
        "and the classifier alike are new layers, with ten times the learning rate, their biases with twenty times and "
        "without weight decay; all other biases with twice and without",
        why="no ImageNet weights of fc6 and fc7 are at hand; random layers need steps as long as the classifier's. "
        "Drawn by fan-in (He et al.) the branches of ASPP overshot, by the training loss of the first steps on 40 "
        "training images; nothing else was tried or looked at",
        effect="unmeasured; lowers all scores, perhaps most where there are most such weights: 7x7 has twenty times as "
        "many as LargeFOV, and 4x4 nine times",
    )


def _photographs(recipe: DeepLabRecipe) -> PhotoData:
    assert isinstance(recipe.data, PhotoData)
    return recipe.data


def _length(recipe: DeepLabRecipe) -> Deviation:
    last, step = recipe.training_of(TABLE_3[0]), recipe.training_of(STEP)
    images = _photographs(recipe).limit or 0
    return Deviation(
        date=_DATE,
        topic="length and precision of training",
        paper="20K iterations of 10 images (step: 6K of 30), 19 (17) passes over 10,582 images; single precision",
        where="Sections 4.1.1 and 4.1.2, Table 2",
        ours=f"batches of {last.batch} for {last.epochs} epochs (step: of {step.batch} for {step.epochs}) over at most "
        f"{images:,} images, {last.epochs * (images // last.batch):,} iterations; convolutions and products in "
        f"{last.precision}, weights, their steps, the loss and the evaluation in float32; learning rate "
        f"{last.learning_rate:g}, momentum {last.momentum:g}, weight decay {last.weight_decay:g} and dropout "
        f"{recipe.dropout:g} as in the paper",
        why="a network in at most nine minutes on one GPU",
        effect="unmeasured; fewer iterations lower all scores, and may rank schedules and networks otherwise",
    )


def _scales(recipe: DeepLabRecipe) -> Deviation:
    varied = recipe.training.augmentation
    crop = varied.crop or (0, 0)
    return Deviation(
        date=_DATE,
        topic="augmentation",
        paper="crops of 321 pixels and mirroring; scales from 0.5 to 1.5 (Aug) are a row of their own in Table 4, on "
        "ResNet-101 alone",
        where="Section 4.1.2, Table 4 and the authors' code",
        ours=f"crops of {crop[0]} pixels and mirroring; each image at one of the scales "
        f"{' '.join(f'{scale:g}' for scale in varied.scales)}, for all networks; beyond an image the mean colour, not "
        "trained on",
        why="a tenth of the paper's training images",
        effect="unmeasured",
    )


def _frame(recipe: DeepLabRecipe) -> Deviation:
    return Deviation(
        date=_DATE,
        topic="size of test images",
        paper="as they are, with sides of at most 500 pixels, filled up to 513x513 with the mean colour",
        where="the authors' code",
        ours=f"scaled so that the longer side has {_photographs(recipe).width} pixels, filled up to a square with the "
        "mean colour; scored at that size",
        why="the sample of PASCAL VOC 2012 at hand has sides of 320 pixels; the full data set is treated alike",
        effect="unmeasured; fields of view reach further in proportion to the image",
    )


_CELLS = Deviation(
    date=_DATE,
    topic="loss",
    paper="the sum of the cross-entropy over all cells, labels subsampled by 8",
    where="Section 4",
    ours="its mean over a batch's cells that are not void, with the same labels",
    why="the released code divides by the number of cells, and its learning rates are for that",
    effect="none against the released code",
)
