"""KITTI: the folders of both sets, their truth, and the bird's-eye view against projection by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.datasets.birds_eye import BENCHMARK, BirdsEyeGrid, RoadCalibration, read_calibration, to_birds_eye
from harness.datasets.colours import read_painted
from harness.datasets.kitti_road import (
    TEST_COUNTS,
    TRAINING_COUNTS,
    calibration_path,
    open_kitti_road,
    read_road,
)
from harness.datasets.kitti_ros import CLASSES, COLOURS, open_kitti_ros
from harness.datasets.segmented import VOID
from harness.errors import DataError, ExitCode, UsageError

CALIBRATION = """\
P0: 7.215377e+02 0 6.095593e+02 0 0 7.215377e+02 1.728540e+02 0 0 0 1 0
P2: 7.215377e+02 0 6.095593e+02 4.485728e+01 0 7.215377e+02 1.728540e+02 2.163791e-01 0 0 1 2.745884e-03
R0_rect: 9.999239e-01 9.837760e-03 -7.445048e-03 -9.869795e-03 9.999421e-01 -4.278459e-03 7.402527e-03 4.351614e-03 \
9.999631e-01
Tr_velo_to_cam: 7.533745e-03 -9.999714e-01 -6.166020e-04 -4.069766e-03 1.480249e-02 7.280733e-04 -9.998902e-01 \
-7.631618e-02 9.998621e-01 7.523790e-03 1.480755e-02 -2.717806e-01

Tr_cam_to_road: 9.999044710077e-01 -1.170165577363e-02 -7.360826724365e-03 1.911984983337e-02 1.160251828357e-02 \
9.998432738993e-01 -1.336987011872e-02 -1.562198078590e+00 7.516122576373e-03 1.328318612284e-02 9.998834806284e-01 \
2.752775890648e-01
"""
"""Of a real image of the set."""

SIZE = (375, 1242)


@pytest.fixture
def calibration(tmp_path: Path) -> RoadCalibration:
    path = tmp_path / "um_000000.txt"
    path.write_text(CALIBRATION, encoding="ascii")
    return read_calibration(path)


def road_pixels(folder: Path) -> None:
    """Three images of each category, with truth and calibration."""
    for part in ("image_2", "gt_image_2", "calib"):
        (folder / "training" / part).mkdir(parents=True)
    truth = np.zeros((4, 6, 3), np.uint8)
    truth[1:, :, 0] = 255
    truth[2:, :, 2] = 255
    for category in TRAINING_COUNTS:
        for number in range(3):
            name = f"{category}_{number:06d}"
            Image.new("RGB", (6, 4), (number, 2, 3)).save(folder / "training/image_2" / f"{name}.png")
            Image.fromarray(truth).save(folder / "training/gt_image_2" / f"{category}_road_{number:06d}.png")
            (folder / "training/calib" / f"{name}.txt").write_text(CALIBRATION)
    Image.fromarray(truth).save(folder / "training/gt_image_2/um_lane_000000.png")


@pytest.fixture
def road(tmp_path: Path) -> Path:
    folder = tmp_path / "Straße" / "data_road"
    road_pixels(folder)
    return folder


def test_the_counts_of_the_release_add_up() -> None:
    assert sum(TRAINING_COUNTS.values()) == 289
    assert sum(TEST_COUNTS.values()) == 290


def test_a_part_of_the_road_set_is_read_in_order(road: Path) -> None:
    images = open_kitti_road(road.parent, require_complete=False)
    assert [item.name for item in images.items] == [f"{c}_{n:06d}" for c in ("um", "umm", "uu") for n in range(3)]
    assert images.split.key == "kitti-road/all"
    assert (images.split.images, images.split.release, images.split.whole) == (9, 289, False)
    expected = np.array([[VOID] * 6, [0] * 6, [1] * 6, [1] * 6])
    assert (images.truth(4) == expected).all()
    assert images.image(5).shape == (4, 6, 3)
    assert calibration_path(images.split.root, "umm_000001").read_text() == CALIBRATION
    one = open_kitti_road(road, "uu", require_complete=False)
    assert [item.name for item in one.items] == ["uu_000000", "uu_000001", "uu_000002"]


def test_the_digest_changes_with_a_files_size(road: Path) -> None:
    before = open_kitti_road(road, "um", require_complete=False).split.digest
    Image.new("RGB", (60, 40), (1, 200, 30)).save(road / "training/image_2/um_000001.png")
    assert open_kitti_road(road, "um", require_complete=False).split.digest != before


def test_a_whole_set_is_whole(tmp_path: Path) -> None:
    road_pixels(tmp_path)
    source = tmp_path / "training"
    for number in range(3, 95):
        for folder, name in (("image_2", "um_{}.png"), ("gt_image_2", "um_road_{}.png"), ("calib", "um_{}.txt")):
            copy = source / folder / name.format(f"{number:06d}")
            copy.write_bytes((source / folder / name.format("000000")).read_bytes())
    images = open_kitti_road(tmp_path, "um")
    assert images.split.whole
    assert len(images) == 95


def test_everything_missing_of_the_road_set_is_told_at_once(road: Path) -> None:
    (road / "training/gt_image_2/uu_road_000001.png").write_bytes(b"")
    (road / "training/image_2/um_000095.png").write_bytes(b"x")
    with pytest.raises(DataError) as caught:
        open_kitti_road(road)
    message = caught.value.message
    assert "training/calib: 280 of 289 files missing, first um_000003.txt" in message
    assert "images missing: 280 of 289: training/image_2/um_000003.png" in message
    assert "um_000095" in message
    assert "empty files: 1" in message
    assert caught.value.exit_code is ExitCode.DATA
    assert "eval_road.php" in caught.value.remedy


def test_no_such_category_and_no_such_folder(road: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="um, umm, uu, all"):
        open_kitti_road(road, "urban")
    with pytest.raises(DataError, match="gt_image_2"):
        open_kitti_road(tmp_path / "Straße" / "data_road" / "training")


@pytest.mark.parametrize(("mode", "colour"), [("L", 255), ("RGBA", (255, 0, 255, 255)), ("RGB", (0, 0, 255))])
def test_a_road_truth_of_another_form_is_refused(tmp_path: Path, mode: str, colour: int | tuple[int, ...]) -> None:
    path = tmp_path / "um_road_000000.png"
    Image.new(mode, (3, 2), colour).save(path)
    with pytest.raises(DataError, match="um_road_000000"):
        read_road(path)


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=6, max_size=6))
def test_road_is_blue_and_valid_is_red(
    tmp_path_factory: pytest.TempPathFactory, colours: list[tuple[int, ...]]
) -> None:
    pixels = np.array([*colours, (1, 0, 0)], np.uint8)[None]
    path = tmp_path_factory.mktemp("road") / "truth.png"
    Image.fromarray(pixels).save(path)
    expected = [VOID if red == 0 else int(blue > 0) for red, _, blue in [*colours, (1, 0, 0)]]
    assert read_road(path)[0].tolist() == expected


def project(calibration: RoadCalibration, x: float, z: float) -> tuple[float, float]:
    """Pixel of a point of the road, step by step: into the camera's frame, turned, projected."""
    rotation, shift = calibration.camera_to_road[:, :3], calibration.camera_to_road[:, 3]
    camera = np.linalg.solve(rotation, np.array([x, 0.0, z]) - shift)
    turned = calibration.rectification @ camera
    u, v, depth = calibration.projection[:, :3] @ turned + calibration.projection[:, 3]
    return u / depth, v / depth


def test_the_homography_projects_as_the_frames_do_one_after_another(calibration: RoadCalibration) -> None:
    for x in (-10.0, -3.2, 0.0, 10.0):
        for z in (6.0, 20.5, 46.0):
            u, v, depth = calibration.road_to_pixel() @ np.array([x, z, 1.0])
            assert (u / depth, v / depth) == pytest.approx(project(calibration, x, z), rel=1e-9)


def test_the_benchmarks_grid() -> None:
    x, z = BENCHMARK.centres()
    assert BENCHMARK.shape == (800, 400)
    assert (x[0], x[-1], z[0], z[-1]) == pytest.approx((-9.975, 9.975, 45.975, 6.025))


def test_each_cell_takes_the_pixel_its_centre_falls_on(calibration: RoadCalibration) -> None:
    """Pixels count from 1 and fractions are cut off, as in the development kit."""
    height, width = SIZE
    numbers = np.arange(1, height * width + 1, dtype=np.int64).reshape(SIZE)
    view = to_birds_eye(numbers, calibration)
    checked = 0
    for row in range(0, 800, 37):
        for column in range(0, 400, 23):
            u, v = project(calibration, -10 + 0.05 * (column + 0.5), 46 - 0.05 * (row + 0.5))
            if min(abs(u - round(u)), abs(v - round(v))) < 1e-3:
                continue
            inside = 1 <= u <= width and 1 <= v <= height
            expected = numbers[math.floor(v) - 1, math.floor(u) - 1] if inside else 0
            assert view[row, column] == expected
            checked += inside
    assert checked > 300


def test_what_the_camera_does_not_see_is_not_valid(calibration: RoadCalibration) -> None:
    ones = np.ones(SIZE, np.uint8)
    view = to_birds_eye(ones, calibration, outside=VOID)
    assert set(np.unique(view)) == {1, VOID}
    assert (view[-1, [0, -1]] == VOID).all()
    assert view[0, 200] == 1


def test_colours_keep_their_channels(calibration: RoadCalibration) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    view = to_birds_eye(colours, calibration)
    assert view.shape == (800, 400, 3)
    for channel in range(3):
        assert (view[..., channel] == to_birds_eye(colours[..., channel], calibration)).all()


@settings(max_examples=30)
@given(
    focal=st.floats(200, 1500),
    height=st.floats(1, 3),
    x=st.floats(-9, 9),
    z=st.floats(8, 40),
)
def test_a_level_camera_follows_the_closed_form(focal: float, height: float, x: float, z: float) -> None:
    """A camera at height h, looking ahead: u = f x / z + cx, v = f h / z + cy (y points down)."""
    projection = np.array([[focal, 0, 600.0, 0], [0, focal, 180.0, 0], [0, 0, 1.0, 0]])
    pose = np.hstack([np.eye(3), [[0.0], [-height], [0.0]]])
    calibration = RoadCalibration(projection, np.eye(3), np.zeros((3, 4)), pose)
    u, v, depth = calibration.road_to_pixel() @ np.array([x, z, 1.0])
    assert (u / depth, v / depth) == pytest.approx((focal * x / z + 600, focal * height / z + 180))


def test_a_grid_of_one_cell(calibration: RoadCalibration) -> None:
    grid = BirdsEyeGrid(left=-0.5, right=0.5, near=19.5, far=20.5, cell=1.0)
    u, v = project(calibration, 0.0, 20.0)
    image = np.zeros(SIZE, np.uint8)
    image[math.floor(v) - 1, math.floor(u) - 1] = 7
    assert to_birds_eye(image, calibration, grid).tolist() == [[7]]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("P2:", "P9:", "no P2"),
        ("Tr_cam_to_road: 9.999044710077e-01", "Tr_cam_to_road:", "12 finite numbers, got 11"),
        ("P2: 7.215377e+02", "P2: nan", "line 2: P2 needs 12 finite"),
        ("R0_rect: 9.999239e-01", "R0_rect: wide", "line 3"),
        ("P0:", "P0", "line 1"),
        (CALIBRATION[CALIBRATION.index("Tr_cam") :], "Tr_cam_to_road:" + " 1" * 12, "cannot be inverted"),
        ("P0:", "P\xe4:", "not a text file"),
    ],
)
def test_a_damaged_calibration_names_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "uu_000003.txt"
    path.write_bytes(CALIBRATION.replace(old, new, 1).encode("latin-1"))
    with pytest.raises(DataError, match=said) as caught:
        read_calibration(path)
    assert "uu_000003.txt" in caught.value.message


def test_a_missing_calibration_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_calibration(tmp_path / "none.txt")


@pytest.fixture
def ros(tmp_path: Path) -> Path:
    """Twelve frames of training, each of one colour; two of test."""
    root = tmp_path / "KITTI_SEMANTIC"
    colours = [*COLOURS.values(), (0, 0, 0)]
    for place, count in (("Training_00", 12), ("Validation_07", 2)):
        for part in ("RGB", "GT"):
            (root / place / part).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (5, 3), (9, 9, 9)).save(root / place / "RGB" / f"{number:06d}.png")
            Image.new("RGB", (5, 3), colours[number]).save(root / place / "GT" / f"{number:06d}.png")
    return root


def test_the_frames_of_ros_et_al_have_yu_and_koltuns_labels(ros: Path) -> None:
    images = open_kitti_ros(ros.parent, "train", require_complete=False)
    assert CLASSES[:2] == ("building", "tree")
    assert CLASSES[-1] == "bicyclist"
    assert [int(images.truth(index)[0, 0]) for index in range(12)] == [*range(11), VOID]
    assert (images.split.key, images.split.release) == ("kitti-ros/train", 100)
    assert len(open_kitti_ros(ros, "test", require_complete=False)) == 2


def test_the_split_of_ros_et_al_is_counted(ros: Path) -> None:
    (ros / "Validation_07/GT/000001.png").unlink()
    (ros / "Validation_07/GT/000009.png").write_bytes(b"x")
    with pytest.raises(DataError) as caught:
        open_kitti_ros(ros, "test")
    for said in ("2 of 46 images", "labels missing: 1 of 2", "label without an image: 1 of 2: 000009"):
        assert said in caught.value.message
    with pytest.raises(UsageError, match="train, test"):
        open_kitti_ros(ros, "val")


def test_an_unknown_colour_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "label.png"
    image = Image.new("RGB", (4, 3), (128, 0, 0))
    image.putpixel((2, 1), (128, 0, 1))
    image.save(path)
    with pytest.raises(DataError, match=r"colour \(128, 0, 1\) at row 1, column 2 \(1 such pixels\)"):
        read_painted(path, {(128, 0, 0): 0})


@given(st.lists(st.integers(0, 11), min_size=1, max_size=40))
def test_colours_and_labels_are_each_others_inverse(
    tmp_path_factory: pytest.TempPathFactory, labels: list[int]
) -> None:
    table = {colour: label for label, colour in enumerate([*COLOURS.values(), (0, 0, 0)])}
    palette = np.array(list(table), np.uint8)
    path = tmp_path_factory.mktemp("painted") / "label.png"
    Image.fromarray(palette[np.array([labels])]).save(path)
    assert read_painted(path, table).tolist() == [labels]
