"""Settings of the trained comparisons. Every value here is part of a record. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from harness.datasets.scenes import SceneSpec
from harness.engine.recipe import UNVARIED, Augmentation, Training
from harness.segmentation.recipe import CrfSearch, PhotoData, Recipe, Scale, SceneData, Source
from harness.segmentation.sets import SCENE_CLASSES, VOC_CLASSES
from reproductions.dilation.specs import FrontEnd, Margin, Size

CONTEXT_SYSTEM = "Front end"
"""The one network that is trained for Table 3; what follows it is trained on its score maps."""
CONTEXT_VARIANTS = {
    "crf": "Front end + CRF",
    "basic": "Front + Basic",
    "basic-crf": "Front + Basic + CRF",
    "large": "Front + Large",
    "large-crf": "Front + Large + CRF",
    "random": "Front + Basic, random initialisation",
    "undilated": "Front + Basic, undilated",
}
"""The rows of Table 3 but those with CRF-RNN, and two controls: another start, and no dilation."""
RNN_VARIANTS = {
    "rnn": "Front end + RNN",
    "basic-rnn": "Front + Basic + RNN",
    "large-rnn": "Front + Large + RNN",
}
"""The rows of Table 3 with CRF-RNN; on scenes alone, for what pads a photograph would send messages, too."""

FRONT_ENDS = tuple(kind.value for kind in (FrontEnd.DILATED, FrontEnd.POOLED, FrontEnd.FCN, FrontEnd.DEEPLAB))
"""The networks of Table 2 that can be told apart by their arrangement, and the one that isolates the pools."""
ONE_MAP = tuple(kind.value for kind in (FrontEnd.DILATED, FrontEnd.POOLED, FrontEnd.DEEPLAB))
"""Those of them whose head reads a single map, which can be made once and kept."""
FRONT_END_VARIANTS = {"crf": "DeepLab + CRF"}

LEARNING_RATE = 0.2
"""Of training from scratch, by the training loss of a seed that is not reported; the paper fine-tunes with 0.001."""
HEAD_RATE = 0.05
"""Of heads on maps that ImageNet trained."""
CONTEXT_RATE = 0.01
"""Of the context modules, all alike, by the training loss of Basic with that seed."""
RNN_RATE = 0.05
"""Of the CRF-RNNs, all alike, by the training loss of the three with that seed."""
NOISE = 0.01
"""Standard deviation of the noise of equation 5, in the released code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEndRecipe(Recipe):
    """A comparison of front ends.

    Attributes:
        size: How large they are built.
        margin: What surrounds the image.
    """

    size: Size
    margin: Margin = Margin.LAYERS


@dataclass(frozen=True, slots=True)
class RnnTraining:
    """How a CRF-RNN is trained on the scores of a network that does not learn any more.

    Attributes:
        images: The first so many training images, which are not varied.
        training: On these.
        alone: Whether each image is refined by itself, without what pads it; a step's parts are then one image each.
    """

    images: int
    training: Training
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRecipe(FrontEndRecipe):
    """A comparison of context modules on the maps of one front end.

    Attributes:
        cells: Side of its score maps, which the modules' expansion stops at.
        context: Training of each module.
        context_margin: What surrounds the score maps.
        noise: Deviation of the noise around the identity.
        rnn: Of the CRF-RNN behind the front end and behind each module that has a CRF; None where there is none.
    """

    cells: int
    context: Training
    context_margin: Margin = Margin.ZEROS
    noise: float = NOISE
    rnn: RnnTraining | None = None


@dataclass(frozen=True, slots=True)
class _Extent:
    """How much of everything one scale affords."""

    side: int
    tuning: int
    epochs: int
    context_epochs: int
    rnn_images: int = 0
    panels: int = 6
    batch: int = 16


_SCENES: dict[Scale, tuple[_Extent, int, int, Size]] = {
    "toy": (
        _Extent(32, 4, 2, 1, rnn_images=16),
        32,
        12,
        Size(width=1 / 32, convolutions=(1, 1, 1, 1, 1), stride=4, hidden=8, kernel=3, batch_norm=True, dropout=0),
    ),
    "cpu": (
        _Extent(48, 12, 6, 3, rnn_images=200, batch=8),
        1000,
        300,
        Size(width=1 / 8, convolutions=(1, 1, 2, 2, 2), stride=4, hidden=64, kernel=3, batch_norm=True, dropout=0),
    ),
}
_NARROW = Size(width=1 / 8, convolutions=(1, 1, 1, 1, 1), stride=4, hidden=64, kernel=1, batch_norm=True, dropout=0)
"""Of the front end below context modules on scenes: its field spans 36 of 48 pixels as the published one 380 of 512."""
_DRAWN = (31, 32, 33)
"""Seeds of the scenes: no score on them was seen before these recipes were final."""
_VOC: dict[Scale, tuple[_Extent, int, Size]] = {
    "toy": (_Extent(32, 2, 2, 1, panels=2, batch=4), 8, Size(hidden=8, kernel=3, batch_norm=True, dropout=0)),
    "cpu": (_Extent(96, 12, 12, 6, batch=8), 400, Size(hidden=64, kernel=3, batch_norm=True, dropout=0)),
}
SEARCH = CrfSearch(({"w1": (3.0, 10.0), "sigma_alpha": (10.0, 30.0), "sigma_beta": (5.0, 15.0)},))
"""The paper says that a grid was searched and not which."""


def scenes(scale: Scale, epochs: int | None = None) -> ContextRecipe:
    """Return the recipe of the context modules on scenes; ``epochs`` replaces the front end's number of passes.

    The front end sees as large a share of its image as the paper's.
    """
    extent, train, test, size = _SCENES[scale]
    size = _NARROW if scale == "cpu" else size
    return _context(scale, extent, _scene_data(extent, train, test), SCENE_CLASSES, size, epochs)


def scenes_seen_whole(scale: Scale, epochs: int | None = None) -> ContextRecipe:
    """Return the recipe of the context modules behind a front end that sees the whole scene, as in ``front_ends``."""
    extent, train, test, size = _SCENES[scale]
    return _context(scale, extent, _scene_data(extent, train, test), SCENE_CLASSES, size, epochs)


def front_ends(scale: Scale, epochs: int | None = None) -> FrontEndRecipe:
    """Return the recipe of the front ends on scenes; ``epochs`` replaces the number of passes."""
    extent, train, test, size = _SCENES[scale]
    return _front_ends(scale, extent, _scene_data(extent, train, test), SCENE_CLASSES, size, epochs)


def voc(scale: Scale, epochs: int | None = None) -> ContextRecipe:
    """Return the recipe of the context modules on photographs; ``epochs`` is the head's number of passes."""
    extent, limit, size = _VOC[scale]
    return _context(scale, extent, _photo_data(extent, limit), VOC_CLASSES, size, epochs)


def voc_front_ends(scale: Scale, epochs: int | None = None) -> FrontEndRecipe:
    """Return the recipe of the front ends on photographs; ``epochs`` is the heads' number of passes."""
    extent, limit, size = _VOC[scale]
    return _front_ends(scale, extent, _photo_data(extent, limit), VOC_CLASSES, size, epochs)


def _scene_data(extent: _Extent, train: int, test: int) -> SceneData:
    spec = SceneSpec(extent.side, smallest=60, largest=100, distractors=1, clutter=1, occlusion=10, tilt=6)
    return SceneData(spec, train, extent.tuning, test, seeds=_DRAWN)


def _photo_data(extent: _Extent, limit: int) -> PhotoData:
    return PhotoData("voc", extent.side, extent.side, extent.tuning, limit)


def _context(
    scale: Scale, extent: _Extent, data: Source, classes: tuple[str, ...], size: Size, epochs: int | None
) -> ContextRecipe:
    rnn = Training(1, 8, RNN_RATE, weight_decay=0, augmentation=UNVARIED)
    return ContextRecipe(
        scale=scale,
        width=size.width,
        data=data,
        classes=classes,
        training=_training(extent, data, epochs or extent.epochs),
        crf=SEARCH,
        panels=extent.panels,
        size=size,
        cells=extent.side // size.stride,
        context=Training(
            extent.context_epochs, extent.batch, CONTEXT_RATE, momentum=0.9, weight_decay=5e-4, augmentation=UNVARIED
        ),
        rnn=RnnTraining(extent.rnn_images, rnn) if extent.rnn_images else None,
        variants=CONTEXT_VARIANTS | (RNN_VARIANTS if extent.rnn_images else {}),
    )


def _front_ends(
    scale: Scale, extent: _Extent, data: Source, classes: tuple[str, ...], size: Size, epochs: int | None
) -> FrontEndRecipe:
    return FrontEndRecipe(
        scale=scale,
        width=size.width,
        data=data,
        classes=classes,
        training=_training(extent, data, epochs or extent.epochs),
        variants=dict(FRONT_END_VARIANTS),
        crf=SEARCH,
        panels=extent.panels,
        size=size,
    )


def _training(extent: _Extent, data: Source, epochs: int) -> Training:
    """The paper's momentum (Section 4) and the released code's weight decay."""
    rate = LEARNING_RATE if isinstance(data, SceneData) else HEAD_RATE
    varied = Augmentation(shift=extent.side // 12)
    return Training(epochs, extent.batch, rate, warmup=0.1, momentum=0.9, weight_decay=5e-4, augmentation=varied)
