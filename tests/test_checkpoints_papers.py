"""Each paper's released files: written in the authors' format under the authors' names, read back, and run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import checkpoint_writers as write
import numpy as np
import pytest
import released_names as names
import torch
from released_files import caffe_layers, seeded, torch_entries, write_as_released
from torch import nn

from harness.checkpoints.load import load_released
from harness.checkpoints.names import translate
from harness.checkpoints.released import ReleasedFile, released_of
from harness.claims.papers import find_paper
from harness.networks.upsampling import Alignment
from reproductions.deeplab.released import build_released as released_deeplab
from reproductions.dilation.released import build_released as released_dilation
from reproductions.dilation.released import deployment
from reproductions.dilation.specs import MARGIN
from reproductions.drn.released import build_released as released_drn
from reproductions.hdc.released import build_released as released_hdc

PAPERS = ("drn", "dilation", "deeplab", "hdc")
BUILDERS: Mapping[str, Callable[[ReleasedFile], nn.Module]] = {
    "drn": released_drn,
    "dilation": released_dilation,
    "deeplab": released_deeplab,
    "hdc": released_hdc,
}
EVERY = [(paper, file) for paper in PAPERS for file in released_of(paper)]
NAMES = [f"{paper}-{file.name}-{file.network}" for paper, file in EVERY]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(("paper", "file"), EVERY, ids=NAMES)
def test_a_file_as_the_authors_wrote_it_gives_the_same_network_bit_for_bit(
    paper: str, file: ReleasedFile, tmp_path: Path
) -> None:
    source, target = seeded(file, 1), seeded(file, 2)
    written = write_as_released(file, source, tmp_path)
    loaded = load_released(target, written.path, written.file)
    assert loaded.sha256 == hashlib.sha256(written.path.read_bytes()).hexdigest()
    own = target.state_dict()
    assert loaded.entries == len([key for key in own if not key.endswith("tracked")])
    assert all(torch.equal(value, own[key]) for key, value in source.state_dict().items())
    size = 2 * MARGIN + 40 if paper == "dilation" else 65
    image = torch.randn(1, 3, size, size)
    with torch.no_grad():
        assert torch.equal(source(image), target(image))
    assert loaded.notes == file.caveats()


@pytest.mark.parametrize(("paper", "file"), EVERY, ids=NAMES)
def test_names_and_shapes_at_full_size_are_the_network_s_own(paper: str, file: ReleasedFile) -> None:
    with torch.device("meta"):
        network = BUILDERS[paper](file)
    empty = {
        key: np.broadcast_to(np.zeros((), np.float32), tuple(value.shape))
        for key, value in network.state_dict().items()
        if not key.endswith("tracked")
    }
    if file.format == "caffe":
        entries: dict[str, write.Array] = {}
        for layer in caffe_layers(file, empty):
            parts = ("mean", "variance") if layer.type == "BatchNorm" else ("0", "1")
            entries.update({f"{layer.name}/{part}": blob for part, blob in zip(parts, layer.blobs, strict=False)})
    else:
        entries = dict(torch_entries(file, empty) if file.format == "torch" else names.tusimple(empty))
    translation = translate(entries, file.name_map)
    assert not translation.unknown
    assert not translation.doubled
    assert {key: entries[name].shape for key, name in translation.sources.items()} == {
        key: value.shape for key, value in empty.items()
    }


def test_parameters_of_the_released_networks_are_those_counted_in_them() -> None:
    counted = {
        "drn_c_58-0a53a92c.pth": 41_591_608,
        "drn_d_105-12b40979.pth": 54_801_304,
        "resnet50-19c8e357.pth": 25_557_032,
        "train_iter_20000.caffemodel": 44_048_532,
        "ResNet_DUC_HDC_CityScapes-0020.params": 65_038_464,
        "dilation8_pascal_voc.caffemodel": 134_346_581 + 6_803_139,
        "dilation8_camvid.caffemodel": 134_305_611 + 7_832,
        "dilation7_kitti.caffemodel": 134_305_611 + 6_732,
        "dilation10_cityscapes.caffemodel": 134_338_387 + 29_792,
    }
    for paper, file in EVERY:
        wanted = counted.pop(file.name, None)
        if wanted is not None:
            with torch.device("meta"):
                assert sum(value.numel() for value in BUILDERS[paper](file).parameters()) == wanted, file.name
    assert not counted


def test_the_released_networks_differ_from_the_papers_where_the_authors_code_does() -> None:
    by_name = {file.name: file for _, file in EVERY}
    with torch.device("meta"):
        voc = released_dilation(by_name["dilation8_pascal_voc.caffemodel"])
        streets = released_dilation(by_name["dilation10_cityscapes.caffemodel"], surrounded=True)
        duc = released_hdc(by_name["ResNet_DUC_HDC_CityScapes-0020.params"])
    assert isinstance(voc.context, nn.Module)
    assert isinstance(voc.context.margin, nn.ZeroPad2d)
    assert isinstance(streets.context, nn.Module)
    assert isinstance(streets.context.margin, nn.Identity)
    assert (voc.alignment, streets.alignment) == (Alignment.SAMPLES, Alignment.CENTRES)
    assert isinstance(voc.front.margin, nn.ReflectionPad2d)
    assert isinstance(streets.front.margin, nn.Identity)
    assert {layer.eps for layer in duc.modules() if isinstance(layer, nn.BatchNorm2d)} == {1e-6}


def test_released_deployments_make_maps_of_the_published_size() -> None:
    for file, cells in zip(released_of("dilation"), ((66, 66), (66, 91), (60, 159), (128, 128)), strict=True):
        with torch.device("meta"):
            network = released_dilation(file, surrounded=True)
            tile = torch.empty(1, 3, *deployment(file).input_size)
            assert network.scores(tile).shape == (1, file.classes, *cells)


@pytest.mark.parametrize("paper", PAPERS)
def test_lists_agree_with_the_claims(paper: str) -> None:
    claims = find_paper(paper)
    measured = {claim.system for claim in claims.claims.values()} | {other.system for other in claims.references}
    splits = {claim.dataset for claim in claims.claims.values()}
    for file in released_of(paper):
        assert file.paper == paper
        assert not file.system or file.system in measured, file
        assert set(file.evaluated_on) <= splits, file
        assert not set(file.contaminated_for) & set(file.evaluated_on), file
        assert len(file.sha256) in (0, 8)


def test_files_trained_on_the_validation_images_are_labelled() -> None:
    contaminated = {(file.name, file.contaminated_for) for _, file in EVERY if file.contaminated_for}
    assert contaminated == {
        ("train2_iter_20000.caffemodel", ("voc2012/val",)),
        ("deeplabv2_resnet101_msc-vocaug.pth", ("voc2012/val",)),
    }
    for _, file in EVERY:
        if file.contaminated_for:
            assert "It was trained on voc2012/val: a score there is no evidence." in file.caveats()
