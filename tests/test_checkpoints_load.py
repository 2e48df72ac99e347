"""Name maps are strict, files are found by name and digest, and nothing is loaded by halves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import checkpoint_writers as write
import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.checkpoints.find import find_released
from harness.checkpoints.load import WeightsFile, load_released, load_weights
from harness.checkpoints.names import NameMap, Rule, translate
from harness.checkpoints.released import Format, Preprocessing, ReleasedFile, read_released, released_of
from harness.errors import CheckpointError
from harness.networks.upsampling import bilinear_kernel

MAP = NameMap(
    rules=(
        Rule(file=r"(?P<name>\w+)_copy/(?P<blob>\d)", ignore="shared", same_as="{name}/{blob}"),
        Rule(file=r"up/0", ignore="interpolation", check="bilinear"),
        Rule(file=r"(?P<layer>conv|norm)/(?P<part>\d)", model="{layer}.{part}"),
        Rule(file=r"norm/(?P<statistic>\w+)", model="1.{statistic}"),
    ),
    words={
        "layer": {"conv": "0", "norm": "1"},
        "part": {"0": "weight", "1": "bias"},
        "statistic": {"mean": "running_mean", "variance": "running_var"},
    },
)
GIVEN: Mapping[str, write.Array] = {
    "conv/0": np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3),
    "conv/1": np.array([1, 2], np.float32),
    "norm/0": np.array([3, 4], np.float32),
    "norm/1": np.array([5, 6], np.float32),
    "norm/mean": np.array([7, 8], np.float32),
    "norm/variance": np.array([9, 10], np.float32),
}
KERNEL = np.broadcast_to(bilinear_kernel(8).numpy(), (2, 1, 16, 16))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))


def load(entries: Mapping[str, write.Array], kind: Format = "caffe", model: nn.Module | None = None) -> nn.Module:
    loaded = network() if model is None else model
    load_weights(loaded, WeightsFile(Path("file"), "", entries, {}), MAP, kind)
    return loaded


def refusal(entries: Mapping[str, write.Array]) -> str:
    """Return why entries are refused, having checked that the network is untouched."""
    model = network()
    with pytest.raises(CheckpointError) as caught:
        load(entries, model=model)
    assert caught.value.remedy
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in network().state_dict().items())
    return caught.value.message


def test_every_parameter_is_set_by_its_entry() -> None:
    state = load(GIVEN).state_dict()
    assert state["0.weight"].flatten().tolist() == list(range(54))
    assert [state[f"1.{key}"].tolist() for key in ("weight", "bias", "running_mean", "running_var")] == [
        [3, 4],
        [5, 6],
        [7, 8],
        [9, 10],
    ]
    assert state["1.num_batches_tracked"].item() == 0


@pytest.mark.parametrize("name", GIVEN)
def test_an_entry_that_is_lacking_or_strange_is_named(name: str) -> None:
    without = {key: value for key, value in GIVEN.items() if key != name}
    assert "missing 1: " in refusal(without)
    assert "mis-shaped 1: " + name in refusal({**GIVEN, name: np.zeros(3, np.float32)})
    assert "mis-shaped 1: " + name in refusal({**GIVEN, name: np.zeros(GIVEN[name].shape, np.int64)})
    assert "unexpected 1: else/0" in refusal({**GIVEN, "else/0": np.zeros(3, np.float32)})
    broken = GIVEN[name].astype(np.float64)
    for value in (np.nan, np.inf, 1e300):
        broken.flat[-1] = value
        assert f"not finite 1: {name}" in refusal({**GIVEN, name: broken})


def test_a_word_that_the_map_lacks_is_an_unknown_name() -> None:
    assert "unexpected 2: conv/7, norm/sum" in refusal({**GIVEN, "conv/7": KERNEL, "norm/sum": KERNEL})


def test_a_parameter_is_set_once() -> None:
    twice = NameMap(rules=(Rule(file="a|b", model="0.weight"),))
    assert translate(["a", "b"], twice).doubled == ("b",)


def test_shared_copies_have_to_be_equal() -> None:
    load({**GIVEN, "conv_copy/0": GIVEN["conv/0"].copy()})
    assert "conv_copy/0 is not equal to conv/0" in refusal({**GIVEN, "conv_copy/0": GIVEN["conv/0"] + 1})
    without = NameMap(rules=(Rule(file="b", ignore="shared", same_as="a"), *MAP.rules), words=MAP.words)
    with pytest.raises(CheckpointError, match="b is not equal to a"):
        load_weights(network(), WeightsFile(Path("file"), "", {**GIVEN, "b": KERNEL}, {}), without, "caffe")


def test_an_upsampling_that_is_left_out_has_to_be_bilinear() -> None:
    load({**GIVEN, "up/0": KERNEL})
    for wrong in (KERNEL * 1.001, KERNEL[..., :15], KERNEL[0], KERNEL[..., :15, :15]):
        assert "up/0 is not the kernel of bilinear upsampling" in refusal({**GIVEN, "up/0": wrong})


def test_only_caffe_s_blobs_of_four_sides_may_have_leading_ones() -> None:
    old = {**GIVEN, "conv/1": GIVEN["conv/1"].reshape(1, 1, 1, 2), "norm/0": GIVEN["norm/0"].reshape(1, 1, 1, 2)}
    assert all(torch.equal(value, load(old).state_dict()[key]) for key, value in load(GIVEN).state_dict().items())
    with pytest.raises(CheckpointError, match="mis-shaped 2"):
        load(old, "mxnet")
    assert "mis-shaped 1" in refusal({**GIVEN, "conv/1": GIVEN["conv/1"].reshape(1, 1, 2, 1)})
    assert "mis-shaped 1" in refusal({**GIVEN, "conv/1": GIVEN["conv/1"].reshape(1, 2)})


def test_doubles_and_halves_become_the_network_s_floats() -> None:
    for kind in (np.float64, np.float16):
        state = load({name: values.astype(kind) for name, values in GIVEN.items()}).state_dict()
        assert state["0.weight"].dtype == torch.float32
        assert state["0.weight"].flatten().tolist() == list(range(54))


@given(st.lists(st.text(max_size=8)), st.sampled_from(["drn", "dilation", "deeplab", "hdc"]))
def test_a_translation_accounts_for_every_name_once(names: list[str], paper: str) -> None:
    for file in released_of(paper)[:2]:
        found = translate(names, file.name_map)
        assert sorted([*found.sources.values(), *found.ignored, *found.unknown, *found.doubled]) == sorted(names)


@pytest.mark.parametrize(
    "fields",
    [
        {"file": "x"},
        {"file": "x", "model": "y", "ignore": "z"},
        {"file": "(", "model": "y"},
        {"file": "x", "model": "{part}"},
        {"file": "x", "ignore": "y", "same_as": "{part}"},
        {"file": "x", "model": "y", "check": "cubic"},
        {"file": "x", "model": "y", "unknown": "z"},
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, Rule)


def listed(**changes: Any) -> ReleasedFile:
    file = ReleasedFile(
        paper="p",
        name="net.caffemodel",
        url="http://example.org/net",
        sha256="",
        format="caffe",
        map="m",
        name_map=MAP,
        network="n",
        task="segmentation",
        system="s",
        origin="authors",
        classes=2,
        trained_on=("d/train",),
        evaluated_on=("d/val",),
        contaminated_for=(),
        selected_on=(),
        preprocessing=Preprocessing(channels="bgr", mean=(1, 2, 3)),
        holds="",
        notes=(),
    )
    return replace(file, **changes)


def caffemodel(extra: str = "") -> bytes:
    scale = np.ones(1, np.float32)
    layers = [
        write.CaffeLayer("conv", "Convolution", (GIVEN["conv/0"], GIVEN["conv/1"])),
        write.CaffeLayer("norm", "BatchNorm", (GIVEN["norm/mean"], GIVEN["norm/variance"], scale)),
    ]
    return write.caffemodel([*layers, *([write.CaffeLayer(extra, "Convolution", (scale,))] if extra else [])])


def test_a_released_file_is_recognised_by_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(caffemodel())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    genuine, other, silent = listed(sha256=digest[:8]), listed(sha256="00000000"), listed()
    assert [found.verified for found in find_released(tmp_path, [genuine]).found] == [True]
    assert [found.verified for found in find_released(tmp_path, [silent]).found] == [False]
    finding = find_released(tmp_path, [other])
    assert finding.lacking == (other,)
    assert "not the released file" in finding.refused[0].reason
    with pytest.raises(CheckpointError, match=f"begins with {digest[:8]}, not with 00000000"):
        load_released(network(), path, other)
    assert any("cannot be verified" in note for note in silent.caveats())
    assert not genuine.caveats()


def test_files_of_one_name_are_told_apart_by_a_layer(tmp_path: Path) -> None:
    first, second = listed(holds="head_a", network="a"), listed(holds="head_b", network="b")
    for folder, layer in (("one", "head_a"), ("two", "head_b"), ("three", "head_c")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.caffemodel").write_bytes(caffemodel(layer))
    finding = find_released(tmp_path, [first, second])
    assert [(found.released.network, found.path.parent.name) for found in finding.found] == [("a", "one"), ("b", "two")]
    assert [(refused.path.parent.name, "another network" in refused.reason) for refused in finding.refused] == [
        ("three", True)
    ]
    assert not finding.lacking


def test_a_folder_is_searched_through_and_everything_in_it_told(tmp_path: Path) -> None:
    content = caffemodel()
    for name in ("a/net.caffemodel", "b/net.caffemodel", "mine.pth", "notes.txt", "c/cut.caffemodel"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "c/cut.caffemodel").write_bytes(content[:-30])
    cut, lacking = listed(name="cut*", holds="conv"), listed(name="gone.params")
    finding = find_released(tmp_path, [lacking, cut, listed()])
    assert [found.path for found in finding.found] == [tmp_path / "a/net.caffemodel"]
    assert finding.lacking == (lacking, cut)
    second, broken = finding.refused
    assert (second.path, second.reason) == (
        tmp_path / "b/net.caffemodel",
        f"a second copy of {tmp_path / 'a/net.caffemodel'}",
    )
    assert broken.path.name == "cut.caffemodel"
    assert "are left" in broken.reason
    assert finding.unknown == (tmp_path / "mine.pth",)
    with pytest.raises(CheckpointError, match="no such folder"):
        find_released(tmp_path / "none", [])


def test_caveats_say_what_bounds_a_score() -> None:
    file = listed(contaminated_for=("d/val",), selected_on=("d/test",), origin="independent", notes=("More.",))
    text = " ".join(file.caveats())
    for words in ("trained on d/val", "chosen by its score on d/test", "by others", "More."):
        assert words in text


LIST = """
[[file]]
name = "x.params"
url = "u"
format = "mxnet"
map = "m"
network = "n"
task = "segmentation"
classes = 2
trained_on = []
preprocessing = "p"

[preprocessing.p]
channels = "rgb"
mean = [1, 2, 3]

[[maps.m.rules]]
file = 'a'
model = 'b'
"""


def test_a_list_is_read_and_completed(tmp_path: Path) -> None:
    path = tmp_path / "released.toml"
    path.write_text(LIST)
    (file,) = read_released(path, "paper")
    assert (file.paper, file.system, file.origin) == ("paper", "", "authors")
    assert file.preprocessing == Preprocessing(channels="rgb", mean=(1, 2, 3), deviation=(1, 1, 1), white=255)
    own = '\n[maps.own]\nextends = "m"\n[[maps.own.rules]]\nfile = "c"\nmodel = "d"\n'
    path.write_text(LIST.replace('map = "m"', 'map = "own"') + own)
    (extended,) = read_released(path, "paper")
    assert [rule.model for rule in extended.name_map.rules] == ["d", "b"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('map = "m"', 'map = "z"', "file 'x.params': no 'z' among m"),
        ('preprocessing = "p"', 'preprocessing = "z"', "no 'z' among p"),
        ("classes = 2", 'classes = 2\nholds = "x"', "only a .caffemodel is told from others"),
        ('format = "mxnet"', 'format = "onnx"', "Invalid enum value 'onnx'"),
        ("classes = 2", 'classes = "2"', "Expected `int`"),
        ("classes = 2", "claases = 2", "unknown field `claases`"),
        ("model = 'b'", "", "needs either 'model' or 'ignore'"),
        ("[[file]]", "[[file]", "Expected"),
    ],
)
def test_a_list_that_is_wrong_is_refused_with_its_path(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "released.toml"
    path.write_text(LIST.replace(old, new))
    with pytest.raises(CheckpointError) as caught:
        read_released(path, "paper")
    assert str(path) in caught.value.message
    assert message in caught.value.message


def test_a_map_may_extend_another() -> None:
    base = NameMap(rules=(Rule(file="(?P<x>.)", model="base.{x}"),), words={"x": {"a": "1", "b": "2"}})
    own = NameMap(rules=(Rule(file="c", model="own"),), words={"x": {"b": "3"}}, extends="base")
    assert translate("abc", own.on(base)).sources == {"own": "c", "base.3": "b"}
    assert translate("abc", own.on(base)).unknown == ("a",)
