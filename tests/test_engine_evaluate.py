"""Evaluation against the same quantities computed plainly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.engine.evaluate import feature_maps, label_maps, probability_maps, recognise
from harness.engine.examples import Images, Maps
from harness.engine.images import Normalisation
from harness.engine.localise import THRESHOLDS, BoxedImages, choose_threshold, cross_fit, sweep
from harness.engine.train import seeded
from harness.metrics.classification import true_class_ranks
from harness.metrics.localisation import (
    ClassActivation,
    LocalisationProtocol,
    class_activation,
    localise,
    top1_localisation_error,
)
from reproductions.drn.models import Classifier, Segmenter, build

CPU = torch.device("cpu")
RULE = LocalisationProtocol()


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def normalise(pixels: Tensor) -> Normalisation:
    return Normalisation.of(pixels.numpy(), CPU)


def classifier(name: str = "DRN-C-26") -> Classifier:
    with seeded(0):
        return build(name, num_classes=6, width=0.125)


LABELS = torch.tensor([0, 1, 2, 3, 4, 5, 0])


@pytest.mark.parametrize("name", ["ResNet-18", "DRN-C-26"])
def test_recognition_is_the_classifiers_own(name: str, pixels: Tensor, normalise: Normalisation) -> None:
    model = classifier(name).train()
    found = recognise(model, model.scores, pixels, LABELS, normalise, 3)
    assert not model.training
    with torch.inference_mode():
        inputs = normalise(pixels)
        scores, maps = model(inputs).numpy(), model.activation_maps(inputs).numpy()
    assert np.array_equal(found.ranks, true_class_ranks(scores, LABELS.numpy()) - 1)
    assert found.ranks.dtype == np.uint16
    expected = class_activation(maps, LABELS.numpy())
    assert np.allclose(found.activation.response, expected.response, atol=1e-6)
    assert np.array_equal(found.activation.dominant, expected.dominant)


def test_labels_are_the_highest_scores(pixels: Tensor, normalise: Normalisation) -> None:
    with seeded(0):
        model = Segmenter(classifier(), 5)
    labels = label_maps(model, Images(pixels, LABELS, normalise).chunks(2))
    with torch.inference_mode():
        assert np.array_equal(labels, model(normalise(pixels)).argmax(1).numpy())
    assert (labels.shape, labels.dtype) == ((7, 32, 32), np.uint8)


def test_probabilities_and_features_do_not_depend_on_the_batch(pixels: Tensor, normalise: Normalisation) -> None:
    with seeded(0):
        model = Segmenter(classifier(), 5)
    images = Images(pixels, LABELS, normalise)
    probabilities = np.stack(list(probability_maps(model.train(), images.chunks(3))))
    with torch.inference_mode():
        expected = model(normalise(pixels)).softmax(1).numpy()
    assert np.allclose(probabilities, expected, atol=1e-6)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    features = feature_maps(model, images.chunks(2), torch.float16)
    assert features.dtype == torch.float16
    assert torch.allclose(features.float().softmax(1), torch.from_numpy(expected), atol=1e-2)
    maps = Maps(features, torch.zeros(7, 32, 32, dtype=torch.uint8))
    assert torch.equal(torch.cat(list(maps.chunks(4))), features.float())


def test_nan_never_gets_a_rank_or_a_label(pixels: Tensor, normalise: Normalisation) -> None:
    model = classifier()
    with torch.no_grad():
        next(iter(model.fc.parameters())).fill_(torch.nan)
    with pytest.raises(ValueError, match="7 of 7 images have a NaN score"):
        recognise(model, model.scores, pixels, LABELS, normalise, 3)

    class Holed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            scores = torch.zeros(len(x), 2, 4, 4)
            scores[-1, 0, 1, 2] = torch.nan
            return scores

    with pytest.raises(ValueError, match="3 of 7 images have a NaN score, the first is image 2"):
        label_maps(Holed(), Images(pixels, LABELS, normalise).chunks(3))


def boxed(seed: int, count: int = 30) -> BoxedImages:
    """Blurred squares with noise around, darker in odd places; some images have two true boxes."""
    random = np.random.default_rng(seed)
    response = random.uniform(0, 0.5, (count, 6, 6))
    corners = random.integers(0, 4, (count, 2))
    for image, (x, y) in zip(response, corners, strict=True):
        image[y : y + 3, x : x + 3] += random.uniform(0, 0.5)
    response[1::2] *= 0.6
    first = np.concatenate([corners * 8, corners * 8 + 23], axis=1)
    owners = np.concatenate([np.arange(count), random.integers(0, count, 5)])
    boxes = np.concatenate([first, first[owners[count:]] // 2])
    activation = ClassActivation(response, random.random((count, 6, 6)) < 0.9)
    return BoxedImages(random.random(count) < 0.8, activation, boxes, owners, (48, 48))


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_is_the_lowest_of_the_best(seed: int) -> None:
    images = boxed(seed)
    errors = {}
    for threshold in THRESHOLDS:
        rule = replace(RULE, threshold=threshold)
        found = localise(images.activation, images.boxes, images.owners, images.size, rule)
        errors[threshold] = top1_localisation_error(images.hits, found.iou, rule)
    best = min(errors.values())
    assert choose_threshold(images, RULE) == min(t for t, error in errors.items() if error == best)
    assert choose_threshold(images, RULE, THRESHOLDS[::-1]) == choose_threshold(images, RULE)


def test_taken_images_keep_their_boxes() -> None:
    images = boxed(0)
    places = np.array([17, 3, 4, 29])
    taken = images.take(places)
    boxes, iou = images.localise(RULE)
    taken_boxes, taken_iou = taken.localise(RULE)
    assert np.array_equal(taken_boxes, boxes[places], equal_nan=True)
    assert np.array_equal(taken_iou, iou[places])
    assert np.array_equal(taken.hits, images.hits[places])


def test_cross_fitting_never_chooses_on_the_images_it_tests() -> None:
    images = boxed(1, 31)
    fitted = cross_fit(images, RULE)
    even, odd = np.arange(0, 31, 2), np.arange(1, 31, 2)
    assert fitted.thresholds[0] < fitted.thresholds[1]
    assert fitted.thresholds == (choose_threshold(images.take(odd), RULE), choose_threshold(images.take(even), RULE))
    for places, threshold in ((even, fitted.thresholds[0]), (odd, fitted.thresholds[1])):
        boxes, iou = images.take(places).localise(replace(RULE, threshold=threshold))
        assert np.array_equal(fitted.boxes[places], boxes, equal_nan=True)
        assert np.array_equal(fitted.iou[places], iou)


@pytest.mark.parametrize("seed", range(4))
def test_a_sweep_holds_what_cross_fitting_chose_from(seed: int) -> None:
    """The errors at each threshold are those of boxes found one threshold at a time; halves choose for each other."""
    images = boxed(seed)
    swept = sweep(images, RULE)
    assert swept.shape == (len(images.hits), len(THRESHOLDS))
    wrong = np.logical_not(images.hits[:, None] & (swept > RULE.minimum_iou))
    best = [THRESHOLDS[int(wrong[1 - parity :: 2].mean(axis=0).argmin())] for parity in (0, 1)]
    fitted = cross_fit(images, RULE)
    assert fitted.thresholds == tuple(best)
    for parity in (0, 1):
        at = replace(RULE, threshold=best[parity])
        assert np.array_equal(swept[parity::2, THRESHOLDS.index(best[parity])], images.localise(at)[1][parity::2])
        assert np.array_equal(fitted.iou[parity::2], images.localise(at)[1][parity::2])
