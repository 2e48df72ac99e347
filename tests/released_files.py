"""Released files as their authors wrote them, from networks of ours with few channels and random parameters."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import checkpoint_writers as write
import numpy as np
import released_names as names
import torch
from torch import nn

from harness.checkpoints.released import ReleasedFile
from harness.networks.upsampling import bilinear_kernel
from reproductions.deeplab.models import build as build_deeplab
from reproductions.dilation.frontend import dilated_front_end
from reproductions.dilation.models import Segmenter as DilatedSegmenter
from reproductions.dilation.models import build_context
from reproductions.dilation.released import deployment
from reproductions.dilation.specs import Size
from reproductions.drn.models import Segmenter as DRNSegmenter
from reproductions.drn.models import build as build_drn
from reproductions.drn.specs import Schedule
from reproductions.hdc.models import build as build_hdc


def narrow(file: ReleasedFile) -> nn.Module:
    """The network of a released file with few channels."""
    if file.paper == "drn":
        schedule = Schedule.RELEASED if file.network.startswith("DRN-A") else None
        classifier = build_drn(file.network, num_classes=file.classes, width=0.05, schedule=schedule)
        return classifier if file.task == "classification" else DRNSegmenter(classifier, file.classes)
    if file.paper == "dilation":
        front = dilated_front_end(file.classes, size=Size(width=0.02))
        return DilatedSegmenter(front, build_context(deployment(file).context, file.classes))
    if file.paper == "deeplab":
        return build_deeplab(file.network, classes=file.classes, width=0.05)
    return build_hdc(file.network, classes=file.classes, width=0.02)


def context_names(layers: int) -> list[str]:
    return ["conv1_1", "conv1_2", *(f"conv{number}_1" for number in range(2, layers - 2)), "fc1", "final"]


def caffe_layers(file: ReleasedFile, state: names.State) -> list[write.CaffeLayer]:
    if file.paper == "dilation":
        voc = file.classes == 21
        layers = names.dilation(
            state,
            "fc-final" if voc else "final",
            "ct" if voc else "ctx",
            context_names(len([key for key in state if key.startswith("context.") and key.endswith("weight")])),
        )
        if file.classes == 19:
            kernel = np.broadcast_to(bilinear_kernel(8).numpy(), (19, 1, 16, 16))
            layers.append(write.CaffeLayer("ctx_upsample", "Deconvolution", (kernel,)))
        return layers
    if file.network == "ResNet-101":
        return names.caffe_resnet(state, {"fc1_coco": "head.c0"})
    if file.network == "ResNet-101 + ASPP":
        head = {f"fc1_voc12_c{branch}": f"head.c{branch}" for branch in range(4)}
        return names.at_other_scales(names.caffe_resnet(state, head))
    branches = {"": 0} if file.network == "VGG-16 LargeFOV" else {f"_{branch + 1}": branch for branch in range(4)}
    return names.caffe_vgg(
        state,
        "trunk",
        {
            f"{theirs}{suffix}": f"head.c{branch}.{ours}"
            for suffix, branch in branches.items()
            for theirs, ours in (("fc6", "fc6"), ("fc7", "fc7"), ("fc8_voc12", "fc8"))
        },
    )


def torch_entries(file: ReleasedFile, state: names.State) -> Mapping[str, write.Array]:
    if file.map == "as-named":
        return state
    if file.map == "isht7":
        return names.isht7(state, prefix="" if "scenes" in file.name else "Scale.")
    if file.network == "ResNet-101":
        renamed = names.kazuto1011(state, prefix="")
        return {key.replace("aspp.c0.", "fc."): value for key, value in renamed.items()}
    return names.kazuto1011(state)


@dataclass(frozen=True)
class Written:
    path: Path
    file: ReleasedFile


def write_as_released(file: ReleasedFile, network: nn.Module, folder: Path) -> Written:
    """Write a network's parameters as the authors did, and tell the digest that such a file has."""
    state = {key: value.numpy() for key, value in network.state_dict().items() if not key.endswith("tracked")}
    path = folder / file.name.replace("[-_]", "_").replace("*", "x")
    if file.format == "caffe":
        path.write_bytes(write.caffemodel(caffe_layers(file, state)))
    elif file.format == "mxnet":
        path.write_bytes(write.params(names.tusimple(state)))
    else:
        tensors = {key: torch.from_numpy(value.copy()) for key, value in torch_entries(file, state).items()}
        torch.save(tensors, path, _use_new_zipfile_serialization=False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if file.sha256:
        path = path.rename(path.with_name(path.name.replace(file.sha256, digest[:8])))
    return Written(path, replace(file, sha256=digest[:8] if file.sha256 else ""))


def seeded(file: ReleasedFile, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network = narrow(file)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.normal_(layer.bias)
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
        elif isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.normal_(layer.bias)
    return network.eval()
