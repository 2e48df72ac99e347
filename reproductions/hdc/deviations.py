"""Where the experiments differ from the paper, each difference dated and with its reason."""

from __future__ import annotations

from harness.ledger.record import Deviation
from reproductions.hdc.recipes import FrozenRecipe, NetworkRecipe, PhotoRecipe

DATE = "2026-11-21"
CITYSCAPES = "Cityscapes: 2,975 training and 500 validation images of 1024x2048 pixels, 19 classes, cut into patches"
RESNET = (
    "ResNet-101: 3, 4, 23 and 3 blocks, 64 to 512 channels; a downsampling rate of 8, maps of 68x68 and 110x110 cells "
    "in training"
)

POOL = Deviation(
    date=DATE,
    topic="pooling after the stem",
    paper="the DeepLab-V2 ResNet-101 framework, whose pool rounds sizes up; a map of 68x68 cells for 544 pixels",
    where="Section 4.1",
    ours="a pool that rounds down, and one without padding where the stem is the release's",
    why="rounding up would give 69 cells",
    effect="none on parameters, receptive field or coverage",
)
SINGLE_PATH = Deviation(
    date=DATE,
    topic="head without ASPP module",
    paper="one row of Table 1 has no ASPP module; what it has in its place is not stated",
    where="Table 1",
    ours="one 3x3 convolution with dilation 12, DeepLab's LargeFOV",
    why="the nearest network of the framework that the paper builds on",
    effect="a quarter of the parameters of the head with four paths",
)
FOUR = Deviation(
    date=DATE,
    topic="downsampling by 4",
    paper="two rows of Table 1 downsample by 4; their dilations are not stated",
    where="Table 1",
    ours="the stride of res3 becomes dilation: 2 in res3, 4 in res4b, 8 in res5b",
    why="Section 3.2: the rate doubles for all layers after a stride that is removed",
    effect="keeps the receptive field in pixels and doubles the period of the grid",
)
DECONVOLUTION = Deviation(
    date=DATE,
    topic="width of the deconvolutions",
    paper="approximately the same number of parameters as DUC; no widths",
    where="Section 4.1, Compared with Deconvolution",
    ours="a prediction map of as many channels as brings the parameters nearest to those of DUC; kernels of twice the "
    "factor; no activation between two steps",
    why="the one constraint that is printed",
)
DEPTH_152 = Deviation(
    date=DATE,
    topic="dilations of ResNet-152",
    paper="sequences for the 23 blocks of res4b of ResNet-101",
    where="Section 4.1",
    ours="the groups go on to 36 blocks: nine times 1, 2, 5, 9",
    why="the paper gives no sequence for 36 blocks",
)
RELEASE = Deviation(
    date=DATE,
    topic="the better network",
    paper="the network of Dilation-bigger with three 3x3 convolutions in place of the 7x7 one",
    where="Section 4.1",
    ours="the network of the authors' release: res4b begins with 2, 2, 5, 9 and the head has four paths",
    why="its release is the one description that is complete, and its README gives the printed score",
    effect="one block has dilation 2 in place of 1: an increase of 250 cells in place of 248",
)
GROUPS = Deviation(
    date=DATE,
    topic="groups of Dilation-conv",
    paper="blocks in pairs, 2 then 1; nothing on the odd block, nor whether pairs run on from res4b into res5b",
    where="Section 4.1",
    ours="res5b begins anew; the odd block has 2",
    why="the reading nearest to the printed increase of 88",
    effect="80 cells in place of the 78 of pairs that run on; neither is 88",
)
GRIDDING = Deviation(
    date=DATE,
    topic="gridding",
    paper="shown in pictures of predictions",
    where="Figure 5",
    ours="the strength of grids of 2 and 4 cells, those of uniform rates, in the feature map",
    why="a number is needed, and the measure needs a period",
    effect="grids of 3, 5, 9 and 17 cells, the hybrid rates' own, are not seen: with those as periods every built "
    "network with dilation scores 1, for nothing follows its last dilated block",
)
EXACT = (POOL, SINGLE_PATH, FOUR, DECONVOLUTION, DEPTH_152, RELEASE, GROUPS, GRIDDING)
"""What the derivations had to choose."""


def comparison(recipe: NetworkRecipe | FrozenRecipe, full_epochs: int) -> tuple[Deviation, ...]:
    """Return what a trained comparison does differently; ``full_epochs`` is its recipe's without a time budget."""
    if isinstance(recipe, FrozenRecipe):
        own = (_photographs(recipe), _frozen(recipe), _head_start(recipe))
    else:
        own = (_scenes(recipe), _network(recipe), _start(recipe))
    common = (_pyramid(recipe), *_schedule(recipe, full_epochs), alignment(recipe), *crf_search(recipe))
    chosen = (DECONVOLUTION,) if recipe.crf is not None else (GROUPS, GRIDDING)
    return (*own, *common, *chosen)


def _scenes(recipe: NetworkRecipe) -> Deviation:
    rows, columns = recipe.size
    return Deviation(
        date=DATE,
        topic="data",
        paper=CITYSCAPES,
        where="Section 4.1",
        ours=f"{len(recipe.classes)} classes of procedural scenes with the background, {recipe.data.train:,} for "
        f"training and {recipe.data.test:,} for testing, {rows}x{columns} pixels",
        why="runs anywhere in minutes and needs no data",
        effect="IoUs cannot be compared with the printed ones; only the order of systems can",
    )


def _photographs(recipe: FrozenRecipe) -> Deviation:
    rows, columns = recipe.size
    return Deviation(
        date=DATE,
        topic="data",
        paper=CITYSCAPES,
        where="Section 4.1",
        ours=f"{len(recipe.classes)} classes of CamVid; at most {recipe.data.limit} of its training and as many of its "
        f"test frames, evenly spread, stretched to {rows}x{columns} pixels",
        why="photographs of streets that two processor cores can learn from in minutes",
        effect="IoUs cannot be compared with the printed ones; only the order of systems can",
    )


def _network(recipe: NetworkRecipe) -> Deviation:
    cells = recipe.size[0] // recipe.stride
    channels = round(recipe.channels[0] * recipe.width)
    return Deviation(
        date=DATE,
        topic="depth, width and resolution of the network",
        paper=RESNET,
        where="Section 4.1",
        ours=f"{', '.join(map(str, recipe.blocks))} blocks of {channels} channels, res4b dilated as the first of the "
        f"paper's are; a downsampling rate of {recipe.stride}, maps of {cells}x{cells} cells",
        why="the time that two processor cores need",
        effect="unmeasured; the largest rates reach over more of the map than in the paper",
    )


def _frozen(recipe: FrozenRecipe) -> Deviation:
    rows, columns = (side // recipe.stride for side in recipe.size)
    blocks = f"{recipe.blocks[0]} blocks of res4b, dilated as the first of the paper's are, {recipe.blocks[1]} of res5b"
    return Deviation(
        date=DATE,
        topic="trunk",
        paper=RESNET,
        where="Section 4.1",
        ours=f"the first {recipe.stages} stages of VGG-16, not trained, with strides up to {recipe.stride}, maps of "
        f"{rows}x{columns} cells; a 1x1 convolution to {recipe.channels} channels; "
        + (f"{blocks} of {recipe.channels // 4} channels" if any(recipe.blocks) else "the decoder"),
        why="the time that two processor cores need, and weights that are at hand",
        effect="unmeasured; what is compared learns, but cannot change the features that it stands on",
    )


def _head_start(recipe: FrozenRecipe) -> Deviation:
    return Deviation(
        date=DATE,
        topic="initial weights",
        paper="networks pretrained on ImageNet and trained as a whole",
        where="Section 4",
        ours="VGG-16's weights from ImageNet; random ones from the seed for all that learns, the same for all systems "
        f"as far as they are alike; batch normalisation trained with {recipe.training.batch} images a step",
        why="the maps are made once for all systems",
    )


def _pyramid(recipe: NetworkRecipe | FrozenRecipe) -> Deviation:
    return Deviation(
        date=DATE,
        topic="ASPP module",
        paper="four or six paths of rates 6 to 36",
        where="Section 4.1",
        ours=f"one path of rate {recipe.rates[0]} in all systems",
        why="on maps this small most of the printed rates reach outside",
        effect="whether more paths help is not measured",
    )


def _start(recipe: NetworkRecipe) -> Deviation:
    return Deviation(
        date=DATE,
        topic="initial weights",
        paper="networks pretrained on ImageNet",
        where="Section 4",
        ours="random weights from the seed, the same for all systems as far as they are alike; batch normalisation "
        f"trained with {recipe.training.batch} images a step",
        why="no pretrained weights of so small a network exist",
    )


def _schedule(recipe: NetworkRecipe | FrozenRecipe, full_epochs: int) -> tuple[Deviation, ...]:
    training = recipe.training
    frozen = isinstance(recipe, FrozenRecipe)
    varied = (
        "images as they are" if frozen else f"translation by up to {training.augmentation.shift} pixels and mirroring"
    )
    schedule = Deviation(
        date=DATE,
        topic="training schedule",
        paper="20 epochs, batch 12, learning rate 2.5e-4 with 'poly' decay, momentum 0.9, weight decay 5e-4; random "
        "crops of larger patches; the loss is summed over pixels",
        where="Sections 4 and 4.1",
        ours=f"{training.epochs} epochs, batch {training.batch}, learning rate {training.learning_rate:g} after a "
        f"warm-up of {training.warmup:.0%} of the steps, the rest alike; {varied}; the loss is a mean over pixels",
        why="random weights need a larger rate, chosen by the training loss of a seed that is not reported",
        effect="unmeasured; no network converges, and those that learn slowest are cut short the most",
    )
    return schedule, *budget(training.epochs, full_epochs)


def budget(epochs: int, full_epochs: int) -> tuple[Deviation, ...]:
    """Return what a time budget took away, if it did."""
    if epochs == full_epochs:
        return ()
    cut = Deviation(
        date=DATE,
        topic="time budget",
        paper="20 epochs",
        where="Section 4.1",
        ours=f"{epochs} of the {full_epochs} epochs of this experiment",
        why="the budget that was given",
    )
    return (cut,)


def alignment(recipe: NetworkRecipe | PhotoRecipe) -> Deviation:
    """Return where the pixels lie that the scores are held against."""
    return Deviation(
        date=DATE,
        topic="alignment of labels and scores",
        paper="labels downsampled by the network's factor for the baseline; nothing on which pixel stands for a cell",
        where="Section 4.1, Baseline Model",
        ours="the pixel next to the middle of a cell; scores are interpolated between the middles of cells",
        why="labels of a cell's first pixel would stand half a cell beside the scores",
        effect=f"favours the baseline, by up to {recipe.stride // 2} pixels, over one that is not aligned",
    )


def crf_search(recipe: NetworkRecipe | PhotoRecipe) -> tuple[Deviation, ...]:
    """Return how the parameters of the CRF are chosen, if there is one."""
    if recipe.crf is None:
        return ()
    search = Deviation(
        date=DATE,
        topic="CRF parameters",
        paper="a grid search on the validation set, which is also reported on; 15, 3, 1, 3 and 3",
        where="Section 4.1, Conditional Random Fields",
        ours="w1 and both deviations of the bilateral kernel by a search around those values on "
        f"{recipe.data.tuning} images of their own",
        why="images that choose parameters should not be reported on",
        effect="a smaller gain than where the reported images choose",
    )
    return (search,)
