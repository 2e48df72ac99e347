"""One system, one seed: what a paper's measurement of a segmentation network is put together from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.datasets.segmented import VOID, Segmented
from harness.engine.crf import CrfParameters, available_backend, crf_pool, refine_all
from harness.engine.evaluate import feature_maps, label_maps, probability_maps
from harness.engine.examples import Examples, Images, Maps
from harness.engine.grid_search import search
from harness.engine.images import Normalisation, layout
from harness.engine.losses import Terms, cross_entropy
from harness.engine.recipe import Training
from harness.engine.train import LogRow, Loss, seeded, train
from harness.experiment import Context, Unit
from harness.metrics.segmentation import confusion_counts, mean_iou
from harness.metrics.trimap import Boundary, trimap_counts
from harness.segmentation.recipe import CrfSearch, Recipe
from harness.segmentation.sets import Sets, spread

Arrays = dict[str, NDArray[Any]]
Labels = NDArray[np.uint8]
Probabilities = NDArray[np.float32]
Log = tuple[LogRow, ...]

NETWORK = "network"
"""The phase that the recipe's ``training`` is of, the first of a unit; a time budget shortens it."""

FEW = 200
"""Up to so many refinements by a CRF are done here: starting other processes would take longer."""


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """The three sets as a network sees them: as images, or as feature maps that another network made of them."""

    train: Examples
    tuning: Examples
    test: Examples


def pixel_cross_entropy(scores: Tensor, targets: Tensor) -> Terms:
    """Mean cross entropy of scores [B, K, H, W] over the pixels of targets int64 [B, H, W] that are not void."""
    return cross_entropy(scores, targets, VOID)


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """What every step of a unit needs.

    Attributes:
        images: The sets as normalised images; the training images are varied.
    """

    unit: Unit
    context: Context
    recipe: Recipe
    sets: Sets
    images: Views

    @classmethod
    def of(cls, unit: Unit, context: Context, recipe: Recipe, sets: Sets, scale: Normalisation | None = None) -> Desk:
        """Put the images on the device.

        Args:
            scale: How pixels become network input; None normalises by the training images.
        """
        device = torch.device(context.device)
        normalisation = scale or Normalisation.of(sets.train.pixels, device)

        def view(images: Segmented) -> Images:
            pixels, labels = (torch.tensor(array, device=device) for array in (images.pixels, images.labels))
            return Images(pixels, labels, normalisation, torch.tensor(images.extents.astype(np.int64), device=device))

        return cls(unit, context, recipe, sets, Views(view(sets.train), view(sets.tuning), view(sets.test)))

    @property
    def device(self) -> torch.device:
        return self.images.train.device

    def place(self, build: Callable[[], nn.Module]) -> nn.Module:
        """Build a network with initial weights from the unit's seed and put it on the device."""
        with seeded(self.unit.seed):
            model = build()
        return model.to(memory_format=layout(self.device)).to(self.device)

    def train(
        self,
        phase: str,
        model: nn.Module,
        training: Training,
        examples: Examples | None = None,
        loss: Loss = pixel_cross_entropy,
    ) -> Log:
        """Train ``model`` in place, by default on the training images; see :func:`harness.engine.train.train`.

        Args:
            phase: Name of the checkpoint and of the log's rows; one phase of a unit differs from another.
        """
        stepped = partial(self.context.progress, f"{self.unit.system}, seed {self.unit.seed}: {phase}")
        path = self.context.scratch / f"{phase}.pt"
        examples = self.images.train if examples is None else examples
        log = train(model, examples, loss, training, self.unit.seed, path, stepped, self.context.shard)
        return tuple({"phase": phase, **row} for row in log)

    def freeze(self, model: nn.Module, dtype: torch.dtype = torch.float32) -> Views:
        """Return the feature maps that ``model`` makes of all images, for networks that are trained on top of it."""

        def maps(examples: Examples, images: Segmented) -> Maps:
            features = feature_maps(model, examples.chunks(self.recipe.evaluation_batch), dtype)
            return Maps(features, torch.tensor(images.labels, device=self.device))

        views, sets = self.images, self.sets
        return Views(maps(views.train, sets.train), maps(views.tuning, sets.tuning), maps(views.test, sets.test))

    def predict(self, model: nn.Module, examples: Examples | None = None) -> Labels:
        """Return the labels of the test images, uint8 [N, H, W]; ``examples`` are those images in another view."""
        examples = self.images.test if examples is None else examples
        return label_maps(model, examples.chunks(self.recipe.evaluation_batch))

    def refine(self, model: nn.Module, views: Views | None = None) -> tuple[Labels, CrfParameters]:
        """Label the test images by a dense CRF over the network's probabilities, its parameters set by the recipe.

        Returns:
            uint8 [N, H, W], and the parameters that were best on the tuning images.
        """
        if self.recipe.crf is None:
            raise ValueError("the recipe has no CRF")
        views = self.images if views is None else views
        batch, tuning, test = self.recipe.evaluation_batch, self.sets.tuning, self.sets.test
        points = sum(math.prod(map(len, stage.values())) for stage in self.recipe.crf.stages)
        with crf_pool() if points * len(tuning) + len(test) > FEW else nullcontext() as pool:
            seen = list(probability_maps(model, views.tuning.chunks(batch)))
            parameters = self._tuned(self.recipe.crf, seen, pool)
            probabilities = list(probability_maps(model, views.test.chunks(batch)))
            return _refined(probabilities, test, parameters, pool), parameters

    def tested(self, labels: Labels, suffix: str = "") -> Arrays:
        """Return what a record keeps of predicted labels: counts for each image, and some of the label maps."""
        ending = f".{suffix}" if suffix else ""
        counts = confusion_counts(self.sets.test.labels, labels, len(self.recipe.classes))
        return {f"confusion{ending}": counts.astype(np.int32), f"panel_labels{ending}": labels[self._panels()]}

    def near_boundaries(self, labels: Labels, widths: Mapping[str, int]) -> Arrays:
        """Return the counts over the pixels at most so far from a boundary between true labels, by suffix."""
        classes, truth = len(self.recipe.classes), self.sets.test.labels
        counts = trimap_counts(truth, labels, classes, tuple(widths.values()), Boundary.CLASSES)
        return {f"confusion.{suffix}": band.astype(np.int32) for suffix, band in zip(widths, counts, strict=True)}

    def pictured(self) -> Arrays:
        """Return the panels' places in the test set, their true labels and, where they may be shown, their images."""
        places, test = self._panels(), self.sets.test
        arrays: Arrays = {"panel_index": places.astype(np.int32), "panel_truth": test.labels[places]}
        return arrays | ({"panel_images": test.pixels[places]} if self.sets.showable else {})

    def _panels(self) -> NDArray[np.int64]:
        return spread(len(self.sets.test), self.recipe.panels)

    def _tuned(self, wanted: CrfSearch, probabilities: Sequence[Probabilities], pool: Executor | None) -> CrfParameters:
        tuning = self.sets.tuning

        def parameters(point: Mapping[str, float]) -> CrfParameters:
            w1, sigma_alpha, sigma_beta = (point[name] for name in ("w1", "sigma_alpha", "sigma_beta"))
            return CrfParameters(w1, sigma_alpha, sigma_beta, wanted.w2, wanted.sigma_gamma, wanted.iterations)

        def score(point: Mapping[str, float]) -> float:
            labels = _refined(probabilities, tuning, parameters(point), pool)
            return mean_iou(confusion_counts(tuning.labels, labels, len(self.recipe.classes)))

        return parameters(search(score, wanted.stages).best.point)


def crf_values(parameters: CrfParameters, suffix: str = "crf") -> dict[str, int | float | str]:
    """Return chosen parameters, and what the CRF was computed by, as a record's values."""
    chosen = {name.replace("_", "-"): value for name, value in asdict(parameters).items()}
    return {f"{suffix}-{name}": value for name, value in (chosen | {"backend": available_backend().value}).items()}


def _refined(
    probabilities: Sequence[Probabilities], images: Segmented, parameters: CrfParameters, pool: Executor | None
) -> Labels:
    """Refine every image within its frame; what pads it keeps the label it has, which counts nowhere."""
    labels = np.stack([scores.argmax(axis=0) for scores in probabilities]).astype(np.uint8)
    inside = [scores[:, :rows, :columns] for scores, (rows, columns) in zip(probabilities, images.extents, strict=True)]
    pixels = [image[:rows, :columns] for image, (rows, columns) in zip(images.pixels, images.extents, strict=True)]
    for place, marginals in enumerate(refine_all(inside, pixels, parameters, pool=pool)):
        rows, columns = images.extents[place]
        labels[place, :rows, :columns] = marginals.argmax(axis=0)
    return labels
