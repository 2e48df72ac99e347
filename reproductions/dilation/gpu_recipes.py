"""Settings of the comparisons that train every layer on photographs. Every value here is part of a record. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.engine.recipe import UNVARIED, Augmentation, Training
from harness.segmentation.recipe import CAFFE_BIASES, PhotoData, Recipe, Scale
from harness.segmentation.sets import CAMVID_CLASSES, VOC_CLASSES
from reproductions.dilation.recipes import NOISE, RNN_RATE, SEARCH, RnnTraining
from reproductions.dilation.specs import MARGIN, PUBLISHED, Margin, Size

WEIGHT_DECAY = 5e-4
"""The released code's."""

CAMVID_VARIANTS = {
    "crf": "Front end + CRF",
    "rnn": "Front end + RNN",
    "basic": "Front + Basic",
    "basic-crf": "Front + Basic + CRF",
    "basic-rnn": "Front + Basic + RNN",
    "joint": "Dilation8",
}
"""Dilation8 is the front end and Basic, trained jointly (Appendix A.1)."""
VOC_VARIANTS = CAMVID_VARIANTS | {
    "joint": "Front + Basic, trained jointly",
    "large": "Front + Large",
    "large-crf": "Front + Large + CRF",
    "large-rnn": "Front + Large + RNN",
}
"""The rows of Table 3, and the joint training that Section 5 found not to help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedRecipe(Recipe):
    """A front end that is trained with all its layers, context modules on its score maps, and joint training.

    Attributes:
        size: Of the front end. As wide as VGG-16, it starts from its convolutions; narrower, at random.
        modules: Context modules, by the names that :func:`reproductions.dilation.specs.find_context` knows.
        context: Training of each, in steps of as many images as there are if there are fewer than a step's.
        context_margin: What surrounds the score maps.
        noise: Deviation of the noise around the identity, of modules that widen.
        joint: Training of the front end with the first module, both as they are trained by then.
        rnn: Of the CRF-RNN behind the front end and behind each module.
    """

    size: Size
    modules: tuple[str, ...]
    context: Training
    context_margin: Margin
    noise: float = NOISE
    joint: Training
    rnn: RnnTraining

    @property
    def pretrained(self) -> bool:
        return self.size.width == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extent:
    """How much of everything one scale affords.

    Attributes:
        frame: Rows and columns of the images.
        limit: Most images to train and to test on each.
        crop: Side of the pieces, their margins included.
        batch, epochs: Of the front end.
        context_epochs, joint_epochs: Of each context module and of joint training.
        joint_batch: Of joint training.
        rnn_images, rnn_batch: Of each CRF-RNN.
    """

    frame: tuple[int, int]
    limit: int | None
    tuning: int = 12
    crop: int
    batch: int
    epochs: int
    context_epochs: int
    joint_epochs: int = 5
    joint_batch: int
    rnn_images: int = 200
    rnn_batch: int = 8
    size: Size = PUBLISHED
    panels: int = 6


_CAMVID_EXTENT = _Extent(frame=(360, 480), limit=None, crop=628, batch=8, epochs=50, context_epochs=100, joint_batch=2)
_VOC_EXTENT = _Extent(frame=(320, 320), limit=1000, crop=500, batch=14, epochs=36, context_epochs=40, joint_batch=14)
_TOY_EXTENT = _Extent(
    frame=(24, 32),
    limit=4,
    tuning=2,
    crop=2 * MARGIN + 16,
    batch=2,
    epochs=2,
    context_epochs=2,
    joint_epochs=1,
    joint_batch=2,
    rnn_images=2,
    rnn_batch=2,
    size=Size(width=1 / 32, hidden=8),
    panels=2,
)
_CONTEXT_BATCH = 60


def camvid(scale: Scale, epochs: int | None = None) -> StagedRecipe:
    """Return the recipe of Appendix A and A.1, on CamVid; ``epochs`` replaces the front end's number of passes."""
    extent = _TOY_EXTENT if scale == "toy" else _CAMVID_EXTENT
    classes = tuple("sidewalk" if name == "pavement" else name for name in CAMVID_CLASSES)
    return StagedRecipe(
        scale=scale,
        width=extent.size.width,
        data=PhotoData("camvid", *extent.frame, extent.tuning, extent.limit),
        classes=classes,
        training=_training(epochs or extent.epochs, extent.batch, 1e-4, 0.99, _pieces(extent)),
        variants=CAMVID_VARIANTS,
        evaluation_batch=8,
        crf=SEARCH,
        panels=extent.panels,
        size=extent.size,
        modules=("Basic",),
        context=_training(extent.context_epochs, _CONTEXT_BATCH, 1e-3),
        context_margin=Margin.LAYERS,
        joint=_training(extent.joint_epochs, extent.joint_batch, 1e-5, varied=Augmentation()),
        rnn=_rnn(extent),
    )


def voc(scale: Scale, epochs: int | None = None) -> StagedRecipe:
    """Return the recipe of Sections 4 and 5, on VOC 2012; ``epochs`` replaces the front end's number of passes."""
    extent = replace(_TOY_EXTENT, frame=(32, 32)) if scale == "toy" else _VOC_EXTENT
    return StagedRecipe(
        scale=scale,
        width=extent.size.width,
        data=PhotoData("voc", *extent.frame, extent.tuning, extent.limit),
        classes=VOC_CLASSES,
        training=_training(epochs or extent.epochs, extent.batch, 1e-3, varied=_pieces(extent)),
        variants=VOC_VARIANTS,
        evaluation_batch=8,
        crf=SEARCH,
        panels=extent.panels,
        size=extent.size,
        modules=("Basic", "Large"),
        context=_training(extent.context_epochs, _CONTEXT_BATCH, 1e-3),
        context_margin=Margin.ZEROS,
        joint=_training(extent.joint_epochs, extent.joint_batch, 1e-5, varied=_pieces(extent)),
        rnn=_rnn(extent),
    )


def _pieces(extent: _Extent) -> Augmentation:
    """Pieces of images with their margins, half of them mirrored as in the released code."""
    return Augmentation(crop=(extent.crop, extent.crop))


def _training(epochs: int, batch: int, rate: float, momentum: float = 0.9, varied: Augmentation = UNVARIED) -> Training:
    """A learning rate that stays: the released code's first step comes after 100,000 iterations."""
    return Training(
        epochs,
        batch,
        rate,
        decay="step",
        stages=1,
        momentum=momentum,
        weight_decay=WEIGHT_DECAY,
        augmentation=varied,
        groups=(CAFFE_BIASES,),
        precision="bfloat16",
        repeatable=False,
    )


def _rnn(extent: _Extent) -> RnnTraining:
    batch = extent.rnn_batch
    training = Training(1, batch, RNN_RATE, weight_decay=0, augmentation=UNVARIED, parts=batch, repeatable=False)
    return RnnTraining(extent.rnn_images, training, alone=True)
