"""Labels decided again from kept views, under protocols that differ in what happens after the network.

What changes the network's input (the kernel that resizes images, padding, tiles) cannot be tried from its outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError, UsageError
from harness.evaluation.decide import decide
from harness.evaluation.protocol import (
    Alignment,
    Fusion,
    Precision,
    Quantity,
    Seams,
    SegmentationProtocol,
)
from harness.explain.conventions import Axis, Choice, Grid, Option, Untried, segmentation_grid
from harness.explain.rescore import Answers, Counts, CountScores, Rescoring
from harness.explain.views import KeptViews, load_views, view_files
from harness.metrics.segmentation import confusion_counts
from harness.statistics.intervals import Floats

Progress = Callable[[str, int, int], None]

FUSION = (
    Option(Fusion.MAX_OF_LOGITS, "maximum of the logits", "DeepLab"),
    Option(Fusion.MEAN_OF_PROBABILITIES, "mean of the probabilities", "DUC"),
    Option(Fusion.SUM_OF_LOG_PROBABILITIES, "sum of the log-probabilities", "the DRN code"),
)
QUANTITY = (
    Option(Quantity.LOGITS, "logits", "DeepLab"),
    Option(Quantity.PROBABILITIES, "probabilities", "Yu & Koltun"),
    Option(Quantity.LOG_PROBABILITIES, "log-probabilities", "the DRN code"),
)
ALIGNMENT = (
    Option(Alignment.CORNERS, "first and last cell on the corner pixels", "Caffe's Interp"),
    Option(Alignment.CENTRES, "each cell in the middle of its pixels", "PyTorch's default"),
    Option(Alignment.SAMPLES, "cell k on pixel k times the stride", "Yu & Koltun"),
)
PRECISION = (
    Option(Precision.FLOAT32, "as kept"),
    Option(Precision.BFLOAT16, "rounded to bfloat16"),
    Option(Precision.FLOAT16, "rounded to float16"),
)
SEAMS = (
    Option(Seams.AVERAGE, "averaged where tiles overlap"),
    Option(Seams.CROP, "cut in the middle of overlaps"),
)
_INPUT = Untried(
    "kernel and antialiasing of images, padding, tiles", "they change what the network sees: evaluate again"
)
_SETTINGS = ("scales", "flip", "fusion", "quantity", "alignment", "precision", "seams", "crf")
"""Every axis there may be."""

Settings = tuple[tuple[str, str], ...]
"""The answers on the axes of :data:`_SETTINGS`, in their order."""


def rescoring_of_views(
    folder: Path,
    protocol: SegmentationProtocol,
    recorded: Counts,
    class_names: Sequence[str],
    *,
    metric: str,
    dataset: str,
    progress: Progress,
) -> Rescoring:
    """Return kept views with every convention after the network, those of counts included.

    Args:
        folder: One file per image, as :func:`harness.explain.views.save_views` writes it, with its truth.
        protocol: That the labels were decided by.
        recorded: int64 [N, K, K + 1], the counts of the same images that were recorded, in any order.
        class_names: K names, or none.
        metric, dataset: As for :func:`harness.explain.rescore.segmentation`.

    Raises:
        DataError: A file is damaged or keeps no truth, or the images are not those that were recorded.
        UsageError: The views do not fit the protocol.
    """
    files = view_files(folder)
    first = load_views(files[0])
    axes, untried = _axes(protocol, first)
    redecided = Redecided(files, protocol, recorded.shape[1], progress)
    (usual,) = redecided([{axis.key: axis.usual for axis in axes}])
    if usual is None:
        raise UsageError(f"{folder}: the views do not fit the protocol", "Name the protocol that they were made by.")
    if not same_images(usual, recorded):
        raise DataError(
            f"{folder}: views of {len(files)} images that are not the record's {len(recorded)}, by their true pixels",
            "Name the folder that the recorded evaluation wrote.",
        )
    counting = segmentation_grid(
        metric,
        dataset,
        class_names,
        any_outside=bool(usual[..., -1].any()),
        any_absent=bool((usual.sum(axis=2) == 0).any()),
    )

    def idle(answers: Answers) -> bool:
        return counting.idle(answers) or _idle(protocol, answers)

    grid = Grid((*axes, *counting.axes), (*untried, *counting.untried), idle)

    def scores(choices: Sequence[Choice], weights: Floats) -> Floats:
        answers = [grid.answers(choice) for choice in choices]
        columns = [
            np.full((len(weights), 1), np.nan) if counts is None else CountScores(counts)([one], weights)
            for one, counts in zip(answers, redecided(answers), strict=True)
        ]
        return np.concatenate(columns, axis=1)

    return Rescoring(grid, len(files), scores)


@dataclass(frozen=True)
class Redecided:
    """Confusion counts of kept views by the answers to what happens after the network; each protocol is run once.

    Attributes:
        files: Of the views, one per image.
        protocol: What is not among the answers.
        classes: K.
    """

    files: Sequence[Path]
    protocol: SegmentationProtocol
    classes: int
    progress: Progress
    known: dict[Settings, Counts | None] = field(default_factory=dict, init=False)

    def __call__(self, answers: Sequence[Answers]) -> list[Counts | None]:
        """Return int64 [N, K, K + 1] for each; None where the views do not allow it.

        Raises:
            DataError: A file is damaged or keeps no truth.
        """
        wanted = [tuple((key, one[key]) for key in _SETTINGS if key in one) for one in answers]
        self._run([settings for settings in dict.fromkeys(wanted) if settings not in self.known])
        return [self.known[settings] for settings in wanted]

    def _run(self, missing: Sequence[Settings]) -> None:
        if not missing:
            return
        counts: dict[Settings, list[Counts]] = {settings: [] for settings in missing}
        for place, path in enumerate(self.files):
            kept = load_views(path)
            truth = truth_of(kept, path)
            for settings in list(counts):
                labels = _labels(kept, self.protocol, dict(settings))
                if labels is None:
                    del counts[settings]
                else:
                    counts[settings].append(confusion_counts(truth[None], labels[None], self.classes))
            self.progress(f"deciding labels under {len(missing)} protocols", place + 1, len(self.files))
        self.known.update({s: np.concatenate(counts[s]) if s in counts else None for s in missing})


def truth_of(kept: KeptViews, path: Path) -> NDArray[np.uint8]:
    """Return the true labels that were kept.

    Raises:
        DataError: There are none.
    """
    if kept.truth is None:
        raise DataError(f"{path}: the true labels were not kept", "Evaluate again and keep them with the views.")
    return kept.truth


def recorded_protocol(recipe: Mapping[str, Any], suffix: str = "") -> SegmentationProtocol:
    """Return the protocol of a record's recipe: its own, or by suffix that of one of its variants.

    Raises:
        UsageError: It has none, or one that cannot be read.
    """
    recorded = recipe.get("variant-protocols", {}).get(suffix) if suffix else recipe.get("protocol")
    if recorded is None:
        raise UsageError("the record's recipe names no evaluation protocol", "Leave out --views.")
    try:
        return msgspec.convert(recorded, SegmentationProtocol)
    except msgspec.ValidationError as error:
        raise UsageError(f"the record's evaluation protocol cannot be read: {error}") from error


def same_images(redecided: Counts, recorded: Counts) -> bool:
    """Whether two counts [N, K, K + 1] are of the same images by their true pixels, in whatever order."""
    if redecided.shape != recorded.shape:
        return False
    mine, theirs = (sorted(map(tuple, counts.sum(axis=2).tolist())) for counts in (redecided, recorded))
    return mine == theirs


def _axes(protocol: SegmentationProtocol, first: KeptViews) -> tuple[tuple[Axis, ...], tuple[Untried, ...]]:
    """Return the axes that the views of an image allow."""
    scales, upsampling, tiling = {view.scale for view in first.views}, protocol.upsampling, protocol.tiling
    flipped = any(view.flipped for view in first.views)
    axes, untried = [], [_INPUT]
    if len(scales) > 1 and 1.0 in scales:
        both = (Option("all", f"all {len(scales)}"), Option("one", "the image's own size alone"))
        axes.append(Axis("scales", "Scales", both, "all"))
    if flipped:
        both = (Option("on", "as it is and mirrored"), Option("off", "as it is alone"))
        axes.append(Axis("flip", "Mirrored views", both, "on"))
    if len(scales) > 1 or flipped:
        axes.append(Axis("fusion", "How views are fused", FUSION, protocol.fusion))
    else:
        untried.append(Untried("scales, mirrored views, and how they are fused", "each image has one view"))
    axes.append(Axis("quantity", "What is interpolated", QUANTITY, upsampling.quantity))
    if upsampling.alignment is Alignment.NETWORK:
        untried.append(Untried("how cells lie on pixels", "the network upsamples its scores itself"))
    else:
        known = ALIGNMENT if upsampling.stride is not None else ALIGNMENT[:-1]
        axes.append(Axis("alignment", "How cells lie on pixels", known, upsampling.alignment))
    axes.append(Axis("precision", "Precision of the scores", PRECISION, _precision(protocol.precision)))
    if tiling is not None and tiling.overlap and tiling.seams is not Seams.CELLS:
        axes.append(Axis("seams", "Tiles", SEAMS, tiling.seams))
    if protocol.crf is not None and first.image is not None:
        both = (Option("on", "refined"), Option("off", "not refined"))
        axes.append(Axis("crf", "Dense CRF", both, "on"))
    else:
        why = "the protocol has no parameters for it" if protocol.crf is None else "the images were not kept"
        untried.append(Untried("dense CRF", why))
    return tuple(axes), tuple(untried)


def _precision(recorded: Precision) -> Precision:
    """Scores are kept as the network left them: rounding them again to its own precision changes nothing."""
    return Precision.FLOAT32 if recorded is Precision.TF32 else recorded


def _idle(protocol: SegmentationProtocol, answers: Answers) -> bool:
    """Whether an answer contradicts another one, or is about fusing a single view."""
    changed = _changed(protocol, answers)
    if changed is None:
        return True
    single = len(changed.scales) == 1 and not changed.flip
    return single and answers.get("fusion", protocol.fusion) != protocol.fusion


def _changed(protocol: SegmentationProtocol, answers: Answers) -> SegmentationProtocol | None:
    """Return the protocol with other answers; None where they contradict each other."""
    upsampling = replace(
        protocol.upsampling,
        alignment=Alignment(answers.get("alignment", protocol.upsampling.alignment)),
        quantity=Quantity(answers.get("quantity", protocol.upsampling.quantity)),
    )
    tiling = protocol.tiling
    if tiling is not None and "seams" in answers:
        tiling = replace(tiling, seams=Seams(answers["seams"]))
    try:
        return replace(
            protocol,
            upsampling=upsampling,
            tiling=tiling,
            scales=(1.0,) if answers.get("scales") == "one" else protocol.scales,
            flip=protocol.flip and answers.get("flip") != "off",
            fusion=Fusion(answers.get("fusion", protocol.fusion)),
            precision=Precision(answers.get("precision", protocol.precision)),
            crf=None if answers.get("crf", "off") == "off" else protocol.crf,
        )
    except UsageError:
        return None


def _labels(kept: KeptViews, protocol: SegmentationProtocol, answers: Answers) -> NDArray[np.uint8] | None:
    """Decide uint8 [H, W]; None where the views do not allow it."""
    changed = _changed(protocol, answers)
    if changed is None:
        return None
    views = [v for v in kept.views if v.scale in changed.scales and (changed.flip or not v.flipped)]
    try:
        labels: NDArray[np.uint8] = decide(views, kept.size, changed, kept.image).cpu().numpy()
    except UsageError:
        return None
    return labels
