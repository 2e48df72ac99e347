"""CRF-RNN: the mean field of a fully connected CRF, unrolled behind a network and trained with it.

Zheng et al., "Conditional Random Fields as Recurrent Neural Networks" (ICCV 2015, arXiv:1502.03240), Section 4: a
softmax, filtering by both kernels, a weight of each kernel for each class, a compatibility transform, and the
network's scores added, five times in training and ten times in use.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.crf.kernels import Kernels, image_kernels
from harness.crf.mean_field import mean_field, pixel_maps, pixel_rows
from harness.crf.parameters import CrfParameters, Normalisation

RELEASED = CrfParameters(w1=5, sigma_alpha=160, sigma_beta=3, normalisation=Normalisation.AFTER)
"""What the authors' code starts from, for photographs of about 500 pixels: 160, 3 and 3 are never learnt."""
TRAINING_ITERATIONS = 5
"""Section 5.2: more make the gradients vanish."""


class CrfRnn(nn.Module):
    """A layer from a network's scores at each pixel to better ones; it starts as the CRF of its parameters.

    Its weights may be trained alone, or with the network whose scores it refines: the gradient reaches both.

    Args:
        classes: K.
        parameters: Deviations and normalisation, and ``w1`` and ``w2`` as the first weights of the two kernels. Its
            iterations are those in evaluation mode.
        training_iterations: Those in training mode.

    Attributes:
        energy: The ``parameters``.
        spatial: Weight of the spatial kernel for each class, [K].
        bilateral: Weight of the bilateral kernel for each class, [K].
        compatibility: What it costs a pixel of one class (row) that another is of some class (column), [K, K]: first
            the Potts model, 0 for the same class and 1 for any other.
    """

    def __init__(
        self, classes: int, parameters: CrfParameters = RELEASED, training_iterations: int = TRAINING_ITERATIONS
    ) -> None:
        super().__init__()
        self.energy = parameters
        self.training_iterations = training_iterations
        self.spatial = nn.Parameter(torch.full((classes,), float(parameters.w2)))
        self.bilateral = nn.Parameter(torch.full((classes,), float(parameters.w1)))
        self.compatibility = nn.Parameter(1 - torch.eye(classes))

    def forward(self, scores: Tensor, images: Tensor, kernels: Kernels | None = None) -> Tensor:
        """Refine scores.

        Args:
            scores: float [B, K, H, W], before any softmax.
            images: [B, 3, H, W], RGB in 0..255, neither normalised nor less a mean; they get no gradient.
            kernels: Of these images, if they were kept: ``image_kernels(images, crf.energy)``. Building them
                takes about as long as one forward pass.

        Returns:
            float [B, K, H, W], scores.

        Raises:
            ValueError: The shapes disagree.
        """
        unary = pixel_rows(scores, images)
        if unary.shape[1] != len(self.spatial):
            raise ValueError(f"scores of {len(self.spatial)} classes expected, got {unary.shape[1]}")
        between = image_kernels(images, self.energy) if kernels is None else kernels

        def messages(beliefs: Tensor) -> Tensor:
            heard = self.spatial * between.spatial(beliefs) + self.bilateral * between.bilateral(beliefs)
            return -heard @ self.compatibility.T

        iterations = self.training_iterations if self.training else self.energy.iterations
        return pixel_maps(mean_field(unary, messages, iterations), images)
