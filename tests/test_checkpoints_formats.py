"""Caffe's and MXNet's files: what is read from bytes written by specification, and what damage leads to."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import checkpoint_writers as write
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from harness.checkpoints.binary import Source, open_source
from harness.checkpoints.caffe import entry_names, read_caffemodel
from harness.checkpoints.load import read_weights
from harness.checkpoints.mxnet import read_params
from harness.checkpoints.released import Format
from harness.errors import CheckpointError, ExitCode

HERE = Path("model")
floats = arrays(np.float32, array_shapes(min_dims=1, max_dims=4, max_side=5), elements=st.floats(-9, 9, width=32))


def caffe(content: bytes) -> dict[str, write.Array]:
    return read_caffemodel(Source(HERE, content))


def mxnet(content: bytes) -> dict[str, write.Array]:
    return read_params(Source(HERE, content))


@given(
    st.dictionaries(st.text("abcxyz_019", min_size=1, max_size=12), st.lists(floats, min_size=1, max_size=2)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_blobs_come_back_however_they_are_encoded(
    blobs: dict[str, list[write.Array]], first_version: bool, packed: bool, double: bool
) -> None:
    layers = [write.CaffeLayer(name, "Convolution", tuple(values)) for name, values in blobs.items()]
    content = write.caffemodel(layers, first_version=first_version, packed=packed, double=double)
    if not layers:
        with pytest.raises(CheckpointError, match="no layer with weights"):
            caffe(content)
        return
    entries = caffe(content)
    assert list(entries) == [f"{name}/{index}" for name, values in blobs.items() for index in range(len(values))]
    for layer in layers:
        for index, values in enumerate(layer.blobs):
            found = entries[f"{layer.name}/{index}"]
            wanted = values.reshape((1,) * (4 - values.ndim) + values.shape) if first_version else values
            assert found.dtype == (np.float64 if double else np.float32)
            np.testing.assert_array_equal(found, wanted, strict=False)
            assert found.shape == wanted.shape
    assert entry_names(Source(HERE, content)) == tuple(blobs)


def test_google_protocol_buffers_write_what_is_read() -> None:
    descriptors = pytest.importorskip("google.protobuf.descriptor_pb2", reason="protobuf is not installed")
    from google.protobuf import descriptor_pool, message_factory

    kinds = descriptors.FieldDescriptorProto
    file = descriptors.FileDescriptorProto(name="caffe_like.proto", package="c", syntax="proto2")

    def message(name: str, *fields: tuple[str, int, int, int, str]) -> None:
        added = file.message_type.add(name=name)
        for field, number, kind, label, type_name in fields:
            made = added.field.add(name=field, number=number, type=kind, label=label)
            if type_name:
                made.type_name = type_name
            elif label == many:
                made.options.packed = True

    one, many = kinds.LABEL_OPTIONAL, kinds.LABEL_REPEATED
    message("Shape", ("dim", 1, kinds.TYPE_INT64, many, ""))
    message("Blob", ("shape", 7, kinds.TYPE_MESSAGE, one, ".c.Shape"), ("data", 5, kinds.TYPE_FLOAT, many, ""))
    message(
        "Layer",
        ("name", 1, kinds.TYPE_STRING, one, ""),
        ("type", 2, kinds.TYPE_STRING, one, ""),
        ("blobs", 7, kinds.TYPE_MESSAGE, many, ".c.Blob"),
    )
    message("Net", ("name", 1, kinds.TYPE_STRING, one, ""), ("layer", 100, kinds.TYPE_MESSAGE, many, ".c.Layer"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    net = message_factory.GetMessageClass(pool.FindMessageTypeByName("c.Net"))(name="net")
    values = np.random.default_rng(0).normal(size=(300, 2, 3)).astype(np.float32)
    layer = net.layer.add(name="conv", type="Convolution")
    layer.blobs.add(shape={"dim": values.shape}, data=values.ravel().tolist())
    written = net.SerializeToString()
    np.testing.assert_array_equal(caffe(written)["conv/0"], values)


def normalisation(factor: float) -> write.CaffeLayer:
    mean, variance = np.array([1.5, -3], np.float32), np.array([0.25, 8], np.float32)
    scale = np.array([factor], np.float32)
    return write.CaffeLayer("bn", "BatchNorm", (mean * scale, variance * scale, scale))


def test_batch_normalisation_is_divided_by_its_moving_factor() -> None:
    entries = caffe(write.caffemodel([normalisation(999.98236)]))
    assert list(entries) == ["bn/mean", "bn/variance"]
    np.testing.assert_allclose(entries["bn/mean"], [1.5, -3], rtol=1e-6)
    np.testing.assert_allclose(entries["bn/variance"], [0.25, 8], rtol=1e-6)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_a_moving_factor_that_cannot_divide_is_refused(factor: float) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(CheckpointError, match="moving factor"):
        caffe(write.caffemodel([normalisation(factor)]))


def one_layer(content: bytes) -> bytes:
    return write.delimited(100, write.text(1, "x") + write.delimited(7, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (write.delimited(100, write.text(1, "x")), "no layer with weights"),
        (
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            "byte 10: field 1 of 9223372036854775807 bytes, where 0 are left",
        ),
        (b"\x0a" + b"\x80" * 10 + b"\x01", "byte 1: a number of more than 64 bits"),
        (b"\x0a\x80", "byte 1: a number that does not end"),
        (b"\x0b", "byte 0: wire type 3"),
        (b"\x00\x00", "byte 0: a field without a number"),
        (one_layer(write.delimited(7, write.delimited(1, b"\x03")) + write.delimited(5, b"\0" * 8)), "3 with 2 values"),
        (one_layer(write.delimited(5, b"\0" * 7)), "7 bytes of numbers that have 4 bytes each"),
        (one_layer(write.delimited(7, write.delimited(1, b"\x01" * 33)) + write.delimited(5, b"\0" * 4)), "blob of"),
        (one_layer(write.tagged(1, 0, write.varint(2**63)) + write.delimited(5, b"\0" * 4)), "with 1 values"),
        (write.delimited(100, write.delimited(1, b"\xff") + write.delimited(7, b"")), "byte 5: a layer's name that is"),
        (one_layer(write.delimited(7, write.delimited(1, write.varint(2**61) + b"\0"))), f"a blob of {2**61}x0 with 0"),
        (write.caffemodel([normalisation(1), normalisation(1)]), "a second layer 'bn'"),
        (b'{"nodes": []}', "byte 0: wire type 3"),
    ],
)
def test_what_is_wrong_in_a_caffemodel_is_named_by_its_offset(content: bytes, message: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        caffe(content)
    assert message in caught.value.message
    assert caught.value.message.startswith("model: byte ")
    assert caught.value.remedy
    assert caught.value.exit_code is ExitCode.CHECKPOINT


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=9),
        arrays(
            st.sampled_from([np.float32, np.float64, np.float16, np.uint8, np.int32, np.int8, np.int64]),
            array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=4),
        ),
        min_size=1,
    ),
    st.integers(0, 3),
)
def test_arrays_of_every_version_and_type_come_back(entries: dict[str, write.Array], version: int) -> None:
    found = mxnet(write.params(entries, version))
    assert list(found) == list(entries)
    for name, values in entries.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


def test_an_array_without_axes_is_a_number_in_the_third_version_and_none_before() -> None:
    entries = {"x": np.array(2.5, np.float32)}
    assert mxnet(write.params(entries, 3))["x"].item() == 2.5
    for version in (0, 1, 2):
        with pytest.raises(CheckpointError, match="saved before it had a shape"):
            mxnet(write.params(entries, version))


LIST = write.params({"arg:x": np.zeros((2, 3), np.float32)})


def changed(offset: int, kind: str, value: int) -> bytes:
    return LIST[:offset] + struct.pack("<" + kind, value) + LIST[offset + struct.calcsize(kind) :]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "byte 0: the magic number of 8 bytes, where 0 are left"),
        (b'{"nodes": []}', "not a list of MXNet arrays"),
        (changed(16, "Q", 2**60), "byte 24: 1152921504606846976 arrays of 4611686018427387904 bytes"),
        (changed(28, "i", 1), "byte 28: storage type 1: only dense"),
        (changed(32, "i", 33), "an array of 33 axes"),
        (changed(32, "i", -1), "saved before it had a shape"),
        (changed(36, "q", -2), "an array of -2x3"),
        (changed(36, "q", 2**61), f"an array of {2**61}x3"),
        (
            LIST[:36] + struct.pack("<qq", 2**61, 0) + LIST[52:],
            f"byte 36: an array of {2**61}x0",
        ),
        (changed(60, "i", 8), "byte 60: arrays of type 8"),
        (changed(88, "Q", 2), "byte 96: 2 names of 16 bytes, where 13 are left"),
        (LIST + b"\0", "1 bytes after the end"),
        (LIST[:-1], "a name of 5 bytes, where 4 are left"),
        (LIST[:-1] + b"\xff", "a name that is not text"),
        (write.params({}), "a list without arrays"),
        (write.params({"a": np.zeros(1, np.float32)}, names=[]), "0 names for 1 arrays"),
    ],
)
def test_what_is_wrong_in_a_list_of_arrays_is_named_by_its_offset(content: bytes, message: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        mxnet(content)
    assert message in caught.value.message
    assert caught.value.remedy


SAMPLES: dict[str, tuple[bytes, Callable[[bytes], dict[str, write.Array]]]] = {
    "caffe": (
        write.caffemodel(
            [write.CaffeLayer("conv", "Convolution", (np.ones((2, 1, 3, 3)), np.zeros(2))), normalisation(4)]
        ),
        caffe,
    ),
    "caffe, not packed": (
        write.caffemodel([write.CaffeLayer("conv", "Convolution", (np.ones((2, 3)), np.zeros(2)))], packed=False),
        caffe,
    ),
    "caffe, first version": (
        write.caffemodel([write.CaffeLayer("fc", "", (np.ones((2, 3)), np.zeros(2)))], first_version=True, double=True),
        caffe,
    ),
    "mxnet": (write.params({"arg:w": np.ones((2, 3), np.float32), "aux:m": np.zeros(2, np.float16)}), mxnet),
    "mxnet, first version": (write.params({"arg:w": np.ones((2, 3), np.float32)}, version=0), mxnet),
}


def outcome_of(
    read: Callable[[bytes], dict[str, write.Array]], content: bytes
) -> dict[str, write.Array] | CheckpointError:
    try:
        return read(content)
    except CheckpointError as error:
        return error


@pytest.mark.parametrize("kind", SAMPLES)
@given(data=st.data())
def test_damage_never_escapes_as_another_error(kind: str, data: st.DataObject) -> None:
    content, read = SAMPLES[kind]
    damaged = bytearray(content[: data.draw(st.integers(0, len(content)))])
    for _ in range(data.draw(st.integers(0, 4)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    outcome = outcome_of(read, bytes(damaged))
    if isinstance(outcome, CheckpointError):
        assert outcome.remedy
    else:
        assert sum(values.nbytes for values in outcome.values()) <= 8 * len(content)


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_truncation_is_refused_or_leaves_out_whole_layers(kind: str) -> None:
    content, read = SAMPLES[kind]
    whole = read(content)
    for size in range(len(content)):
        try:
            entries = read(content[:size])
        except CheckpointError:
            continue
        assert kind.startswith("caffe")
        assert all(np.array_equal(values, whole[name]) for name, values in entries.items())


@given(st.binary(max_size=200))
@example(b"\xa2\x06\x02\x0a\x00")
def test_arbitrary_bytes_are_refused_or_read(content: bytes) -> None:
    for read in (caffe, mxnet):
        outcome = outcome_of(read, content)
        assert outcome.message if isinstance(outcome, CheckpointError) else outcome


def test_numbers_that_take_turns_with_other_fields_are_read_in_linear_time() -> None:
    pair = write.tagged(5, 5, struct.pack("<f", 2.0)) + write.tagged(6, 5, struct.pack("<f", 9.0))
    count = 2000
    entries = caffe(one_layer(write.delimited(7, write.delimited(1, write.varint(count))) + pair * count))
    assert entries["x/0"].tolist() == [2.0] * count


def test_files_are_mapped_and_outlive_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(SAMPLES["caffe"][0])
    weights = read_weights(path, "caffe")
    path.unlink()
    assert weights.entries["conv/0"].shape == (2, 1, 3, 3)
    assert not weights.entries["conv/0"].flags.owndata


@pytest.mark.parametrize("kind", ["caffe", "mxnet", "torch"])
def test_missing_empty_and_foreign_files_are_refused(kind: Format, tmp_path: Path) -> None:
    empty, folder, foreign = tmp_path / "empty", tmp_path / "folder", tmp_path / "foreign"
    empty.touch()
    folder.mkdir()
    torch.save({"x": torch.zeros(2)}, foreign) if kind != "torch" else foreign.write_bytes(SAMPLES["caffe"][0])
    for path in (tmp_path / "none", empty, folder, foreign):
        with pytest.raises(CheckpointError) as caught:
            read_weights(path, kind)
        assert str(path) in caught.value.message
        assert caught.value.remedy


def test_torch_files_need_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    state = {"module.w": torch.arange(4.0), "module.n": torch.tensor(3)}
    torch.save({"state_dict": state, "epoch": 7, "best_prec1": np.float64(1.5)}, path)
    weights = read_weights(path, "torch")
    assert {name: values.tolist() for name, values in weights.entries.items()} == {"w": [0, 1, 2, 3], "n": 3}
    assert weights.metadata == {"epoch": 7, "best_prec1": 1.5}
    torch.save({"w": torch.zeros(2, dtype=torch.bfloat16)}, path)
    with pytest.raises(CheckpointError, match=r"w is torch\.bfloat16"):
        read_weights(path, "torch")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
@given(data=st.data())
def test_damage_to_a_torch_file_never_escapes_as_another_error(
    zipped: bool, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stream = BytesIO()
    torch.save({"w": torch.ones(3), "n": torch.tensor(2)}, stream, _use_new_zipfile_serialization=zipped)
    damaged = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "model.pth"
    path.write_bytes(damaged)
    with suppress(CheckpointError):
        assert read_weights(path, "torch").entries


def test_a_source_checks_before_it_reads(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(b"abcd")
    source = open_source(path)
    assert source.number("H", 2, "pair") == int.from_bytes(b"cd", "little")
    with pytest.raises(CheckpointError, match=r"byte 2: words of 8000000000000 bytes, where 2 are left"):
        source.array("<f4", (10**12, 2), 2, "words")
