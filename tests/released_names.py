"""Our networks' parameters under the names that the authors' files have for them, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from checkpoint_writers import Array, CaffeLayer

State = Mapping[str, Array]
VGG = {"1": (0, 2), "2": (5, 7), "3": (10, 12, 14), "4": (17, 19, 21), "5": (24, 26, 28)}
"""Position of every convolution among VGG-16's layers (torchvision's numbers)."""
RESNET_101 = {2: "a b c", 3: "a b1 b2 b3", 4: "a " + " ".join(f"b{i}" for i in range(1, 23)), 5: "a b c"}
"""Blocks of each stage, as He et al. named them in Caffe."""
FACTOR = np.array([1024], np.float32)
"""Of moving sums: a power of 2, by which floats are multiplied and divided without rounding."""


def convolution(name: str, state: State, key: str, kind: str = "Convolution") -> CaffeLayer:
    blobs = tuple(state[f"{key}.{part}"] for part in ("weight", "bias") if f"{key}.{part}" in state)
    return CaffeLayer(name, kind, blobs)


def normalised(convolved: str, suffix: str, state: State, conv: str, norm: str) -> Iterator[CaffeLayer]:
    """A convolution, batch normalisation as sums and a factor, and the scale after it."""
    yield convolution(convolved, state, conv)
    statistics = (state[f"{norm}.running_mean"] * FACTOR, state[f"{norm}.running_var"] * FACTOR, FACTOR)
    yield CaffeLayer(f"bn{suffix}", "BatchNorm", statistics)
    yield convolution(f"scale{suffix}", state, norm, "Scale")


def caffe_resnet(state: State, head: Mapping[str, str]) -> list[CaffeLayer]:
    """DeepLab's ResNet-101; ``head`` gives our key of each classifier by its name."""
    layers = list(normalised("conv1", "_conv1", state, "trunk.conv1", "trunk.bn1"))
    for stage, letters in RESNET_101.items():
        for index, block in enumerate(letters.split()):
            ours, theirs = f"trunk.layer{stage - 1}.{index}", f"{stage}{block}_branch"
            if index == 0:
                projection = (f"{ours}.downsample.0", f"{ours}.downsample.1")
                layers += normalised(f"res{theirs}1", f"{theirs}1", state, *projection)
            for number, letter in enumerate("abc", 1):
                pair = (f"{ours}.conv{number}", f"{ours}.bn{number}")
                layers += normalised(f"res{theirs}2{letter}", f"{theirs}2{letter}", state, *pair)
    return layers + [convolution(name, state, key) for name, key in head.items()]


def at_other_scales(layers: list[CaffeLayer]) -> list[CaffeLayer]:
    """The layers of DeepLab's training network: those of scales 0.5 and 0.75 share parameters with the first's."""
    return layers + [
        CaffeLayer(f"{one.name}_{scale}", one.type, one.blobs) for scale in ("res05", "res075") for one in layers
    ]


def caffe_vgg(state: State, trunk: str, head: Mapping[str, str]) -> list[CaffeLayer]:
    convolutions = [
        convolution(f"conv{stage}_{index}", state, f"{trunk}.{position}")
        for stage, positions in VGG.items()
        for index, position in enumerate(positions, 1)
    ]
    return convolutions + [convolution(name, state, key) for name, key in head.items()]


def dilation(state: State, final: str, context: str, names: list[str]) -> list[CaffeLayer]:
    """The networks of Yu and Koltun: a front end and the layers of a context module, in order."""
    head = {"fc6": "front.head.fc6", "fc7": "front.head.fc7", final: "front.head.fc8"}
    layers = caffe_vgg(state, "front.trunk", head)
    return layers + [
        convolution(f"{context}_{name}", state, f"context.layers.{2 * index}") for index, name in enumerate(names)
    ]


def kazuto1011(state: State, prefix: str = "base.") -> dict[str, Array]:
    named = {}
    for key, value in state.items():
        where, _, part = key.rpartition(".")
        parts = where.split(".")
        if parts[0] == "head":
            named[f"{prefix}aspp.{parts[1]}.{part}"] = value
        elif parts[1] in ("conv1", "bn1"):
            named[f"{prefix}layer1.conv1.{parts[1][:-1]}.{part}"] = value
        else:
            stage, block = int(parts[1][-1]) + 1, int(parts[2]) + 1
            if parts[3] == "downsample":
                unit = f"shortcut.{'conv' if parts[4] == '0' else 'bn'}"
            else:
                unit = f"{('reduce', 'conv3x3', 'increase')[int(parts[3][-1]) - 1]}.{parts[3][:-1]}"
            named[f"{prefix}layer{stage}.block{block}.{unit}.{part}"] = value
    return named


def isht7(state: State, prefix: str = "Scale.") -> dict[str, Array]:
    return {
        f"{prefix}layer5.conv2d_list.{key[6:]}"
        if key.startswith("head.c")
        else prefix + key.removeprefix("trunk."): value
        for key, value in state.items()
    }


def tusimple(state: State) -> dict[str, Array]:
    """The symbols of TuSimple's network: arguments first, then auxiliary states."""
    units = {
        "conv1_1_3x3_s2": ("trunk.conv1.0", "trunk.conv1.1"),
        "conv1_2_3x3": ("trunk.conv1.3", "trunk.conv1.4"),
        "conv1_3_3x3": ("trunk.conv1.6", "trunk.bn1"),
    }
    for stage, blocks in ((2, 3), (3, 4), (4, 23), (5, 3)):
        for block in range(1, blocks + 1):
            ours, theirs = f"trunk.layer{stage - 1}.{block - 1}", f"conv{stage}_{block}"
            if block == 1:
                units[f"{theirs}_1x1_proj"] = (f"{ours}.downsample.0", f"{ours}.downsample.1")
            for number, layer in enumerate(("1x1_reduce", "3x3", "1x1_increase"), 1):
                units[f"{theirs}_{layer}"] = (f"{ours}.conv{number}", f"{ours}.bn{number}")
    arguments, states = {}, {}
    for name, (conv, norm) in units.items():
        arguments[f"arg:{name}_weight"] = state[f"{conv}.weight"]
        arguments[f"arg:{name}/bn_gamma"] = state[f"{norm}.weight"]
        arguments[f"arg:{name}/bn_beta"] = state[f"{norm}.bias"]
        states[f"aux:{name}/bn_moving_mean"] = state[f"{norm}.running_mean"]
        states[f"aux:{name}/bn_moving_var"] = state[f"{norm}.running_var"]
    for branch in range(4):
        for part in ("weight", "bias"):
            arguments[f"arg:fc1_cityscapes_c{branch}_{part}"] = state[f"head.0.c{branch}.{part}"]
    return {**arguments, **states}
