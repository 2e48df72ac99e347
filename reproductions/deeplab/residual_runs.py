"""The measurement of ResNet-101 trained end to end: one network, its labels before and after a CRF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from harness.engine.losses import Terms
from harness.engine.train import arithmetic
from harness.experiment import Context, Outcome, Unit
from harness.networks.aspp import aspp
from harness.networks.residual import BLOCKS, ResidualTrunk, resnet_stages
from harness.pretrained import load_resnet
from harness.segmentation.desk import NETWORK, Arrays, Desk, Labels, crf_values
from harness.segmentation.frozen import imagenet_normalisation
from harness.segmentation.recipe import Recipe
from harness.segmentation.sets import Sets
from reproductions.deeplab.losses import cell_loss, multi_scale_loss
from reproductions.deeplab.models import DeepLab, MultiScale, Trained
from reproductions.deeplab.residual_recipes import ResidualRecipe
from reproductions.deeplab.specs import STRIDE, find_spec


def measure(unit: Unit, context: Context, recipe: Recipe, sets: Sets, folder: Path) -> Outcome:
    """Train one network end to end from ImageNet's ResNet-101, and test it.

    Args:
        folder: With the recipe's file of weights, if it names one.

    Raises:
        RemeasureError: Training diverged, the weights cannot be read, or a checkpoint cannot be read or written.
        TypeError: The recipe is not of these networks.
    """
    if not isinstance(recipe, ResidualRecipe):
        raise TypeError(f"a recipe for ResNet-101 expected, got {type(recipe).__name__}")
    desk = Desk.of(unit, context, recipe, sets, imagenet_normalisation(context.device))
    with arithmetic(desk.device):
        trained = desk.place(lambda: Trained(network(unit.system, recipe, folder)))
        log = desk.train(NETWORK, trained, recipe.training_of(unit.system), loss=loss)
        assert isinstance(trained, Trained)
        arrays = desk.pictured() | _tested(desk, recipe, desk.predict(trained.network))
        if unit.system not in recipe.refined:
            return Outcome({}, arrays, log)
        refined, parameters = desk.refine(trained.network)
        return Outcome(crf_values(parameters), arrays | _tested(desk, recipe, refined, "crf"), log)


def network(system: str, recipe: ResidualRecipe, folder: Path) -> DeepLab | MultiScale:
    """Build the network of one system, its head from torch's current random state.

    Args:
        folder: With the recipe's file of weights; without one the trunk is drawn as well.

    Raises:
        CheckpointError: The weights cannot be read, or are of another network.
    """
    spec = find_spec(system.replace(" + MSC", "").replace(" + Aug", ""))
    built = trunk(recipe)
    head = aspp(built.channels, len(recipe.classes), rates=spec.rates, kernel=spec.kernel, deviation=recipe.filler)
    if recipe.weights:
        load_resnet(folder / recipe.weights, built)
    single = DeepLab(built, head)
    return MultiScale(single) if " + MSC" in system else single


def trunk(recipe: ResidualRecipe) -> ResidualTrunk:
    """Build ResNet-101 at stride 8 with Caffe's pooling, for torchvision's weights.

    Its features at every fourth cell are those of torchvision's network at stride 32. There a stage strides in the 3x3
    convolution of its first block, so that without the stride this one dilates as the stage before, and those after it
    by twice as much (Section 3.1).
    """
    assert recipe.geometry.stride == STRIDE
    blocks = [min(count, recipe.geometry.blocks or count) for count in BLOCKS[101]]
    dilations = {stage: (rate, *(2 * rate,) * (blocks[stage - 1] - 1)) for stage, rate in ((3, 1), (4, 2))}
    return ResidualTrunk(
        resnet_stages(blocks, strides=(1, 2, 1, 1), dilations=dilations),
        strided="3x3",
        pool=nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
        width=recipe.width,
    )


def loss(scores: Tensor | Sequence[Tensor], labels: Tensor) -> Terms:
    """Return the loss of what a ``Trained`` network returns: of one map, or the sum over all scales and their fusion
    as in the released code."""
    return cell_loss(scores, labels) if isinstance(scores, Tensor) else multi_scale_loss(scores, labels)


def _tested(desk: Desk, recipe: ResidualRecipe, labels: Labels, suffix: str = "") -> Arrays:
    """Return what is kept of labels, over all pixels and near boundaries."""
    near = f"near-{suffix}" if suffix else "near"
    return desk.tested(labels, suffix) | desk.near_boundaries(labels, {near: recipe.band})
