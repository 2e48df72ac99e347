"""Small folders in the layouts of official datasets, written file by file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from harness.datasets.segmented import VOID
from harness.errors import DataError

STRANGE_FOLDER = "Données für 測試"
"""A name with letters outside ASCII and a blank."""


def put(path: Path, content: bytes | str = b"x") -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def put_lines(path: Path, lines: Iterable[str]) -> Path:
    return put(path, "".join(f"{line}\n" for line in lines))


def put_image(path: Path, height: int, width: int) -> Path:
    """Write an RGB image that is a function of its size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def put_png(path: Path, values: NDArray[Any], palette: bytes | None = None) -> Path:
    """Write a PNG chunk by chunk: grey of 8 or 16 bits, RGB, or indices into a palette of 256 RGB colours."""
    height, width = values.shape[:2]
    depth = values.dtype.itemsize * 8
    kind = 3 if palette else 2 if values.ndim == 3 else 0
    rows = values.astype(values.dtype.newbyteorder(">")).reshape(height, -1)
    scanlines = b"".join(b"\0" + row.tobytes() for row in rows)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))]
    chunks += [(b"PLTE", palette)] if palette else []
    chunks += [(b"IDAT", zlib.compress(scanlines)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return put(path, b"\x89PNG\r\n\x1a\n" + body)


def put_voc(folder: Path) -> Path:
    """Write 14 training and 6 validation photographs of two shapes in VOC's layout, labelled in blocks."""
    palette = bytes((7 * place + channel) % 256 for place in range(256) for channel in range(3))
    root = folder / "VOCdevkit/VOC2012"
    names = [f"2009_{number:06}" for number in range(20)]
    put_lines(root / "ImageSets/Segmentation/train_aug.txt", names[:14])
    put_lines(root / "ImageSets/Segmentation/val.txt", names[14:])
    for number, name in enumerate(names):
        height, width = (60, 80) if number % 2 else (80, 44)
        put_image(root / f"JPEGImages/{name}.jpg", height, width)
        truth = np.zeros((height, width), np.uint8)
        truth[20:50, 10:40] = 1 + number % 3
        truth[:4] = VOID
        put_png(root / f"SegmentationClassAug/{name}.png", truth, palette)
    return folder


def put_mat(path: Path, **variables: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables, do_compression=True)
    return path


def complaint(call: Callable[[], object]) -> str:
    """The text of the DataError that a call must raise, remedy included."""
    with pytest.raises(DataError) as caught:
        call()
    assert caught.value.remedy
    return str(caught.value)


def files(folder: Path) -> list[str]:
    """Names in a folder, but for locks."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))
