"""What follows from the built networks and from definitions alone: nothing is computed on photographs."""

from __future__ import annotations

import torch
from torch import nn

from harness.architecture.cost import multiply_adds
from harness.architecture.gridding import gridding
from harness.architecture.layers import depth
from harness.architecture.parameters import count
from harness.architecture.receptive_field import receptive_field
from harness.architecture.resolution import map_size
from harness.experiment import Context, Outcome, Unit
from harness.networks.vgg import vgg16
from reproductions.deeplab.models import DeepLab, build
from reproductions.deeplab.specs import CROP, find_spec

Values = dict[str, int | float | str]


def architecture(unit: Unit, context: Context) -> Outcome:
    """Derive one network's exact quantities, for an image of the side that it is trained on."""
    context.progress(unit.system, 0, 1)
    network = on_meta(unit.system)
    cells = nn.Sequential(network.trunk, network.head)
    field = receptive_field(cells)
    values: Values = {
        "parameters": count(cells).total,
        "layers": depth(cells),
        "multiply-adds": multiply_adds(cells, (3, CROP, CROP)),
        "receptive-field": field.size[0],
        "output-stride": field.stride[0],
        "map-side": map_size(cells, (CROP, CROP))[0],
        "gridding": gridding(network.trunk).score,
    }
    branches = [first_convolution(branch) for branch in network.head.children()]
    if len(branches) == 1:
        values["kernel-side"] = branches[0].kernel_size[0]
        values["dilation"] = branches[0].dilation[0]
    if len(branches) == 1 and find_spec(unit.system).trunk == "VGG-16":
        values["field-of-view"] = field_of_view(network.trunk, branches[0])
    return Outcome(values)


def on_meta(name: str) -> DeepLab:
    """Build a network without allocating its parameters."""
    with torch.device("meta"):
        return build(name)


def first_convolution(module: nn.Module) -> nn.Conv2d:
    """Return the first convolution in a module, in order of definition.

    Raises:
        ValueError: There is none.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            return layer
    raise ValueError(f"{type(module).__name__} has no convolution")


def field_of_view(trunk: nn.Module, convolution: nn.Conv2d) -> int:
    """Return the side in pixels of what a convolution on a feature map looks at, as Table 1 counts it.

    The paper prints values without a definition. All four follow if each tap stands for as many pixels as a cell of
    the network before atrous convolution, 32: (k - 1) r 8 + 32. By this count the original ``fc6`` looks at 7 x 32 =
    224 pixels, the whole image of ImageNet. Here the first summand is what ``convolution`` adds to the receptive
    field of ``trunk``, and the second is the output stride of VGG-16. The receptive field itself is larger.
    """
    added = receptive_field(nn.Sequential(trunk, convolution)).size[0] - receptive_field(trunk).size[0]
    with torch.device("meta"):
        return added + receptive_field(vgg16()).stride[0]
