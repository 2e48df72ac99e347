"""Kept network outputs: read back as written, refused when damaged, and decided again under other protocols."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from ledger_samples import sample_record
from numpy.typing import NDArray

from harness.claims.printed import Printed
from harness.cli import cli
from harness.engine.crf import CrfParameters
from harness.errors import DataError, UsageError
from harness.evaluation.decide import View, decide
from harness.evaluation.preprocess import Place
from harness.evaluation.protocol import (
    Alignment,
    Colours,
    Fusion,
    Quantity,
    Resize,
    SegmentationProtocol,
    Upsampling,
)
from harness.evaluation.windows import Window
from harness.explain.redecide import Redecided, recorded_protocol, rescoring_of_views, same_images
from harness.explain.views import KeptViews, load_views, save_views, view_files
from harness.explain.waterfall import waterfall
from harness.ledger.store import Ledger
from harness.metrics.segmentation import confusion_counts, mean_iou

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = (16, 24)
CLASSES = 3
NAMES = ["background", "road", "car"]
PROTOCOL = SegmentationProtocol(
    Colours((0.0, 0.0, 0.0)),
    scales=(0.5, 1.0),
    flip=True,
    resize=Resize(),
    upsampling=Upsampling(Alignment.CENTRES, stride=8),
)


def view(scale: float, flipped: bool, seed: int, dtype: torch.dtype = torch.float32) -> View:
    rows, columns = (round(side * scale) for side in SIZE)
    cells = -(-rows // 8), -(-columns // 8)
    scores = torch.randn(CLASSES, *cells, generator=torch.Generator().manual_seed(seed)) * 3
    return View(scale, flipped, scores.to(dtype), Place(Window(0, 0, rows, columns), (rows, columns), SIZE))


def views(image: int, dtype: torch.dtype = torch.float32) -> list[View]:
    return [view(s, f, 10 * image + 2 * n + f, dtype) for n, s in enumerate((0.5, 1.0)) for f in (False, True)]


def truth(image: int) -> NDArray[np.uint8]:
    stream = np.random.default_rng(image)
    return stream.choice([0, 1, 2, 255], size=SIZE, p=[0.4, 0.3, 0.2, 0.1]).astype(np.uint8)


def picture(image: int) -> NDArray[np.uint8]:
    return np.random.default_rng(image).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def quiet(*_: object) -> None:
    """Show no progress."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for image in range(6):
        save_views(tmp_path / f"{image}.npz", views(image), SIZE, truth=truth(image), image=picture(image))
    return tmp_path


def counted(protocol: SegmentationProtocol, images: int = 6) -> NDArray[np.int64]:
    """Count straight from the views, without a file."""
    found = []
    for image in range(images):
        shown = [v for v in views(image) if v.scale in protocol.scales and (protocol.flip or not v.flipped)]
        labels = decide(shown, SIZE, protocol, picture(image)).numpy()
        found.append(confusion_counts(truth(image)[None], labels[None], CLASSES))
    return np.concatenate(found)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.bfloat16])
def test_views_come_back_as_they_were(dtype: torch.dtype, tmp_path: Path) -> None:
    path = tmp_path / "new" / "Zürich 01.npz"
    before = views(3, dtype)
    save_views(path, before, SIZE, truth=truth(3), image=picture(3))
    kept = load_views(path)
    assert kept.size == SIZE
    assert kept.truth is not None
    assert (kept.truth == truth(3)).all()
    assert kept.image is not None
    assert (kept.image == picture(3)).all()
    kept_as = torch.float16 if dtype is torch.float16 else torch.float32
    for one, other in zip(before, kept.views, strict=True):
        assert (one.scale, one.flipped, one.place) == (other.scale, other.flipped, other.place)
        assert other.scores.dtype is kept_as
        assert torch.equal(one.scores.to(kept_as), other.scores)
    assert [file.name for file in path.parent.iterdir()] == [path.name], "no temporary file is left"


def test_what_was_not_given_is_not_kept(tmp_path: Path) -> None:
    save_views(tmp_path / "a.npz", views(0), SIZE)
    kept = load_views(tmp_path / "a.npz")
    assert kept.truth is None
    assert kept.image is None


def test_the_same_views_are_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save_views(tmp_path / f"{name}.npz", views(1), SIZE)
    one, other = (zipfile.ZipFile(tmp_path / f"{name}.npz") for name in "ab")
    assert [(i.filename, i.CRC) for i in one.infolist()] == [(i.filename, i.CRC) for i in other.infolist()]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"truth": np.zeros((3, 3), np.uint8)}, "truth"),
        ({"truth": truth(0).astype(np.int64)}, "truth"),
        ({"image": truth(0)}, "image"),
    ],
)
def test_truth_and_image_of_another_size_are_not_written(
    changes: dict[str, NDArray[np.uint8]], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        save_views(tmp_path / "a.npz", views(0), SIZE, **changes)
    assert not list(tmp_path.iterdir())


def test_no_views_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 views"):
        save_views(tmp_path / "a.npz", [], SIZE)


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("scores_1", None, "4 views, but the arrays are"),
        ("scores_9", np.zeros((3, 2, 2), np.float32), "4 views, but the arrays are"),
        ("size", None, "size missing"),
        ("size", np.array([0, 24], np.int32), "truth is"),
        ("scores_0", np.full((3, 1, 2), np.nan, np.float32), "not finite"),
        ("scores_0", np.zeros((4, 1, 2), np.float32), "different numbers of classes"),
        ("scores_0", np.zeros((3, 1, 2), np.float64), "float64"),
        ("scores_0", np.zeros((3, 2), np.float32), r"\[K, h, w\] expected"),
        ("scales", np.array([0.5, 0.5, 1, -1.0]), "a scale is not"),
        ("places", np.zeros((4, 8), np.int32), "out of range"),
        ("places", np.ones((4, 7), np.int32), "places is"),
        ("flipped", np.array([0, 1, 0, 1]), "flipped is"),
    ],
)
def test_a_file_that_is_not_of_views_is_refused(
    name: str, value: NDArray[np.generic] | None, said: str, folder: Path
) -> None:
    path = folder / "0.npz"
    arrays = _arrays(path)
    arrays.pop(name, None)
    np.savez(path, **(arrays if value is None else arrays | {name: value}))
    with pytest.raises(DataError, match=said) as caught:
        load_views(path)
    assert str(path) in str(caught.value)


def test_damaged_and_missing_files_are_refused(folder: Path) -> None:
    path = folder / "0.npz"
    content = path.read_bytes()
    for damaged in (b"", b"PK", content[:-30], content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="cannot be read"):
            load_views(path)
    path.unlink()
    with pytest.raises(DataError, match="No such file"):
        load_views(path)
    with pytest.raises(DataError, match="no kept views"):
        view_files(folder / "nowhere")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", size=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):
        load_views(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("axis", "option", "changed"),
    [
        ("scales", "one", replace(PROTOCOL, scales=(1.0,))),
        ("flip", "off", replace(PROTOCOL, flip=False)),
        ("fusion", "max-of-logits", replace(PROTOCOL, fusion=Fusion.MAX_OF_LOGITS)),
        ("fusion", "sum-of-log-probabilities", replace(PROTOCOL, fusion=Fusion.SUM_OF_LOG_PROBABILITIES)),
        (
            "quantity",
            "probabilities",
            replace(PROTOCOL, upsampling=Upsampling(stride=8, quantity=Quantity.PROBABILITIES)),
        ),
        ("alignment", "corners", replace(PROTOCOL, upsampling=Upsampling(Alignment.CORNERS, stride=8))),
        ("alignment", "samples", replace(PROTOCOL, upsampling=Upsampling(Alignment.SAMPLES, stride=8))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_planted_protocol_is_named(axis: str, option: str, changed: SegmentationProtocol, folder: Path) -> None:
    """A number that another protocol gives, decided without files, is explained by just that change."""
    number = 100 * mean_iou(counted(changed))
    scoring = rescoring_of_views(folder, PROTOCOL, counted(PROTOCOL), NAMES, metric="miou", dataset="", progress=quiet)
    grid = scoring.grid
    assert scoring.values([grid.usual]) == pytest.approx([100 * mean_iou(counted(PROTOCOL))])
    assert scoring.values([grid.changed(grid.usual, axis, option)]) == pytest.approx([number])
    fall = waterfall(grid, scoring.values, Printed(f"{number:.5f}").interval)
    assert [(step.axis.key, step.option.key) for step in fall.steps] == [(axis, option)]


def test_every_protocol_is_decided_once(folder: Path) -> None:
    said: list[tuple[int, int]] = []
    redecided = Redecided(view_files(folder), PROTOCOL, CLASSES, lambda _, done, total: said.append((done, total)))
    one = {"fusion": "max-of-logits", "score": "miou"}
    first = redecided([one, one | {"score": "micro-iou"}, {}])
    again = redecided([{}, one])
    assert said == [(done, 6) for done in range(1, 7)]
    assert first[0] is first[1] is again[1]
    assert first[2] is again[0]
    assert (first[2] == counted(PROTOCOL)).all()


def test_a_crf_is_left_out_and_kept_as_the_protocol_says(folder: Path) -> None:
    refined = replace(PROTOCOL, crf=CrfParameters(w1=4, sigma_alpha=5, sigma_beta=60))
    recorded = counted(refined)
    scoring = rescoring_of_views(folder, refined, recorded, NAMES, metric="miou", dataset="", progress=quiet)
    off = scoring.grid.changed(scoring.grid.usual, "crf", "off")
    with_crf, without = scoring.values([scoring.grid.usual, off])
    assert with_crf == pytest.approx(100 * mean_iou(recorded))
    assert without == pytest.approx(100 * mean_iou(counted(PROTOCOL)))
    assert with_crf != pytest.approx(without)


def test_answers_that_contradict_each_other_are_no_combinations(folder: Path) -> None:
    scoring = rescoring_of_views(folder, PROTOCOL, counted(PROTOCOL), NAMES, metric="miou", dataset="", progress=quiet)
    grid = scoring.grid
    every = [grid.answers(choice) for choice in grid.combinations()]
    assert not [a for a in every if a["fusion"] == "max-of-logits" and a["quantity"] != "logits"]
    assert not [a for a in every if a["scales"] == "one" and a["flip"] == "off" and a["fusion"] != PROTOCOL.fusion], (
        "a single view is not fused"
    )
    assert {item.title for item in grid.untried} >= {"dense CRF", "kernel and antialiasing of images, padding, tiles"}


def test_views_of_other_images_than_the_records_are_refused(folder: Path) -> None:
    recorded = counted(PROTOCOL)
    assert same_images(recorded[::-1], recorded)
    other = recorded.copy()
    other[0, 0, 0] += 1
    for wrong in (other, recorded[:5]):
        with pytest.raises(DataError, match="not the record's"):
            rescoring_of_views(folder, PROTOCOL, wrong, NAMES, metric="miou", dataset="", progress=quiet)


def test_views_without_truth_or_of_another_protocol_are_refused(folder: Path) -> None:
    recorded = counted(PROTOCOL)
    other = replace(PROTOCOL, upsampling=Upsampling(Alignment.CENTRES, stride=4))
    with pytest.raises(UsageError, match="do not fit the protocol"):
        rescoring_of_views(folder, other, recorded, NAMES, metric="miou", dataset="", progress=quiet)
    save_views(folder / "3.npz", views(3), SIZE)
    with pytest.raises(DataError, match=r"3\.npz: the true labels were not kept"):
        rescoring_of_views(folder, PROTOCOL, recorded, NAMES, metric="miou", dataset="", progress=quiet)


def test_the_command_decides_again_under_the_protocol_of_the_record(folder: Path, tmp_path: Path) -> None:
    recorded = counted(PROTOCOL)
    other = 100 * mean_iou(counted(replace(PROTOCOL, fusion=Fusion.SUM_OF_LOG_PROBABILITIES)))
    recipe = {"protocol": msgspec.to_builtins(PROTOCOL), "classes": NAMES}
    ledger = Ledger(tmp_path / "ledger")
    ledger.append(sample_record(recipe=recipe), {"confusion": recorded})
    arguments = ["explain", "drn/scenes/DRN-C-26", "--ledger", str(ledger.root), "--views", str(folder), "--json"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    (found,) = json.loads(done.stdout)
    shown = {(row["axis"], row["option"]): row["score"]["value"] for row in found["conventions"]}
    assert shown["fusion", "mean-of-probabilities"] == pytest.approx(100 * mean_iou(recorded))
    assert shown["fusion", "sum-of-log-probabilities"] == pytest.approx(other)
    assert {"alignment", "precision", "averaging", "background"} <= {axis for axis, _ in shown}


def test_the_recipe_names_the_protocol() -> None:
    assert recorded_protocol({"protocol": msgspec.to_builtins(PROTOCOL)}) == PROTOCOL
    with pytest.raises(UsageError, match="names no evaluation protocol"):
        recorded_protocol({})
    with pytest.raises(UsageError, match="cannot be read"):
        recorded_protocol({"protocol": {"colours": 3}})


def test_kept_views_hold_what_decide_needs(folder: Path) -> None:
    kept: KeptViews = load_views(folder / "2.npz")
    labels = decide(list(kept.views), kept.size, PROTOCOL)
    assert torch.equal(labels, decide(views(2), SIZE, PROTOCOL))
