"""CRF-RNN behind a network that does not learn any more: what it is given, what it starts as, what it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from harness.crf.mean_field import marginals
from harness.crf.parameters import CrfParameters
from harness.datasets.scenes import SceneSpec
from harness.datasets.segmented import Segmented
from harness.engine.examples import Images, Maps
from harness.engine.images import Normalisation
from harness.engine.recipe import UNVARIED, Training
from harness.engine.train import seeded, train
from harness.segmentation.desk import pixel_cross_entropy
from harness.segmentation.recipe import SceneData
from harness.segmentation.sets import load_sets
from reproductions.dilation import recipes
from reproductions.dilation.rnn import RnnOnMaps, scored_images

pytestmark = pytest.mark.usefixtures("one_thread")
START = CrfParameters(3, 10, 15)
CLASSES = 11


def scenes(count: int = 7) -> Segmented:
    return load_sets(SceneData(SceneSpec(32), train=count, tuning=1, test=1), None).train


def seen(images: Segmented) -> Images:
    pixels, labels = torch.tensor(images.pixels), torch.tensor(images.labels)
    return Images(pixels, labels, Normalisation.of(images.pixels, pixels.device))


def network() -> nn.Module:
    with seeded(0):
        return nn.Conv2d(3, CLASSES, 3, padding=1)


@pytest.mark.parametrize("most", [None, 1, 3, 4, 20])
def test_maps_are_scores_with_the_images_beneath(most: int | None) -> None:
    images, model = scenes(), network()
    found = scored_images(model, seen(images), images, batch=3, most=most)
    count = min(most or len(images), len(images))
    inputs = torch.cat(list(seen(images).chunks(len(images))))[:count]
    torch.testing.assert_close(found.features[:, :-3], model(inputs).detach(), atol=1e-5, rtol=0)
    beneath = found.features[:, -3:].permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(beneath, images.pixels[:count])
    np.testing.assert_array_equal(found.targets.numpy(), images.labels[:count])


def test_untrained_it_labels_as_the_dense_crf() -> None:
    images = scenes()
    maps = scored_images(network(), seen(images), images, batch=4)
    with torch.inference_mode():
        found = RnnOnMaps(CLASSES, START).eval()(maps.features).softmax(dim=1)
    expected = marginals(-maps.features[:, :CLASSES], maps.features[:, CLASSES:], START)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_training_lowers_the_loss_on_the_scores_it_learnt_from(tmp_path: Path) -> None:
    images = scenes(16)
    scores = 2 * torch.randn(16, CLASSES, 32, 32, generator=torch.Generator().manual_seed(1))
    scores.scatter_add_(1, torch.tensor(images.labels).long()[:, None], torch.full((16, 1, 32, 32), 3.0))
    pixels = torch.tensor(images.pixels).permute(0, 3, 1, 2).float()
    maps = Maps(torch.cat([scores, pixels], dim=1), torch.tensor(images.labels))
    top = RnnOnMaps(CLASSES, START)

    def loss() -> float:
        with torch.inference_mode():
            return float(pixel_cross_entropy(top.eval()(maps.features), maps.targets.long()).value)

    before = loss()
    training = Training(4, 4, recipes.RNN_RATE, weight_decay=0, augmentation=UNVARIED)
    train(top, maps, pixel_cross_entropy, training, 0, tmp_path / "rnn.pt", lambda *_: None)
    assert loss() < 0.9 * before


def test_scenes_have_the_rows_of_table_3_with_it_and_padded_photographs_do_not() -> None:
    assert recipes.RNN_VARIANTS.items() <= recipes.scenes("cpu").variants.items()
    assert recipes.RNN_VARIANTS.items() <= recipes.scenes_seen_whole("cpu").variants.items()
    photographs = recipes.voc("cpu")
    assert photographs.rnn is None
    assert photographs.variants == recipes.CONTEXT_VARIANTS
