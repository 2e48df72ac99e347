"""Where the experiments that train whole networks on photographs differ from the paper."""

from __future__ import annotations

from harness.datasets.camvid import RELEASE_COUNTS, Split
from harness.ledger.record import Deviation
from reproductions.hdc.deviations import (
    CITYSCAPES,
    DATE,
    DECONVOLUTION,
    GRIDDING,
    GROUPS,
    RESNET,
    alignment,
    budget,
    crf_search,
)
from reproductions.hdc.gpu_recipes import WholeRecipe

_STEPS = 59_500
"""Of the paper: 20 epochs of 35,700 patches, 12 at a time."""


def whole(recipe: WholeRecipe, full_epochs: int) -> tuple[Deviation, ...]:
    """Return what a comparison of whole networks does differently; ``full_epochs`` is its recipe's without a budget."""
    training = (_schedule(recipe), *budget(recipe.training.epochs, full_epochs), _rates(recipe), _precision(recipe))
    network = (_trunk(recipe), _start(recipe), *_normalised(recipe), _pyramid(recipe))
    shown = (alignment(recipe), *crf_search(recipe), GRIDDING, _thin(recipe))
    return (_data(recipe), _pieces(recipe), *network, *training, *shown, DECONVOLUTION if recipe.crf else GROUPS)


def _data(recipe: WholeRecipe) -> Deviation:
    rows, columns = recipe.size
    limit = recipe.data.limit
    whole_sets = f"all {RELEASE_COUNTS[Split.TRAIN]} training and {RELEASE_COUNTS[Split.TEST]} test frames"
    frames = whole_sets if limit is None else f"at most {limit} frames of each set"
    return Deviation(
        date=DATE,
        topic="data",
        paper=CITYSCAPES,
        where="Section 4.1",
        ours=f"{len(recipe.classes)} classes of CamVid in SegNet's release: {frames}, {rows}x{columns} pixels",
        why="photographs of streets that are at hand; Cityscapes has to be asked for",
        effect="IoUs cannot be compared with the printed ones; only the order of systems can",
    )


def _pieces(recipe: WholeRecipe) -> Deviation:
    crop = recipe.training.augmentation.crop
    side = "whole frames" if crop is None else f"pieces of {crop[0]}x{crop[1]} pixels from anywhere in a frame"
    return Deviation(
        date=DATE,
        topic="training pieces",
        paper="544x544 pixels from anywhere in one of twelve 800x800 patches of an image; 880x880 around seven centres "
        "for the bigger patch and what is compared with it; mirroring and scaling are not mentioned, and the authors' "
        "code has both",
        where="Section 4.1; train_cityscapes.cfg of the release",
        ours=f"{side} in all systems, half of them mirrored, none scaled",
        why="320 pixels are two thirds of a frame's longer side, as 544 are of a patch's; one size of piece for all "
        "systems leaves one difference between them",
    )


def _trunk(recipe: WholeRecipe) -> Deviation:
    rows, columns = (side // recipe.stride for side in recipe.size)
    first, second = recipe.blocks
    narrow, wide = (round(channels * recipe.width) for channels in recipe.channels)
    vgg = f"VGG-16's {'13 convolutions, conv5 dilated by 2' if recipe.stages == 5 else f'conv1 to conv{recipe.stages}'}"
    blocks = (
        f", in place of all before res4b, then {first} and {second} bottlenecks of {narrow} and {wide} channels in "
        "res4b and res5b"
        if any(recipe.blocks)
        else ""
    )
    return Deviation(
        date=DATE,
        topic="trunk",
        paper=RESNET,
        where="Section 4.1",
        ours=f"{vgg}{blocks}; pools up to a stride of {recipe.stride}, maps of {rows}x{columns} cells in testing; "
        "images normalised as VGG-16's weights expect, by mean and deviation",
        why="ImageNet weights of VGG-16 are at hand, and those of ResNet-101 are not",
    )


def _start(recipe: WholeRecipe) -> Deviation:
    blocks = any(recipe.blocks)
    skipped = "; the last scale of each block is 0, so that it begins as its skip connection" if blocks else ""
    smooth = "; with random last scales the training loss of the first steps jumped" if blocks else ""
    return Deviation(
        date=DATE,
        topic="initial weights",
        paper="networks pretrained on ImageNet; the authors' first weights were DeepLab v2's, pretrained on COCO",
        where="Section 4; github.com/TuSimple/TuSimple-DUC/issues/1",
        ours="VGG-16's convolutions from ImageNet, from a file in half precision; random ones from the seed for all "
        f"others, the same for all systems as far as they are alike{skipped}",
        why=f"no other weights are at hand{smooth}",
        effect="unmeasured; what is random learns from a few hundred images alone",
    )


def _normalised(recipe: WholeRecipe) -> tuple[Deviation, ...]:
    if not any(recipe.blocks):
        return ()
    statistics = Deviation(
        date=DATE,
        topic="batch normalisation",
        paper="trained first, and by itself, in ResNet-152; not mentioned of ResNet-101, where the authors' code has "
        "running statistics that stay as they are",
        where="Section 4.1; resnet.py of the release",
        ours=f"in res4b and res5b alone, by the statistics of each step's {recipe.training.batch} pieces, learnt",
        why="random layers have no statistics to keep",
    )
    return (statistics,)


def _pyramid(recipe: WholeRecipe) -> Deviation:
    return Deviation(
        date=DATE,
        topic="ASPP module",
        paper="four paths, and six of rates 6 to 36 in the bigger patch and what is compared with it",
        where="Section 4.1",
        ours=f"{len(recipe.rates)} paths of rates {', '.join(map(str, recipe.rates))} in all systems",
        why="rates of 30 and 36 reach outside most of a map; one module for all systems leaves one difference",
        effect="whether more paths help is not measured",
    )


def _schedule(recipe: WholeRecipe) -> Deviation:
    training = recipe.training
    frames = RELEASE_COUNTS[Split.TRAIN]
    images = min(recipe.data.limit or frames, frames)
    steps = training.epochs * (images // training.batch)
    return Deviation(
        date=DATE,
        topic="training schedule",
        paper=f"20 epochs of 35,700 patches, 12 at a time ({_STEPS:,} steps); the loss is summed over pixels; the "
        "authors' code averages it, and clips gradients at 5",
        where="Sections 4 and 4.1; solver.py and network_duc_hdc.py of the release",
        ours=f"{training.epochs} epochs, {training.batch} at a time ({steps:,} steps); the loss is a mean over pixels; "
        f"no gradient is clipped; learning rate {training.learning_rate:g}, 'poly' decay, momentum and weight decay as "
        "printed",
        why="minutes on one GPU; a rate of 2.5e-4 is for a mean in the networks that the paper builds on",
        effect="unmeasured; less training, on fewer images",
    )


def _rates(recipe: WholeRecipe) -> Deviation:
    bias, weight, old = recipe.training.groups
    return Deviation(
        date=DATE,
        topic="learning rates of layers",
        paper="one rate; no factors in the paper, nor in the authors' code, which goes on from a trained network",
        where="Section 4.1; network_duc_hdc.py of the release",
        ours=f"random layers learn {weight.rate:g} times as fast, their biases {bias.rate:g} times, VGG-16's biases "
        f"{old.rate:g} times; biases and offsets of normalisation do not decay",
        why="DeepLab v2's published networks, the framework of the baseline, have these factors",
    )


def _precision(recipe: WholeRecipe) -> Deviation:
    return Deviation(
        date=DATE,
        topic="precision of training",
        paper="not stated; MXNet on Titan X GPUs",
        where="Section 4",
        ours=f"convolutions in {recipe.training.precision}, weights, steps and loss in float32, tested in float32; "
        "algorithms that do not repeat bit by bit on a GPU",
        why="speed",
        effect="unmeasured; several seeds show the spread that it is part of",
    )


def _thin(recipe: WholeRecipe) -> Deviation:
    return Deviation(
        date=DATE,
        topic="small objects",
        paper='"very helpful for identifying small objects, such as poles, traffic lights, and traffic signs", in '
        "pictures; no IoU of a class",
        where="Section 4.1, Figure 3",
        ours=f"the mean IoU of {', '.join(recipe.means['thin-miou'])}: CamVid's classes that are few pixels wide",
        why="a number is needed; chosen before anything was measured",
        effect="CamVid has no class of traffic lights",
    )
