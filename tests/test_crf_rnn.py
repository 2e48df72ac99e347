"""CRF-RNN: against sums over all pairs, against the CRF it starts as, its gradients, and its training."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional as F

from harness.crf.kernels import image_kernels
from harness.crf.mean_field import marginals
from harness.crf.parameters import CrfParameters, Normalisation
from harness.crf.rnn import RELEASED, TRAINING_ITERATIONS, CrfRnn

SMALL = CrfParameters(3, 8, 20, w2=2, sigma_gamma=2, iterations=4, normalisation=Normalisation.AFTER)


def blobs(seed: int, count: int = 2, classes: int = 3, side: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    """Scores that are unsure everywhere, images coloured by region, and the regions."""
    stream = np.random.default_rng(seed)
    fields = gaussian_filter(stream.normal(size=(count, classes, side, side)), (0, 0, 4, 4))
    truth = fields.argmax(axis=1)
    colours = stream.integers(30, 226, (classes, 3))
    images = colours[truth] + stream.normal(0, 5, (count, side, side, 3))
    noise = gaussian_filter(stream.normal(size=fields.shape), (0, 0, 1, 1))
    scores = 1.5 * np.moveaxis(np.eye(classes)[truth], 3, 1) + 4 * noise
    pixels = torch.tensor(images.clip(0, 255).astype(np.uint8)).permute(0, 3, 1, 2)
    return torch.tensor(scores, dtype=torch.float32), pixels, torch.tensor(truth)


def randomised(crf: CrfRnn, seed: int) -> CrfRnn:
    """Other weights than at the start, so that none can take another's place unseen."""
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=stream) + 0.5)
    return crf


def by_loops(crf: CrfRnn, scores: Tensor, image: Tensor, iterations: int) -> np.ndarray:
    """The layer's steps pixel by pixel over all pairs, scores [K, H, W] to the same."""
    classes, height, width = scores.shape
    pixels = list(itertools.product(range(height), range(width)))
    parameters, colours = crf.energy, image.double()
    kernels = []
    for position, colour in ((parameters.sigma_gamma, math.inf), (parameters.sigma_alpha, parameters.sigma_beta)):
        raw = np.zeros((len(pixels), len(pixels)))
        for (i, p), (j, q) in itertools.product(enumerate(pixels), enumerate(pixels)):
            apart = float((colours[:, p[0], p[1]] - colours[:, q[0], q[1]]).square().sum())
            raw[i, j] = math.exp(-(math.dist(p, q) ** 2 / position**2 + apart / colour**2) / 2)
        kernels.append(raw / raw.sum(axis=1, keepdims=True))
    weights = [weight.detach().double().numpy() for weight in (crf.spatial, crf.bilateral)]
    compatibility = crf.compatibility.detach().double().numpy()
    unary = scores.double().numpy().reshape(classes, -1)
    current = unary.copy()
    for _ in range(iterations):
        beliefs = np.exp(current) / np.exp(current).sum(axis=0)
        for i in range(len(pixels)):
            for label in range(classes):
                cost = sum(
                    compatibility[label, other] * weight[other] * (kernel[i] @ beliefs[other])
                    for other in range(classes)
                    for weight, kernel in zip(weights, kernels, strict=True)
                )
                current[label, i] = unary[label, i] - cost
    return current.reshape(scores.shape)


@pytest.mark.parametrize("training", [True, False])
def test_layer_is_its_steps_over_all_pairs(training: bool) -> None:
    scores, images, _ = blobs(0, count=1, side=4)
    crf = randomised(CrfRnn(3, SMALL, training_iterations=2), 0).train(training)
    found = crf(scores, images, image_kernels(images, SMALL, exact=True))[0]
    expected = by_loops(crf, scores[0], images[0], 2 if training else SMALL.iterations)
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("normalisation", Normalisation)
def test_layer_starts_as_the_crf_of_its_parameters(normalisation: Normalisation) -> None:
    """The layer charges for other labels, the CRF credits the same label: after a softmax they are one."""
    scores, images, _ = blobs(1, classes=4)
    parameters = CrfParameters(4, 20, 20, normalisation=normalisation)
    with torch.inference_mode():
        found = CrfRnn(4, parameters).eval()(scores, images).softmax(dim=1)
    expected = marginals(-scores, images, parameters)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_released_settings_are_the_authors() -> None:
    crf = CrfRnn(21)
    assert crf.energy is RELEASED
    assert (RELEASED.sigma_alpha, RELEASED.sigma_beta, RELEASED.sigma_gamma) == (160, 3, 3)
    assert (RELEASED.iterations, TRAINING_ITERATIONS) == (10, 5)
    assert {name: tuple(weight.shape) for name, weight in crf.named_parameters()} == {
        "spatial": (21,),
        "bilateral": (21,),
        "compatibility": (21, 21),
    }
    assert (crf.spatial == 3).all()
    assert (crf.bilateral == 5).all()
    assert (crf.compatibility.diagonal() == 0).all()
    assert crf.compatibility.sum() == 21 * 20


@pytest.mark.parametrize("normalisation", Normalisation)
def test_gradients_reach_the_scores_and_every_weight(normalisation: Normalisation) -> None:
    """By finite differences, through the lattices and all iterations."""
    scores, images, _ = blobs(2, side=5)
    energy = CrfParameters(3, 8, 20, sigma_gamma=2, normalisation=normalisation)
    crf = randomised(CrfRnn(3, energy, training_iterations=3).double(), 1)
    names, weights = zip(*crf.named_parameters(), strict=True)

    def layer(scores: Tensor, *weights: Tensor) -> Tensor:
        found: Tensor = torch.func.functional_call(crf, dict(zip(names, weights, strict=True)), (scores, images))
        return found

    assert torch.autograd.gradcheck(layer, (scores.double().requires_grad_(), *weights))


def test_images_of_a_batch_do_not_see_each_other_and_kernels_may_be_kept() -> None:
    scores, images, _ = blobs(3, count=3)
    crf = CrfRnn(3, SMALL)
    together = crf(scores, images)
    assert (crf(scores, images, image_kernels(images, SMALL)) == together).all()
    alone = torch.cat([crf(scores[place : place + 1], images[place : place + 1]) for place in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-6)


def test_layer_and_the_network_below_it_learn_together() -> None:
    """After use in inference mode too, which must not leave tensors behind that training cannot differentiate."""
    torch.manual_seed(0)
    scores, images, truth = blobs(4, count=4)
    crf, below = CrfRnn(3, SMALL), torch.nn.Conv2d(3, 3, 1)
    with torch.inference_mode():
        crf(scores, images)
    optimiser = torch.optim.Adam([*crf.parameters(), *below.parameters()], lr=0.05)
    before = [weight.detach().clone() for weight in (*crf.parameters(), *below.parameters())]
    losses = []
    for _ in range(25):
        optimiser.zero_grad()
        loss = F.cross_entropy(crf(below(scores), images), truth)
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    after = (*crf.parameters(), *below.parameters())
    assert all((one != other).any() for one, other in zip(before, after, strict=True))


def test_layer_mends_what_single_scores_cannot_tell() -> None:
    scores, images, truth = blobs(5)
    with torch.inference_mode():
        refined = CrfRnn(3, SMALL).eval()(scores, images)
    alone, found = ((each.argmax(dim=1) == truth).float().mean() for each in (scores, refined))
    assert alone < 0.9
    assert found > alone + 0.05


def test_images_may_be_of_any_type_and_layers_run_where_only_repeatable_algorithms_are_allowed() -> None:
    scores, images, _ = blobs(6)
    crf = CrfRnn(3, SMALL)
    expected = crf(scores, images)
    assert (crf(scores, images.float()) == expected).all()
    torch.use_deterministic_algorithms(True)
    try:
        found = crf(scores.requires_grad_(), images)
        torch.autograd.backward(found.sum())
    finally:
        torch.use_deterministic_algorithms(False)
    assert (found == expected).all()


def test_shapes_that_disagree_are_refused() -> None:
    scores, images, _ = blobs(7)
    crf = CrfRnn(3, SMALL)
    with pytest.raises(ValueError, match="maps \\[B, K, H, W\\] of images"):
        crf(scores[..., 1:], images)
    with pytest.raises(ValueError, match="scores of 3 classes expected, got 2"):
        crf(scores[:, :2], images)
    with pytest.raises(ValueError, match="images \\[B, 3, H, W\\] expected"):
        crf(scores, images[:, :1])
