"""Settings of a comparison of segmentation networks. Every value is part of a record. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.datasets.scenes import SceneSpec
from harness.engine.recipe import Group, Training

Scale = Literal["toy", "cpu", "gpu"]
PhotoSet = Literal["camvid", "voc"]

CAFFE_BIASES = Group(r".*\.bias", rate=2.0, decay=0.0)
"""How the biases of networks learn that were published in Caffe: twice as fast as the weights, and undecayed."""


@dataclass(frozen=True, slots=True)
class SceneData:
    """Procedural scenes, labelled by object class with the background first.

    Attributes:
        spec: What they look like.
        train, tuning, test: Numbers of scenes; those for tuning set what is chosen by trying (a CRF's parameters).
        seeds: Of the three sets; the same for all seeds of the training.
    """

    spec: SceneSpec
    train: int
    tuning: int
    test: int
    seeds: tuple[int, int, int] = (11, 12, 13)


@dataclass(frozen=True, slots=True)
class PhotoData:
    """Photographs of a data set in its official split.

    CamVid tunes on its validation frames and tests on its test frames. VOC's test labels are not public: it tests on
    the validation images and tunes on training images, which are then not trained on.

    Attributes:
        height, width: To which CamVid's frames are stretched; VOC's are scaled to fit, and padded.
        tuning: At most so many images for tuning, evenly spread.
        limit: At most so many training and test images each, evenly spread; None takes all.
    """

    dataset: PhotoSet
    height: int
    width: int
    tuning: int
    limit: int | None = None


Source = SceneData | PhotoData


@dataclass(frozen=True, slots=True)
class CrfSearch:
    """How the parameters of a dense CRF are chosen on the tuning images: by their mean IoU, coarse to fine.

    Attributes:
        stages: Values of ``w1``, ``sigma_alpha`` and ``sigma_beta``, then offsets from the best so far; see
            :func:`harness.engine.grid_search.search`.
        w2, sigma_gamma, iterations: Fixed, as in :class:`harness.engine.crf.CrfParameters`.
    """

    stages: tuple[dict[str, tuple[float, ...]], ...]
    w2: float = 3.0
    sigma_gamma: float = 3.0
    iterations: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One comparison: the same for every system and seed. A paper adds what is its own in a subclass.

    Attributes:
        width: Factor on the channels of each network.
        classes: Labels of the classes, in order of value.
        training: Of the network; what is trained on top of it has settings of its own.
        variants: Which systems the arrays with a suffix measure; see :mod:`harness.ledger.record`.
        evaluation_batch: Images evaluated at a time.
        crf: None where no CRF is applied.
        panels: Test images kept for the report.
        least_images: A class that fewer test images show is left out of the mean IoU of every system; with 0, a class
            that is in neither truth nor prediction.
    """

    scale: Scale
    width: float
    data: Source
    classes: tuple[str, ...]
    training: Training
    variants: dict[str, str] = field(default_factory=dict)
    evaluation_batch: int = 50
    crf: CrfSearch | None = None
    panels: int = 6
    least_images: int = 0
