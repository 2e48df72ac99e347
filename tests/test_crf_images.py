"""Both lattices of the fully connected CRF on photographs: the same labels, and probabilities that hardly differ.

Where two labels are nearly level the mean field magnifies rounding: single pixels may differ by some hundredths.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

from harness.engine.crf import Backend, CrfParameters, refine

Floats = NDArray[np.float32]
PHOTOGRAPHS = [
    ("VOCdevkit/VOC2012/JPEGImages", "VOCdevkit/VOC2012/SegmentationClassAug", 21),
    ("CamVid/test", "CamVid/testannot", 11),
]
"""Where images and labels are, and how many classes there are."""


def uncertain(labels: NDArray[np.uint8], classes: int, seed: int) -> Floats:
    """Probabilities as a network with coarse cells gives them: blurred, and often wrong."""
    stream = np.random.default_rng(seed)
    hot = (labels[None] == np.arange(classes)[:, None, None]).astype(np.float32)
    noise = gaussian_filter(stream.normal(size=hot.shape), (0, 3, 3)) * 30
    scores: Floats = softmax(5 * gaussian_filter(hot, (0, 4, 4)) + noise, axis=0).astype(np.float32)
    return scores


@pytest.mark.parametrize(("images", "annotations", "classes"), PHOTOGRAPHS, ids=["voc", "camvid"])
def test_photographs_get_pydensecrf_s_labels(
    shared: Callable[[str], Path], images: str, annotations: str, classes: int
) -> None:
    pytest.importorskip("pydensecrf")
    folder, labels = shared(f"data/{images}"), shared(f"data/{annotations}")
    for seed, path in enumerate(sorted(labels.iterdir())[3:200:120]):
        with Image.open(path) as annotation, Image.open(folder / f"{path.stem}.jpg") as photograph:
            truth, image = np.array(annotation)[:160, :240], np.array(photograph.convert("RGB"))[:160, :240]
        probabilities = uncertain(truth, classes, seed)
        for parameters in (CrfParameters(4, 49, 5), CrfParameters(3, 15, 3, sigma_gamma=1)):
            own = refine(probabilities, image, parameters, Backend.LATTICE)
            theirs = refine(probabilities, image, parameters, Backend.PYDENSECRF)
            assert (own.argmax(axis=0) == theirs.argmax(axis=0)).mean() >= 0.9999
            assert np.abs(own - theirs).max() < 0.05
            assert np.abs(own - theirs).mean() < 1e-5
            assert (own.argmax(axis=0) != probabilities.argmax(axis=0)).mean() > 0.1
