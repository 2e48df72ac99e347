"""Normalisation of images."""

from __future__ import annotations

import numpy as np
import torch

from harness.engine.images import Normalisation

CPU = torch.device("cpu")


def test_normalised_training_images_have_mean_0_and_deviation_1() -> None:
    images = np.random.default_rng(0).integers(10, 200, (6, 9, 7, 3), dtype=np.uint8)
    images[..., 2] = 17
    normalised = Normalisation.of(images, CPU)(torch.from_numpy(images))
    assert normalised.shape == (6, 3, 9, 7)
    assert normalised.is_contiguous()
    assert torch.allclose(normalised.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(normalised[:, :2].std((0, 2, 3), correction=0), torch.ones(2), atol=1e-5)
    assert not normalised[:, 2].any()
