"""One system, one seed: train a classifier, test it, localise with it, transfer it to segmentation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.architecture.gridding import map_gridding
from harness.engine.evaluate import Recognition, label_maps, recognise
from harness.engine.examples import Images
from harness.engine.images import Normalisation, layout
from harness.engine.localise import BoxedImages, choose_threshold, cross_fit, sweep
from harness.engine.losses import cross_entropy
from harness.engine.recipe import Training
from harness.engine.train import LogRow, arithmetic, seeded, train
from harness.experiment import Context, Outcome, Unit
from harness.metrics.segmentation import confusion_counts
from reproductions.drn.models import Classifier, Segmenter, build
from reproductions.drn.pictures import Labelled, Pictures, distinct
from reproductions.drn.recipes import Recipe, Source
from reproductions.drn.specs import find_spec

Arrays = dict[str, NDArray[Any]]
Log = tuple[LogRow, ...]

GRIDDING_PERIOD = 4
"""The largest dilation: grids of 2 and of 4 cells are seen."""
SMALLEST_GRIDDED = 4 * GRIDDING_PERIOD
"""Cells a side that the measure of gridding needs; the maps of a ResNet are smaller and have none."""


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What every phase of a unit needs."""

    unit: Unit
    context: Context
    recipe: Recipe[Source]
    pictures: Pictures
    device: torch.device
    normalise: Normalisation

    def on_device(self, array: NDArray[Any]) -> Tensor:
        return torch.tensor(array, device=self.device)

    def recognise(self, model: Classifier, images: Labelled) -> Recognition:
        pixels, labels = self.on_device(images.pixels), self.on_device(images.labels)
        return recognise(model, model.scores, pixels, labels, self.normalise, self.recipe.evaluation_batch)

    def label(self, model: Segmenter, images: Labelled) -> NDArray[np.uint8]:
        shown = Images(self.on_device(images.pixels), self.on_device(images.labels), self.normalise)
        return label_maps(model, shown.chunks(self.recipe.evaluation_batch))

    def train(self, phase: str, model: nn.Module, targets: NDArray[Any], training: Training) -> Log:
        examples = Images(self.on_device(self.pictures.train.pixels), self.on_device(targets), self.normalise)
        unit, context = self.unit, self.context
        stepped = partial(context.progress, f"{unit.system}, seed {unit.seed}: {phase}")
        path = context.scratch / f"{phase}.pt"
        log = train(model, examples, cross_entropy, training, unit.seed, path, stepped, context.shard)
        return tuple({"phase": phase, **row} for row in log)


def measure(unit: Unit, context: Context, recipe: Recipe[Source], pictures: Pictures) -> Outcome:
    """Train and test one system; goes on from the checkpoints in ``context.scratch``.

    Raises:
        RemeasureError: Training diverged, or a checkpoint cannot be read or written.
    """
    device = torch.device(context.device)
    with arithmetic(device):
        work = _Work(unit, context, recipe, pictures, device, Normalisation.of(pictures.train.pixels, device))
        classifier = _classifier(work)
        log = work.train("classification", classifier, pictures.train.labels, recipe.classification)
        tested = work.recognise(classifier, pictures.test)
        arrays: Arrays = {"ranks": tested.ranks}
        found = tested if pictures.pictured is pictures.test else work.recognise(classifier, pictures.pictured)
        localised, thresholds = _localise(work, classifier, found)
        arrays |= localised | _panels(work, found, localised.get("loc_boxes")) | _gridding(work, classifier)
        if recipe.segmentation is not None and pictures.train.masks is not None:
            segmenter = _segmenter(work, classifier)
            log += work.train("segmentation", segmenter, pictures.train.masks, recipe.segmentation)
            arrays |= _segment(work, segmenter)
    return Outcome(_named(thresholds), arrays, log)


def _classifier(work: _Work) -> Classifier:
    spec, recipe = find_spec(work.unit.system), work.recipe
    classes = int(work.pictures.train.labels.max()) + 1
    schedule = recipe.dilation if spec.family == "DRN-A" else None
    with seeded(work.unit.seed):
        model = build(spec, num_classes=classes, width=recipe.width, schedule=schedule)
    return model.to(memory_format=layout(work.device)).to(work.device)


def _segmenter(work: _Work, classifier: Classifier) -> Segmenter:
    """Turn the trained classifier into a segmentation network with a fresh 1x1 classifier."""
    with seeded(work.unit.seed):
        model = Segmenter(classifier, len(work.recipe.classes), work.recipe.upsampling)
    return model.to(memory_format=layout(work.device)).to(work.device)


def _localise(work: _Work, classifier: Classifier, found: Recognition) -> tuple[Arrays, tuple[float, ...]]:
    """Localise with thresholds from other images; image i has threshold i modulo their number."""
    pictures, rule, among = work.pictures, work.recipe.localisation, work.recipe.thresholds
    if pictures.boxed is None:
        return {}, ()
    images = _boxed(found, pictures.boxed)
    if pictures.tuning is None:
        fitted = cross_fit(images, rule, among)
        boxes, iou, thresholds = fitted.boxes, fitted.iou, fitted.thresholds
    else:
        tuning = _boxed(work.recognise(classifier, pictures.tuning), pictures.tuning)
        thresholds = (choose_threshold(tuning, rule, among),)
        boxes, iou = images.localise(replace(rule, threshold=thresholds[0]))
    arrays: Arrays = {
        "loc_ranks": found.ranks,
        "loc_iou": iou.astype(np.float32),
        "loc_sweep": sweep(images, rule, among).astype(np.float32),
        "loc_boxes": _whole(boxes),
    }
    return arrays, thresholds


def _panels(work: _Work, found: Recognition, boxes: NDArray[np.int16] | None) -> Arrays:
    """Keep some images with their maps, chosen by label and place alone."""
    images = work.pictures.pictured
    places = distinct(images.labels, work.recipe.panels)
    arrays: Arrays = {"panel_index": places, "panel_maps": found.activation.response[places].astype(np.float32)}
    if images.showable:
        arrays["panel_images"] = images.pixels[places]
    if images.truth is not None and boxes is not None:
        first = np.stack([images.truth.boxes[images.truth.owners == place][0] for place in places])
        arrays["panel_boxes"] = np.stack([_whole(first), boxes[places]], axis=1)
    return arrays


def _gridding(work: _Work, classifier: Classifier) -> Arrays:
    response = work.recognise(classifier, work.pictures.wide).activation.response
    if min(response.shape[1:]) < SMALLEST_GRIDDED:
        return {}
    return {"gridding": map_gridding(torch.from_numpy(response)[:, None], GRIDDING_PERIOD).numpy().astype(np.float32)}


def _segment(work: _Work, segmenter: Segmenter) -> Arrays:
    test = work.pictures.test
    if test.masks is None:
        return {}
    predicted = work.label(segmenter, test)
    places = distinct(test.labels, work.recipe.panels)
    return {
        "confusion": confusion_counts(test.masks, predicted, len(work.recipe.classes)).astype(np.int32),
        "panel_truth": test.masks[places],
        "panel_labels": predicted[places],
    }


def _boxed(found: Recognition, images: Labelled) -> BoxedImages:
    if images.truth is None:
        raise ValueError("images without boxes cannot be localised")
    return BoxedImages(found.ranks == 0, found.activation, images.truth.boxes, images.truth.owners, images.size)


def _whole(boxes: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.int16]:
    """Round boxes to pixels; a row of -1 where there is none."""
    return np.rint(np.nan_to_num(boxes.astype(np.float64), nan=-1.0)).astype(np.int16)


def _named(thresholds: tuple[float, ...]) -> dict[str, int | float | str]:
    names = ("threshold",) if len(thresholds) == 1 else ("threshold-even", "threshold-odd")
    return dict(zip(names, thresholds, strict=False))
