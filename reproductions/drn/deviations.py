"""Where the experiments differ from the paper, each difference dated and with its reason."""

from __future__ import annotations

from harness.ledger.record import Deviation
from reproductions.drn.recipes import PhotoRecipe, Recipe, Source

_DATE = "2026-11-21"

DILATION = Deviation(
    date=_DATE,
    topic="dilation of the first layers of G4 and G5",
    paper="Section 2 dilates the layers after the first of G4 and G5; Figure 5 gives all layers of a level one "
    "dilation; the authors' code leaves the whole first block undilated",
    where="Section 2, Figures 1 and 5",
    ours="Section 2: the first layer keeps its input's dilation, 1 in G4 and 2 in G5",
    why="only this schedule keeps the receptive fields as Section 2 says",
    effect="changes the receptive field and gridding of DRN-A, no count of parameters, layers or cells",
)
EXACT = (DILATION,)
"""What the derivations had to choose, too."""


def deviations(recipe: Recipe[Source], full_epochs: int) -> tuple[Deviation, ...]:
    """Return what a trained comparison does differently; ``full_epochs`` is its recipe's without a time budget."""
    common = (
        _classes(recipe),
        _width(recipe),
        DILATION,
        *_training(recipe, full_epochs),
        *_localisation(recipe),
        _gridding(recipe),
    )
    return (*common, *_segmentation(recipe))


def _classes(recipe: Recipe[Source]) -> Deviation:
    if isinstance(recipe.data, PhotoRecipe):
        ours = (
            f"Imagenette: 10 classes, 9,103 training and 3,925 test photographs, whole frames stretched to "
            f"{recipe.data.size}x{recipe.data.size} pixels, one view"
        )
        why = "minutes instead of weeks; real photographs that fit a laptop"
    else:
        size = recipe.data.spec.size
        ours = (
            f"10 classes of procedural scenes, {recipe.data.train:,} for training and {recipe.data.test:,} for "
            f"testing, {size}x{size} pixels, one view"
        )
        why = "runs anywhere in minutes and needs no data; exact boxes and label maps"
    return Deviation(
        date=_DATE,
        topic="data",
        paper="ImageNet 2012, 1,000 classes; 50,000 validation images, shorter side 256, central 224x224 crop",
        where="Section 5.1",
        ours=ours,
        why=why,
        effect="errors cannot be compared with the printed ones; only the order of systems can",
    )


def _width(recipe: Recipe[Source]) -> Deviation:
    size = recipe.data.size if isinstance(recipe.data, PhotoRecipe) else recipe.data.spec.size
    resnet, drn = -(-size // 32), -(-size // 8)
    return Deviation(
        date=_DATE,
        topic="width and resolution of the networks",
        paper="all channels; maps of 7x7 (ResNet) and 28x28 cells (DRN) on 224x224 pixels",
        where="Section 2",
        ours=f"{recipe.width:g} of the channels; maps of {resnet}x{resnet} and {drn}x{drn} cells on {size}x{size} "
        "pixels",
        why="the time that two processor cores need",
        effect="unmeasured; a ResNet map coarser than 7x7 should localise and segment worse and so favour the DRNs",
    )


def _training(recipe: Recipe[Source], full_epochs: int) -> tuple[Deviation, ...]:
    training = recipe.classification
    schedule = Deviation(
        date=_DATE,
        topic="training schedule",
        paper="SGD, momentum 0.9, weight decay 1e-4, learning rate 0.1 divided by 10 every 30 epochs, 120 epochs; the "
        "batch is not printed (256 in the authors' code)",
        where="Section 5.1",
        ours=f"the same optimiser; {training.epochs} epochs, batch {training.batch}, learning rate rising to "
        f"{training.learning_rate:g} in the first {training.warmup:.0%} of the steps, then falling along half a "
        "cosine, for all systems alike",
        why="time; with so few epochs a cosine loses less than steps",
        effect="unmeasured; no network converges, and those that learn slowest are cut short the most (see the "
        "training loss in the records' logs)",
    )
    augmentation = Deviation(
        date=_DATE,
        topic="augmentation",
        paper="scale and aspect ratio augmentation, colour perturbation",
        where="Section 5.1",
        ours=f"translation by up to {training.shift} pixels and mirroring",
        why="small frames leave little room for crops",
    )
    if training.epochs == full_epochs:
        return schedule, augmentation
    cut = Deviation(
        date=_DATE,
        topic="time budget",
        paper="120 epochs",
        where="Section 5.1",
        ours=f"{training.epochs} of the {full_epochs} epochs of this experiment",
        why="the budget that was given",
    )
    return schedule, augmentation, cut


def _localisation(recipe: Recipe[Source]) -> tuple[Deviation, ...]:
    chosen = (
        "images of even and odd place choose each other's threshold, since no training image has a box"
        if isinstance(recipe.data, PhotoRecipe)
        else f"the first {recipe.data.tuning:,} training scenes choose it"
    )
    first, last = recipe.thresholds[0], recipe.thresholds[-1]
    threshold = Deviation(
        date=_DATE,
        topic="localisation threshold",
        paper="a threshold t whose value is not given",
        where="Section 5.2",
        ours=f"the least error among {len(recipe.thresholds)} thresholds from {first:g} to {last:g}, for each system "
        f"and seed; {chosen}",
        why="the paper's rule needs one, and the test images must not choose it",
    )
    category = Deviation(
        date=_DATE,
        topic="predicted category",
        paper="categories from 10 crops, boxes from activation maps",
        where="Section 5.2",
        ours="both from one view of the whole frame, at the resolution of the map",
        why="the paper does not say how the crops' maps are put together",
    )
    return threshold, category


def _gridding(recipe: Recipe[Source]) -> Deviation:
    if isinstance(recipe.data, PhotoRecipe):
        size, trained = recipe.data.wide_size, recipe.data.size
        ours = f"measured on the localisation images stretched to {size}x{size} pixels"
    else:
        size = recipe.data.wide_spec.size
        trained = recipe.data.spec.size
        ours = f"measured on {recipe.data.wide:,} scenes of {size}x{size} pixels, objects about as large in pixels"
    untrained = "" if size == trained else "; the networks were not trained at that size and recognise little there"
    return Deviation(
        date=_DATE,
        topic="gridding",
        paper="shown in pictures of activation maps",
        where="Section 4, Figure 3",
        ours=ours,
        why="telling a grid of 4 cells from its surroundings takes maps of 16 cells a side",
        effect=f"none is given for ResNet, whose maps are smaller{untrained}",
    )


def _segmentation(recipe: Recipe[Source]) -> tuple[Deviation, ...]:
    training = recipe.segmentation
    if training is None:
        return ()
    data = Deviation(
        date=_DATE,
        topic="segmentation",
        paper="Cityscapes, 19 classes; learning rate, crop, batch and epochs are not printed (250 epochs in the "
        "authors' code)",
        where="Section 5.3",
        ours=f"the label maps of the same scenes, {len(recipe.classes)} classes with the background, {training.epochs} "
        f"epochs, batch {training.batch}, learning rate {training.learning_rate:g}, bilinear upsampling",
        why="runs anywhere in minutes and needs no data",
        effect="IoUs cannot be compared with the printed ones; only the order of systems can",
    )
    baseline = Deviation(
        date=_DATE,
        topic="segmentation baseline",
        paper="a ResNet-101 baseline quoted from elsewhere",
        where="Section 5.3",
        ours="ResNet-18 transferred as the DRNs are, with its output stride of 32",
        why="the same recipe for every system",
        effect="worse than a baseline whose last groups are dilated for segmentation",
    )
    return data, baseline
