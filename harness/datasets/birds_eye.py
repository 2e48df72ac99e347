"""KITTI road in bird's-eye view: the space in which the benchmark's server ranks.

The road is the plane y = 0 of the road frame: x to the right and z ahead of the car, in metres. A point of it lies at
the pixel ``P2 @ R0_rect @ inverse(Tr_cam_to_road) @ (x, 0, z, 1)`` of the left colour image (readme of the road
development kit, 2013). A cell of the view takes the pixel that its centre falls on; the kit counts pixels from 1 and
cuts fractions off, and so does this module. Scores in the two spaces are not comparable.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError

Value = TypeVar("Value", bound=np.generic)

REMEDY = "Use the file of the folder calib as KITTI releases it."

_SHAPES = {"P2": (3, 4), "R0_rect": (3, 3), "Tr_velo_to_cam": (3, 4), "Tr_cam_to_road": (3, 4)}


@dataclass(frozen=True, slots=True)
class BirdsEyeGrid:
    """Which part of the road is seen, and how finely; the defaults are the benchmark's.

    Attributes:
        left: Smallest x, in metres.
        right: Largest x, in metres.
        near: Smallest z, in metres.
        far: Largest z, in metres.
        cell: Side of a cell, in metres.
    """

    left: float = -10.0
    right: float = 10.0
    near: float = 6.0
    far: float = 46.0
    cell: float = 0.05

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns: (800, 400) for the benchmark."""
        return round((self.far - self.near) / self.cell), round((self.right - self.left) / self.cell)

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """x of each column from left to right, and z of each row from far to near: centres of cells, in metres."""
        rows, columns = self.shape
        return (
            self.left + self.cell * (np.arange(columns, dtype=np.float64) + 0.5),
            self.far - self.cell * (np.arange(rows, dtype=np.float64) + 0.5),
        )


BENCHMARK = BirdsEyeGrid()


@dataclass(frozen=True, slots=True, eq=False)
class RoadCalibration:
    """Of one image of the road set.

    Attributes:
        projection: P2, float64 [3, 4], from the rectified camera frame to pixels of image_2.
        rectification: R0_rect, float64 [3, 3].
        velodyne_to_camera: Tr_velo_to_cam, float64 [3, 4].
        camera_to_road: Tr_cam_to_road, float64 [3, 4].
    """

    projection: NDArray[np.float64]
    rectification: NDArray[np.float64]
    velodyne_to_camera: NDArray[np.float64]
    camera_to_road: NDArray[np.float64]

    def road_to_pixel(self) -> NDArray[np.float64]:
        """Homography from (x, z, 1) of the road plane to homogeneous pixels of image_2, float64 [3, 3]."""
        road_to_camera = np.linalg.inv(np.vstack([self.camera_to_road, [0.0, 0.0, 0.0, 1.0]]))
        rectified = np.eye(4)
        rectified[:3, :3] = self.rectification
        homography: NDArray[np.float64] = (self.projection @ rectified @ road_to_camera)[:, [0, 2, 3]]
        return homography


def read_calibration(path: Path) -> RoadCalibration:
    """Read a file of the folder ``calib``: one matrix a line, its name, a colon, and its numbers row by row.

    Raises:
        DataError: The file cannot be read, a matrix is missing or of another size, a number is not finite, or
            Tr_cam_to_road cannot be inverted.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})", REMEDY) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file", REMEDY) from error
    found: dict[str, NDArray[np.float64]] = {}
    for number, line in enumerate(lines, start=1):
        name, colon, values = line.partition(":")
        if line.strip() and not colon:
            raise DataError(f"{path}, line {number}: expected a name, a colon and numbers", REMEDY)
        if name.strip() in _SHAPES:
            found[name.strip()] = _matrix(f"{path}, line {number}", name.strip(), values)
    missing = [name for name in _SHAPES if name not in found]
    if missing:
        raise DataError(f"{path}: no {', '.join(missing)}", REMEDY)
    if abs(np.linalg.det(found["Tr_cam_to_road"][:, :3])) < 1e-6:
        raise DataError(f"{path}: Tr_cam_to_road cannot be inverted", REMEDY)
    return RoadCalibration(found["P2"], found["R0_rect"], found["Tr_velo_to_cam"], found["Tr_cam_to_road"])


def to_birds_eye(
    image: NDArray[Value], calibration: RoadCalibration, grid: BirdsEyeGrid = BENCHMARK, outside: int = 0
) -> NDArray[Value]:
    """See a perspective image from above.

    Args:
        image: [H, W] or [H, W, C]: labels, confidences or colours; never interpolated.
        calibration: Of this image.
        grid: Which cells.
        outside: Value of cells that the camera does not see. The development kit has 0, which in the truth's red
            channel means "not valid"; for labels pass ``VOID``.

    Returns:
        As ``image``, with ``grid.shape`` in the place of H and W; row 0 is farthest, column 0 leftmost.
    """
    rows, columns, seen = _pixels(calibration.road_to_pixel(), grid, (image.shape[0], image.shape[1]))
    view = np.full((*grid.shape, *image.shape[2:]), outside, dtype=image.dtype)
    view[seen] = image[rows[seen], columns[seen]]
    return view


def _pixels(
    homography: NDArray[np.float64], grid: BirdsEyeGrid, size: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Row and column, from 0, of each cell's pixel, and whether the camera sees it: three [rows, columns]."""
    across, ahead = grid.centres()
    # The development kit keeps the centres in single precision: a cell on the border of two pixels depends on it.
    x, z = np.meshgrid(across.astype(np.float32).astype(np.float64), ahead.astype(np.float32).astype(np.float64))
    u, v, depth = np.tensordot(homography, np.stack([x, z, np.ones_like(x)]), axes=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = u / depth, v / depth
    height, width = size
    seen = (depth > 0) & (u >= 1) & (u <= width) & (v >= 1) & (v <= height)
    columns = np.where(seen, u, 1.0).astype(np.int64) - 1
    rows = np.where(seen, v, 1.0).astype(np.int64) - 1
    return rows, columns, seen


def _matrix(place: str, name: str, values: str) -> NDArray[np.float64]:
    rows, columns = _SHAPES[name]
    try:
        numbers = np.array([float(value) for value in values.split()])
    except ValueError as error:
        raise DataError(f"{place}: {name} holds something that is not a number ({error})", REMEDY) from error
    if numbers.size != rows * columns or not np.isfinite(numbers).all():
        raise DataError(f"{place}: {name} needs {rows * columns} finite numbers, got {numbers.size}", REMEDY)
    return numbers.reshape(rows, columns)
