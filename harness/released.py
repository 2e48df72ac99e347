"""Experiments on the authors' checkpoints: what is found of weights and images decides what can run. No torch.

Each evaluation becomes two experiments: one on all images of the split that the paper's numbers are of, whose records
are verdicts on them, and one on whatever part of the split is at hand, whose records stand beside them without one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec

from harness.checkpoints.binary import sha256
from harness.checkpoints.find import Finding, FoundFile, find_released
from harness.checkpoints.released import ReleasedFile, Task, released_of
from harness.datasets.labelled import ClassifiedImages, LabelledImages, Split
from harness.errors import CheckpointError, DataError
from harness.evaluation.protocol import Channels, Colours, SegmentationProtocol
from harness.experiment import Context, Experiment, Options, Outcome, Progress, Reach, Unit
from harness.ledger.record import Data, Deviation
from harness.statistics.evidence import Evidence
from harness.statistics.verdicts import Margin

Images = TypeVar("Images", ClassifiedImages, LabelledImages)
SOURCE = (
    "harness.checkpoints",
    "harness.crf",
    "harness.datasets",
    "harness.engine.crf",
    "harness.engine.images",
    "harness.engine.recipe",
    "harness.evaluation",
    "harness.metrics",
    "harness.networks",
    "harness.released",
    "harness.released_splits",
)
"""Modules that can change what a checkpoint is measured to give, whichever paper's."""
PORTS = Margin(1.0, "ports of one network's weights between frameworks gave mean IoUs 1 point apart")
"""Of mean IoU and of classes' IoU."""
_KEPT = 8
"""Folders whose content is remembered while a command runs; opening one may read tens of thousands of files."""


@dataclass(frozen=True, kw_only=True)
class Evaluation(Generic[Images]):
    """What released checkpoints are put through, as a paper declares it.

    Attributes:
        paper, key, title: Of the experiment.
        systems: Rows of the paper's tables; released networks that are in none are left out.
        task: Of the checkpoints.
        split: Of the images, as claims name it: "imagenet/val".
        stated: Split of which results of the checkpoints are stated, if it is another: a test set has no public truth.
        open: From a folder to the images that are there, all or part of the split; raises DataError.
        measure: Measures one system; imports torch only when it is called.
        recipe: Every setting; digests of the checkpoints are added under ``weights``.
        reaches: Which printed numbers it stands beside.
        source: Modules that can change the outcome beside ``SOURCE``.
        deviations: From the paper; what is known of the checkpoints is added.
        date: Of the deviations that are added.
    """

    paper: str
    key: str
    title: str
    systems: tuple[str, ...]
    task: Task
    split: str
    open: Callable[[Path], Images]
    measure: Callable[[Unit, Context, FoundFile, Images], Outcome]
    recipe: Mapping[str, Any]
    reaches: tuple[Reach, ...]
    source: tuple[str, ...]
    deviations: tuple[Deviation, ...]
    date: str
    stated: str = ""


def expected_colours(paper: str, system: str) -> Colours:
    """Return what the released segmentation networks of a system, all alike, expect of colours.

    Raises:
        ValueError: None was released, or they differ.
    """
    files = [file for file in released_of(paper) if (file.system, file.task) == (system, "segmentation")]
    (only,) = {file.preprocessing for file in files}
    return Colours(only.mean, only.deviation, Channels(only.channels), only.white)


def labelling(
    classes: Sequence[str],
    protocol: SegmentationProtocol,
    *,
    batch: int = 1,
    variants: Mapping[str, tuple[str, SegmentationProtocol]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the recipe of counted label maps.

    Args:
        classes: As the paper's tables call them, in order of label.
        protocol: Of the system itself.
        batch: Images that the network sees at a time.
        variants: By suffix of their arrays, names of other ways of evaluation and how it is done.
    """
    recipe = {"protocol": msgspec.to_builtins(protocol), "classes": list(classes), "batch": batch}
    if not variants:
        return recipe
    named = {suffix: name for suffix, (name, _) in variants.items()}
    made = {suffix: msgspec.to_builtins(protocol) for suffix, (_, protocol) in variants.items()}
    return {**recipe, "variants": named, "variant-protocols": made}


def declare(evaluation: Evaluation[Images], options: Options) -> tuple[Experiment, Experiment]:
    """Make the experiment on the whole split and that on a part of it.

    The folders are looked at only if both are given: images are listed, checkpoints identified by their digests.

    Raises:
        CheckpointError: The folder with checkpoints is not there.
    """
    files = _files(evaluation)
    found, lacks = _weights(evaluation, files, options.weights)
    images, problem = _images(evaluation, options)
    missing = [] if options.weights is not None else ["a folder with the authors' checkpoints (--weights DIR)"]
    if options.data is None:
        missing.append(f"a folder with {evaluation.split} (--data DIR)")
    elif problem:
        missing.append(f"{evaluation.split}, which cannot be used: {problem}")
    if options.toy:
        missing.append("its full protocol: leave out --toy")
    needs = " and ".join(missing)
    make = partial(_experiment, evaluation, options, files, found, images)
    whole, part = make(part=False), make(part=True)
    if images is None or needs:
        return _with(whole, needs, lacks), _with(part, needs, lacks)
    split = images.split
    if split.whole:
        return _with(whole, "", lacks), _with(part, f"part of {split.key}; all of it is here", lacks)
    all_images = f"all {split.release:,} images" if split.release is not None else "all images"
    needs = f"{all_images} of {split.key}; {split.images:,} are here, on which {part.key} can run"
    return _with(whole, needs, lacks), _with(part, "", lacks)


def _with(experiment: Experiment, needs: str, lacks: Mapping[str, str]) -> Experiment:
    return replace(experiment, needs=needs, lacks=lacks)


def _experiment(
    evaluation: Evaluation[Images],
    options: Options,
    files: tuple[ReleasedFile, ...],
    found: Mapping[str, FoundFile],
    images: Images | None,
    *,
    part: bool,
) -> Experiment:
    def measure(unit: Unit, context: Context) -> Outcome:
        if images is None or unit.system not in found:
            raise CheckpointError(f"the released checkpoint of {unit.system} is not at hand", "Name it by --weights.")
        return evaluation.measure(unit, context, found[unit.system], images)

    def describe(progress: Progress) -> Data:
        progress(f"looking at {evaluation.split}", 0, 1)
        if images is None:
            raise DataError(f"{options.data}: no images of {evaluation.split}")
        return _data(images.split)

    weights = {system: _digest(file.path) for system, file in found.items()}
    differences: tuple[Deviation, ...] = (*evaluation.deviations, *_caveats(files, evaluation.date))
    return Experiment(
        key=f"{evaluation.key}-part" if part else evaluation.key,
        title=f"{evaluation.title}, part of the images" if part else evaluation.title,
        evidence=Evidence.SUBSET if part else Evidence.RELEASED_WEIGHTS,
        systems=tuple(dict.fromkeys(file.system for file in files)),
        seeds=(0,),
        reaches=evaluation.reaches,
        recipe={**evaluation.recipe, "weights": weights},
        source=(*SOURCE, *evaluation.source),
        deviations=(*differences, _partial(evaluation)) if part else differences,
        measure=measure,
        command=f"remeasure run {evaluation.paper} --evidence released-weights --weights DIR --data DIR",
        data=describe,
        part_of=Evidence.RELEASED_WEIGHTS if part else None,
        shared=True,
        split=evaluation.split,
    )


def _files(evaluation: Evaluation[Images]) -> tuple[ReleasedFile, ...]:
    """Return the authors' own checkpoints of systems with a row among the claims, those first that were not converted.

    One that has seen the truth of the split is no evidence there and is left out.
    """
    files = [
        file
        for file in released_of(evaluation.paper)
        if file.task == evaluation.task
        and file.system in evaluation.systems
        and file.origin != "independent"
        and (evaluation.stated or evaluation.split) in file.evaluated_on
        and evaluation.split not in file.contaminated_for
    ]
    return tuple(sorted(files, key=lambda file: file.origin != "authors"))


def _weights(
    evaluation: Evaluation[Images], files: tuple[ReleasedFile, ...], folder: Path | None
) -> tuple[dict[str, FoundFile], dict[str, str]]:
    """Return the checkpoint of each system, and of systems without one what they lack and where it is."""
    if folder is None:
        return {}, {}
    finding = _finding(evaluation.paper, folder.resolve())
    here = {file.released: file for file in finding.found}
    found: dict[str, FoundFile] = {}
    lacks: dict[str, list[str]] = {}
    for file in files:
        if file in here:
            found.setdefault(file.system, here[file])
            continue
        refused = [refusal.reason for refusal in finding.refused if file.named(refusal.path.name)]
        lacks.setdefault(file.system, []).append("; ".join(refused) or f"{file.name} (from {file.url})")
    return found, {system: " or ".join(what) for system, what in lacks.items() if system not in found}


def _images(evaluation: Evaluation[Images], options: Options) -> tuple[Images | None, str]:
    """Return the images that are there, or why there are none."""
    if options.data is None or options.weights is None or options.toy:
        return None, ""
    try:
        opened: Images = _opened(evaluation.open, options.data.resolve())
    except DataError as error:
        return None, str(error)
    return opened, ""


@lru_cache(_KEPT)
def _opened(open_split: Callable[[Path], Images], folder: Path) -> Images:
    return open_split(folder)


@lru_cache(_KEPT)
def _finding(paper: str, folder: Path) -> Finding:
    return find_released(folder, released_of(paper))


@lru_cache(_KEPT * _KEPT)
def _digest(path: Path) -> str:
    return sha256(path)


def _data(split: Split) -> Data:
    release = f"{split.release:,}" if split.release is not None else "an unknown number of"
    note = f"{split.images:,} of the {release} images of {split.key}, as released"
    return Data(split.key if split.whole else f"part of {split.key}", split.digest, 0, split.images, note)


def _caveats(files: tuple[ReleasedFile, ...], date: str) -> tuple[Deviation, ...]:
    """Return what bounds the meaning of each checkpoint's score."""
    return tuple(
        Deviation(
            date=date,
            topic=f"checkpoint {file.name}",
            paper=f"the network {file.system}, trained by the authors",
            where="tables",
            ours=" ".join(file.caveats()),
            why="this is what was released",
        )
        for file in files
        if file.caveats()
    )


def _partial(evaluation: Evaluation[Images]) -> Deviation:
    return Deviation(
        date=evaluation.date,
        topic="test images",
        paper=f"all images of {evaluation.split}",
        where="tables",
        ours="those that are at hand, however they were chosen",
        why="the rest is not here",
        effect="no verdict on the printed numbers: these images may be easier or harder than the rest",
    )
