"""Checkpoint files: what loads, and what is refused with a reason and a remedy."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from harness.errors import CheckpointError, ExitCode
from harness.weights import load_checkpoint
from reproductions.drn.models import Classifier, Segmenter, build


def classifier(name: str = "DRN-C-26", seed: int = 0, num_classes: int = 5) -> Classifier:
    torch.manual_seed(seed)
    return build(name, num_classes=num_classes, width=0.05)


def refusal(path: Path, model: nn.Module | None = None) -> str:
    """Return the message that loading ``path`` ends with, having checked that the model is untouched."""
    model = classifier() if model is None else model
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, model)
    assert caught.value.exit_code is ExitCode.CHECKPOINT
    assert caught.value.remedy
    assert str(path) in caught.value.message
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    return str(caught.value)


def assert_equal(left: nn.Module, right: nn.Module) -> None:
    other = right.state_dict()
    assert all(torch.equal(value, other[key]) for key, value in left.state_dict().items())


def as_released(state: dict[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["ResNet-18", "DRN-C-26", "DRN-C-58", "DRN-D-22"])
def test_a_file_without_batch_counters_loads_in_either_format(tmp_path: Path, name: str, zipped: bool) -> None:
    path = tmp_path / "model.pth"
    source, target = classifier(name, seed=1), classifier(name, seed=2)
    torch.save(as_released(source.state_dict()), path, _use_new_zipfile_serialization=zipped)
    loaded = load_checkpoint(path, target)
    assert_equal(source, target)
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.tensors == len(as_released(source.state_dict()))
    assert loaded.metadata == {}


def test_a_resumable_file_loads_with_what_it_tells(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_latest.pth.tar"
    source, target = Segmenter(classifier(seed=1), 4), Segmenter(classifier(seed=2), 4)
    state = as_released(source.state_dict(), prefix="module.")
    best = np.float64(68.25)
    torch.save(
        {"epoch": 250, "arch": "drn_c_26", "state_dict": state, "best_prec1": best, "optimizer": {"lr": [0.1]}},
        path,
        _use_new_zipfile_serialization=False,
    )
    loaded = load_checkpoint(path, target)
    assert_equal(source, target)
    assert loaded.metadata == {"epoch": 250, "arch": "drn_c_26", "best_prec1": 68.25}


def test_batch_counters_of_the_file_are_taken(tmp_path: Path) -> None:
    source, target = classifier(seed=1), classifier(seed=2)
    source(torch.randn(2, 3, 32, 32))
    torch.save(source.state_dict(), tmp_path / "model.pth")
    load_checkpoint(tmp_path / "model.pth", target)
    assert int(target.state_dict()["bn1.num_batches_tracked"]) == 1


def test_half_precision_loads_into_single(tmp_path: Path) -> None:
    source, target = classifier(seed=1), classifier(seed=2)
    torch.save({key: value.half() for key, value in source.state_dict().items()}, tmp_path / "half.pth")
    load_checkpoint(tmp_path / "half.pth", target)
    weight = target.state_dict()["conv1.weight"]
    assert weight.dtype is torch.float32
    torch.testing.assert_close(weight, source.state_dict()["conv1.weight"], rtol=1e-3, atol=1e-3)


def test_another_model_is_refused_with_the_keys_that_differ(tmp_path: Path) -> None:
    path = tmp_path / "resnet.pth"
    torch.save(as_released(classifier("ResNet-18").state_dict()), path)
    message = refusal(path)
    assert "belongs to another model" in message
    differing = classifier().state_dict().keys() ^ classifier("ResNet-18").state_dict().keys()
    assert differing
    assert re.search(r"missing \d+: layer\S+, .* and \d+ more", message)
    assert re.search(r"unexpected \d+: layer\S+, ", message)
    assert re.search(r"mis-shaped \d+: conv1\.weight \(3, 3, 7, 7\) where the model has \(1, 3, 7, 7\)", message)
    assert len(message) < 2000


def test_every_kind_of_difference_is_named(tmp_path: Path) -> None:
    state = dict(classifier().state_dict())
    state["fc.weight"] = torch.zeros(7, 26, 1, 1)
    del state["bn1.bias"]
    state["extra.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "odd.pth")
    message = refusal(tmp_path / "odd.pth")
    assert "missing 1: bn1.bias\n" in message
    assert "unexpected 1: extra.weight\n" in message
    assert "mis-shaped 1: fc.weight (7, 26, 1, 1) where the model has (5, 26, 1, 1)\n" in message


class Touch:
    """Unpickles by creating a file, as a malicious checkpoint would run its code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.open, (str(self.path), os.O_CREAT)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_refused_and_never_run(tmp_path: Path, zipped: bool) -> None:
    path, trace = tmp_path / "evil.pth", tmp_path / "trace"
    state = {**classifier().state_dict(), "fc.bias": Touch(trace)}
    torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=zipped)
    message = refusal(path)
    assert "holds Python code or objects" in message
    assert "nothing was executed" in message
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "the file was not malicious, so the test showed nothing"


def test_code_in_a_plain_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "evil.pkl", tmp_path / "trace"
    path.write_bytes(pickle.dumps({"state_dict": Touch(trace)}))
    assert "plain Python pickle" in refusal(path)
    assert not trace.exists()


def test_a_pickled_model_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Conv2d(3, 3, 1), tmp_path / "model.pth")
    assert "holds Python code or objects (torch.nn.modules.conv.Conv2d)" in refusal(tmp_path / "model.pth")


@pytest.mark.parametrize(
    "content",
    [b"", b"hello, this is text", b"\x89PNG\r\n\x1a\n0000", b"\x08\x00\x00\x00\x00\x00\x00\x00{}", b"\x80", b"PK"],
)
def test_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(content)
    assert "Give a file written by torch.save" in refusal(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, zipped: bool, kept: float) -> None:
    path = tmp_path / "cut.pth"
    torch.save(classifier().state_dict(), path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: max(32, int(len(content) * kept))])
    assert "corrupt or cut short" in refusal(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes_never_escape_as_another_error(tmp_path: Path, data: st.DataObject) -> None:
    """A flipped byte may hit a weight and load; whatever it hits, nothing but a CheckpointError comes out."""
    path = tmp_path / "damaged.pth"
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=data.draw(st.booleans()))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(CheckpointError):
        load_checkpoint(path, model)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ([torch.zeros(1)], "holds a list, not a state dict"),
        ({}, "holds an empty dict"),
        ({"state_dict": {}}, "holds an empty dict"),
        ({"epoch": 3, "weights": torch.zeros(1)}, "entries that are not tensors: epoch"),
        (torch.zeros(3), "holds a Tensor"),
    ],
)
def test_a_file_without_a_state_dict_is_refused(tmp_path: Path, payload: object, words: str) -> None:
    torch.save(payload, tmp_path / "odd.pth")
    assert words in refusal(tmp_path / "odd.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    state = classifier().state_dict()
    state["fc.bias"][0] = value
    torch.save(state, tmp_path / "diverged.pth")
    assert "not finite in fc.bias" in refusal(tmp_path / "diverged.pth")


def test_the_digest_in_a_name_is_checked(tmp_path: Path) -> None:
    plain = tmp_path / "plain.pth"
    torch.save(classifier(seed=1).state_dict(), plain)
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()
    named = plain.rename(tmp_path / f"drn_c_26-{digest[:8]}.pth")
    assert load_checkpoint(named, classifier()).sha256 == digest
    wrong = named.rename(tmp_path / "drn_c_26-ddedf421.pth")
    assert f"its sha256 begins with {digest[:8]}, not with the ddedf421 in its name" in refusal(wrong)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.pth")
    assert "is a directory" in refusal(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.pth"
    torch.save(classifier().state_dict(), path)
    path.chmod(0)
    assert "permission denied" in refusal(path)
