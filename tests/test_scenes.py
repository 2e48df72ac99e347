"""Scenes: the same bytes everywhere, truth that agrees with itself, classes that can be told by shape."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.datasets import sprites
from harness.datasets.scenes import CLASS_NAMES, SceneSet, SceneSpec, generate
from harness.errors import ExitCode, UsageError

PINNED = {
    (96, 0, SceneSpec()): "fa3326bb0f2ac096f670081b6f4e507096fe98c95fabbbb6aebba79908c4c92b",
    (5, 2**70, SceneSpec(size=33, distractors=3, clutter=5, occlusion=60, tilt=24, noise=0)): (
        "853cd1705e00dff6b1bef871916bbe98f329dc3e11bf261cd4cebb0de53ead04"
    ),
}


@pytest.fixture(scope="module")
def scenes() -> SceneSet:
    return generate(1500, seed=11)


@pytest.mark.parametrize("case", PINNED, ids=["default", "odd"])
def test_bytes_are_pinned(case: tuple[int, int, SceneSpec]) -> None:
    assert generate(*case).digest() == PINNED[case]


def test_arrays_have_the_documented_shapes_and_types(scenes: SceneSet) -> None:
    expected: dict[str, tuple[tuple[int, ...], type]] = {
        "images": ((1500, 48, 48, 3), np.uint8),
        "masks": ((1500, 48, 48), np.uint8),
        "labels": ((1500,), np.int64),
        "boxes": ((1500, 4), np.int16),
    }
    for name, (shape, kind) in expected.items():
        assert getattr(scenes, name).shape == shape
        assert getattr(scenes, name).dtype == kind
    assert len(scenes) == 1500
    assert len(set(scenes.class_names)) == len(CLASS_NAMES) == 10


def test_fewer_scenes_are_the_first_of_more(scenes: SceneSet) -> None:
    few = generate(70, seed=11)
    for name in ("images", "masks", "labels", "boxes"):
        assert (getattr(few, name) == getattr(scenes, name)[:70]).all()


def test_seed_and_every_field_of_the_specification_matter() -> None:
    other = SceneSpec(smallest=40, largest=70, distractors=1, clutter=3, occlusion=10, tilt=3, noise=5, size=40)
    changed = [SceneSpec(**{name: getattr(other, name)}) for name in SceneSpec.__slots__]
    digests = [generate(20, 1, spec).digest() for spec in (SceneSpec(), *changed)]
    assert len({generate(20, 2).digest(), *digests}) == len(changed) + 2


def test_digest_sees_a_single_bit() -> None:
    scenes = generate(2, 0)
    before = scenes.digest()
    for array in (scenes.images, scenes.masks, scenes.labels, scenes.boxes):
        array.flat[-1] ^= 1
        assert scenes.digest() != before
        array.flat[-1] ^= 1
    assert scenes.digest() == before


specifications = st.builds(
    SceneSpec,
    size=st.integers(32, 70),
    smallest=st.integers(25, 60),
    largest=st.integers(60, 100),
    distractors=st.integers(0, 8),
    clutter=st.integers(0, 6),
    occlusion=st.integers(0, 90),
    tilt=st.integers(0, 24),
    noise=st.integers(0, 128),
)


@settings(max_examples=40, deadline=None)
@given(specifications, st.integers(0, 2**64))
def test_box_is_the_extent_of_the_labelled_class_in_the_mask(spec: SceneSpec, seed: int) -> None:
    """Other objects are of other classes, so the label's pixels in the mask are the labelled object's."""
    scenes = generate(12, seed, spec)
    for mask, label, box in zip(scenes.masks, scenes.labels, scenes.boxes, strict=True):
        rows, columns = np.nonzero(mask == label + 1)
        assert box.tolist() == [columns.min(), rows.min(), columns.max(), rows.max()]


def test_objects_as_small_as_allowed_still_show() -> None:
    scenes = generate(3000, 4, SceneSpec(size=80, smallest=10, largest=10, occlusion=90, tilt=24, clutter=0))
    assert (scenes.boxes >= 0).all()


def test_classes_are_equally_frequent(scenes: SceneSet) -> None:
    """Chi-square with 9 degrees of freedom stays below its 99.99 % point."""
    counts = np.bincount(scenes.labels, minlength=10)
    assert ((counts - 150) ** 2 / 150).sum() < 33.7


def test_objects_cover_a_wide_range_of_sizes(scenes: SceneSet) -> None:
    sides = (scenes.boxes[:, 2:] - scenes.boxes[:, :2] + 1) / 48
    assert np.quantile(sides, 0.02) < 0.22
    assert np.quantile(sides, 0.98) > 0.7


def test_scenes_hold_several_classes_and_mostly_background(scenes: SceneSet) -> None:
    classes = [len(set(np.unique(mask)) - {0}) for mask in scenes.masks]
    assert set(classes) == {1, 2, 3}
    assert 0.7 < (scenes.masks == 0).mean() < 0.95
    assert set(np.unique(scenes.masks)) == set(range(11))


def test_occlusion_hides_part_of_the_labelled_object_only_where_it_may() -> None:
    """With and without the piece in front everything else is drawn from the same numbers."""
    bare, crossed = (generate(400, 3, SceneSpec(distractors=0, occlusion=percent)) for percent in (0, 25))
    own = [(scenes.masks == scenes.labels[:, None, None] + 1).sum(axis=(1, 2)) for scenes in (bare, crossed)]
    hidden = 1 - own[1] / own[0]
    assert hidden.min() == 0
    assert 0 < hidden.max() <= 0.25
    assert (hidden > 0.02).mean() > 0.2


def nearest_mean_error(features: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    half = len(labels) // 2
    means = np.stack([features[:half][labels[:half] == k].mean(axis=0) for k in range(10)])
    distances = ((features[half:, None] - means) ** 2).sum(axis=-1)
    return float((distances.argmin(axis=1) != labels[half:]).mean())


def test_colour_does_not_tell_the_class(scenes: SceneSet) -> None:
    """The true pixels of the object give away no more than chance (90 % error) by their mean colour."""
    own = (scenes.masks == scenes.labels[:, None, None] + 1)[..., None]
    colour = (scenes.images * own).sum(axis=(1, 2)) / own.sum(axis=(1, 2))
    assert nearest_mean_error(colour, scenes.labels) > 0.8


def test_shape_tells_the_class(scenes: SceneSet) -> None:
    """The labelled object's silhouette, brought to one size, is enough for the simplest classifier."""
    silhouettes = []
    for mask, label, (x1, y1, x2, y2) in zip(scenes.masks, scenes.labels, scenes.boxes.tolist(), strict=True):
        rows = np.linspace(y1, y2, 12).round().astype(int)
        columns = np.linspace(x1, x2, 12).round().astype(int)
        silhouettes.append((mask[np.ix_(rows, columns)] == label + 1).ravel())
    assert nearest_mean_error(np.array(silhouettes, dtype=np.float64), scenes.labels) < 0.45


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 1), "0 scenes"),
        ((-5, 1), "-5 scenes"),
        ((5, -1), "seed is -1"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple[int, int], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        generate(*arguments)
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    "fields",
    [{"size": 8}, {"size": 4096}, {"smallest": 90}, {"noise": -1}, {"tilt": 99}, {"size": 32, "smallest": 20}],
)
def test_bad_specification_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(fields)) if len(fields) == 1 else "too small"):
        SceneSpec(**fields)


def test_busiest_specification_has_draws_enough() -> None:
    assert len(generate(2, 0, SceneSpec(distractors=8, clutter=16))) == 2


def test_shape_grids_are_averages_of_the_finest() -> None:
    """Halving a grid by means of 2 x 2 blocks gives the next, but for rounding."""
    table, starts = sprites.shape_table()
    for shape in starts:
        grids = [
            table[start : start + (side + 2) ** 2].reshape(side + 2, side + 2)
            for start, side in zip(shape, sprites.RESOLUTIONS, strict=True)
        ]
        for coarse, fine in pairwise(grids):
            assert not coarse[[0, -1]].any()
            assert not coarse[:, [0, -1]].any()
            side = len(coarse) - 2
            halved = fine[1:-1, 1:-1].reshape(side, 2, side, 2).mean(axis=(1, 3))
            assert np.abs(halved - coarse[1:-1, 1:-1]).max() <= 1
    assert table.max() == sprites.OPAQUE


def test_textures_repeat_and_differ() -> None:
    tiles = sprites.texture_tiles().astype(int)
    assert tiles.shape == (len(sprites.TEXTURES), sprites.TILE, sprites.TILE)
    for one in range(len(tiles)):
        for two in range(one):
            assert np.abs(tiles[one] - tiles[two]).mean() > 10
