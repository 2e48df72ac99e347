"""One seed: a front end trained with all its layers, context modules on its score maps, and both trained jointly.

As in the authors' code, networks do not pad but read images that have a mirrored margin, learn at the cells of their
score maps, each by the label of one pixel, and have their class probabilities interpolated at the pixels.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.datasets.segmented import VOID, Segmented
from harness.engine.crf import LEAST_PROBABILITY
from harness.engine.examples import Images
from harness.engine.losses import Terms, cross_entropy
from harness.engine.train import arithmetic
from harness.experiment import Context, Outcome, Unit
from harness.networks.upsampling import Alignment, upsample
from harness.networks.vgg import load_imagenet
from harness.segmentation.desk import NETWORK, Desk, Views
from harness.segmentation.frozen import imagenet_normalisation
from harness.segmentation.sets import Sets
from reproductions.dilation.comparison import frame_of, joined, with_refinements
from reproductions.dilation.context import ContextModule
from reproductions.dilation.frontend import DenseVGG, dilated_front_end
from reproductions.dilation.gpu_recipes import StagedRecipe
from reproductions.dilation.mirror import mirrored
from reproductions.dilation.models import build_context
from reproductions.dilation.specs import MARGIN, find_context

STRIDE = 8
"""Image pixels per cell."""


class LogProbabilities(nn.Module):
    """Class scores at cells as logarithms of class probabilities at pixels, interpolated after the softmax.

    Args:
        size: Of the images, (H, W).
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, K, h, w] to [N, K, H, W]; probabilities are first raised to what a CRF can tell from 0."""
        probabilities = upsample(x.softmax(dim=1), self.size, STRIDE, Alignment.SAMPLES)
        return probabilities.clamp(min=LEAST_PROBABILITY).log()


def measure(unit: Unit, context: Context, recipe: StagedRecipe, sets: Sets, weights: Path | None) -> Outcome:
    """Train and test the front end, each context module on its score maps, and the first module together with it.

    Args:
        weights: Of VGG-16's convolutions, from which a front end of full width starts.

    Raises:
        ValueError: A front end of full width without weights.
        CheckpointError: The weights cannot be read or are not VGG-16's.
    """
    desk = Desk(unit, context, recipe, sets, with_margins(sets, context.device))
    frame = frame_of(sets)
    pixels = LogProbabilities(frame)
    with arithmetic(desk.device):
        front = desk.place(partial(unpadded_front_end, recipe))
        found = [_start(front, recipe, weights)]
        log = desk.train(NETWORK, front, recipe.training, loss=cell_loss_within)
        found.append(Outcome({}, desk.pictured(), log))
        scores = desk.freeze(front)
        found.append(with_refinements(desk, pixels, scores, rnn=recipe.rnn))
        modules = {name: desk.place(partial(context_module, recipe, name, frame)) for name in recipe.modules}
        training = replace(recipe.context, batch=min(recipe.context.batch, len(sets.train)))
        for name, module in modules.items():
            found.append(Outcome(log=desk.train(name.lower(), module, training, scores.train, cell_loss)))
            top = nn.Sequential(module, pixels)
            found.append(with_refinements(desk, top, scores, name.lower(), recipe.rnn))
        both = nn.Sequential(front, modules[recipe.modules[0]])
        log = desk.train("joint", both, recipe.joint, loss=cell_loss_within)
        labels = desk.predict(nn.Sequential(both, pixels))
        found.append(Outcome({}, desk.tested(labels, "joint"), log))
    return joined(found)


def cell_loss(scores: Tensor, labels: Tensor, first: int = 0) -> Terms:
    """Return the mean cross entropy over a map's cells that are not void.

    Args:
        scores: [N, K, h, w].
        labels: int64 [N, H, W]; cell k has the label of pixel ``first + 8 k``, in rows and columns.
        first: Row and column of the first cell.
    """
    rows, columns = scores.shape[-2:]
    return cross_entropy(scores, labels[:, first::STRIDE, first::STRIDE][:, :rows, :columns], VOID)


def cell_loss_within(scores: Tensor, labels: Tensor) -> Terms:
    """Return :func:`cell_loss` of maps that leave out the margins of images."""
    return cell_loss(scores, labels, first=MARGIN)


def unpadded_front_end(recipe: StagedRecipe) -> DenseVGG:
    """Build the front end for images that come with their margins: [N, 3, H + 372, W + 372] to H / 8 by W / 8 cells."""
    network = dilated_front_end(len(recipe.classes), size=recipe.size)
    return DenseVGG(network.trunk, network.head, nn.Identity(), network.stride)


def context_module(recipe: StagedRecipe, name: str, frame: tuple[int, int]) -> ContextModule:
    """Build a context module for the maps of images of ``frame`` rows and columns."""
    spec = find_context(name).within(-(-max(frame) // STRIDE))
    noise = recipe.noise if max(spec.widths) > 1 else 0.0
    return build_context(spec, len(recipe.classes), margin=recipe.context_margin, deviation=noise)


def with_margins(sets: Sets, device: str) -> Views:
    """Return the images with mirrored margins, on the device; their labels are void in the margins."""
    normalisation = imagenet_normalisation(device)

    def view(images: Segmented) -> Images:
        wide = mirrored(images, MARGIN)
        pixels, labels, extents = (
            torch.from_numpy(array).to(device) for array in (wide.pixels, wide.labels, wide.extents)
        )
        return Images(pixels, labels, normalisation, extents.long())

    return Views(view(sets.train), view(sets.tuning), view(sets.test))


def _start(front: nn.Module, recipe: StagedRecipe, weights: Path | None) -> Outcome:
    """Give a front end of full width the convolutions that ImageNet trained, and say which file they are from."""
    if not recipe.pretrained:
        return Outcome()
    if weights is None or not isinstance(front, DenseVGG):
        raise ValueError("a front end of full width starts from the weights of VGG-16")
    return Outcome({"weights-sha256": load_imagenet(weights, front.trunk).sha256})
