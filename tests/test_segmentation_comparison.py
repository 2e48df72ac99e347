"""The parts that comparisons of segmentation networks share, on a network of a few hundred weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.datasets.scenes import SceneSpec
from harness.datasets.segmented import VOID, Segmented
from harness.engine.crf import CrfParameters, refine
from harness.engine.recipe import Augmentation, Training
from harness.engine.train import arithmetic
from harness.errors import UsageError
from harness.experiment import Context, Options, Outcome, Unit
from harness.ledger.record import Deviation
from harness.metrics.segmentation import confusion_counts, mean_iou
from harness.segmentation.declare import Design, declare, photographs_in
from harness.segmentation.desk import NETWORK, Desk, crf_values, pixel_cross_entropy
from harness.segmentation.recipe import CrfSearch, PhotoData, Recipe, SceneData
from harness.segmentation.sets import SCENE_CLASSES, Sets, load_sets, spread, take
from harness.statistics.evidence import Evidence

SCENES = SceneData(SceneSpec(size=32, smallest=50, largest=100), train=48, tuning=4, test=12)
SEARCH = CrfSearch(({"w1": (1.0, 4.0), "sigma_alpha": (4.0,), "sigma_beta": (10.0,)},), iterations=3)
RECIPE = Recipe(
    scale="toy",
    width=1.0,
    data=SCENES,
    classes=SCENE_CLASSES,
    training=Training(3, 8, 0.05, augmentation=Augmentation(shift=2)),
    variants={"crf": "{system} + CRF", "top": "{system} + top"},
    crf=SEARCH,
    panels=3,
)
UNIT = Unit("scenes", "Small", 0)
CHANGE = Deviation("2026-11-21", "data", "photographs", "Section 1", "scenes", "a test")


class Small(nn.Module):
    """Scores at each pixel from a map at half the resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.head = Head()

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.body(x))
        return scores


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Conv2d(8, len(SCENE_CLASSES), 1)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(self.scores(x), scale_factor=2, mode="bilinear")


def measure(unit: Unit, context: Context, recipe: Recipe, sets: Sets) -> Outcome:
    desk = Desk.of(unit, context, recipe, sets)
    with arithmetic(desk.device):
        model = desk.place(Small)
        assert isinstance(model, Small)
        log = desk.train(NETWORK, model, recipe.training)
        labels = desk.predict(model)
        refined, parameters = desk.refine(model)
        frozen = desk.freeze(model.body)
        top = desk.place(Head)
        log += desk.train("top", top, replace(recipe.training, epochs=2), frozen.train)
        arrays = desk.pictured() | desk.tested(labels) | desk.tested(refined, "crf")
        arrays |= desk.tested(desk.predict(top, frozen.test), "top")
        arrays |= desk.near_boundaries(labels, {"band-1": 1, "band-99": 99})
    return Outcome(crf_values(parameters), arrays, log)


def design(recipe: Recipe = RECIPE) -> Design:
    return Design(
        paper="mini",
        key="scenes",
        title="Small networks on scenes",
        systems=("Small",),
        recipe=recipe,
        measure=measure,
        source=("harness.engine.crf",),
        deviations=(CHANGE,),
    )


@pytest.fixture(scope="module")
def sets() -> Sets:
    return load_sets(SCENES, None)


@pytest.fixture(scope="module")
def outcome(sets: Sets, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return measure(UNIT, Context(tmp_path_factory.mktemp("unit"), "cpu", lambda *_: None), RECIPE, sets)


def test_the_sets_do_not_overlap_and_are_drawn_the_same_way_again(sets: Sets) -> None:
    assert [len(images) for images in (sets.train, sets.tuning, sets.test)] == [48, 4, 12]
    assert len({images.tobytes() for part in (sets.train, sets.tuning, sets.test) for images in part.pixels}) == 64
    assert sets.test.labels.max() < len(SCENE_CLASSES)
    assert sets.showable
    again = load_sets(replace(SCENES, test=13), None)
    assert np.array_equal(again.test.pixels[:12], sets.test.pixels)
    assert again.digest != sets.digest


def test_a_unit_keeps_what_its_report_needs(outcome: Outcome, sets: Sets) -> None:
    arrays = outcome.arrays
    for suffix in ("", ".crf", ".top"):
        assert arrays[f"confusion{suffix}"].shape == (12, 11, 12)
        assert (arrays[f"confusion{suffix}"].sum(axis=(1, 2)) == 32 * 32).all()
        assert arrays[f"panel_labels{suffix}"].shape == (3, 32, 32)
    assert arrays["panel_index"].tolist() == spread(12, 3).tolist()
    near, far = arrays["confusion.band-1"], arrays["confusion.band-99"]
    assert (near <= arrays["confusion"]).all()
    assert np.array_equal(far, arrays["confusion"]), "every scene has an object, and so a boundary"
    places = arrays["panel_index"]
    assert np.array_equal(arrays["panel_truth"], sets.test.labels[places])
    assert np.array_equal(arrays["panel_images"], sets.test.pixels[places])
    assert [row["phase"] for row in outcome.log] == [NETWORK] * 3 + ["top"] * 2


def test_labels_and_refinement_are_those_of_the_network(sets: Sets, outcome: Outcome, tmp_path: Path) -> None:
    """Rebuilt by hand from the same seed: counts of the argmax, and of each image's own CRF."""
    desk = Desk.of(UNIT, Context(tmp_path, "cpu", lambda *_: None), RECIPE, sets)
    with arithmetic(desk.device):
        model = desk.place(Small)
        desk.train(NETWORK, model, RECIPE.training)
    pixels = torch.tensor(sets.test.pixels)
    with torch.inference_mode():
        probabilities = model(desk.images.test.normalisation(pixels)).softmax(1).numpy()  # type: ignore[attr-defined]
    counts = confusion_counts(sets.test.labels, probabilities.argmax(1), 11)
    assert np.array_equal(outcome.arrays["confusion"], counts)
    names = ("w1", "sigma_alpha", "sigma_beta", "iterations")
    chosen = {name: outcome.values[f"crf-{name.replace('_', '-')}"] for name in names}
    parameters = CrfParameters(**chosen)  # type: ignore[arg-type]
    refined = [refine(p, image, parameters).argmax(0) for p, image in zip(probabilities, sets.test.pixels, strict=True)]
    assert np.array_equal(outcome.arrays["confusion.crf"], confusion_counts(sets.test.labels, np.array(refined), 11))


def test_the_crf_is_tuned_on_the_tuning_images(sets: Sets, tmp_path: Path) -> None:
    desk = Desk.of(UNIT, Context(tmp_path, "cpu", lambda *_: None), RECIPE, sets)
    model = desk.place(Small)
    _, chosen = desk.refine(model)

    def score(w1: float) -> float:
        parameters = CrfParameters(w1, 4.0, 10.0, iterations=3)
        batch = torch.tensor(sets.tuning.pixels)
        with torch.inference_mode():
            scores = model(desk.images.test.normalisation(batch)).softmax(1).numpy()  # type: ignore[attr-defined]
        labels = [refine(p, image, parameters).argmax(0) for p, image in zip(scores, sets.tuning.pixels, strict=True)]
        return mean_iou(confusion_counts(sets.tuning.labels, np.array(labels), 11))

    assert chosen.w1 == max((1.0, 4.0), key=score)


def test_padding_is_not_refined(sets: Sets, tmp_path: Path) -> None:
    """The labels inside the frame are those of the cropped image, whatever stands around it."""
    test = take(sets.test, [0, 1])
    labels = test.labels.copy()
    labels[:, 20:] = VOID
    labels[:, :, 28:] = VOID
    extents = np.array([[20, 28], [20, 28]], dtype=np.int32)
    padded = replace(sets, test=Segmented(test.pixels, labels, extents, test.names, test.class_names))
    desk = Desk.of(UNIT, Context(tmp_path, "cpu", lambda *_: None), RECIPE, padded)
    model = desk.place(Small)
    refined, parameters = desk.refine(model)
    with torch.inference_mode():
        scores = model(desk.images.test.normalisation(torch.tensor(test.pixels))).softmax(1)  # type: ignore[attr-defined]
    inside = np.ascontiguousarray(scores.numpy()[0, :, :20, :28])
    expected = refine(inside, np.ascontiguousarray(test.pixels[0, :20, :28]), parameters).argmax(0)
    assert np.array_equal(refined[0, :20, :28], expected)


def test_void_pixels_do_not_count_in_the_loss() -> None:
    scores = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.randint(0, 3, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    seen = torch.ones(2, 4, 4, dtype=torch.bool)
    seen[:, :, 2:] = False
    by_hand = -scores.log_softmax(1).gather(1, targets[:, None])[:, 0][seen].mean()
    assert torch.isclose(pixel_cross_entropy(scores, targets.where(seen, VOID)).value, by_hand)


def test_an_experiment_is_declared_without_looking_at_data(tmp_path: Path) -> None:
    photographs = replace(RECIPE, data=PhotoData("camvid", 24, 32, tuning=4))
    found = declare(design(photographs), Options())
    assert found.evidence is Evidence.SCALED_DOWN
    assert found.needs == "a folder that holds CamVid: --data DIR"
    assert not declare(design(photographs), Options(data=tmp_path / "absent")).needs
    scenes = declare(design(), Options())
    assert (scenes.evidence, scenes.needs, scenes.seeds) == (Evidence.SYNTHETIC, "", (0, 1, 2))
    assert scenes.measured() == ("Small", "Small + CRF", "Small + top")
    assert scenes.trade is not None
    assert (scenes.trade.epochs, scenes.trade.fewest_epochs) == (3, 3)
    with pytest.raises(UsageError, match="no folder with photographs"):
        load_sets(photographs.data, None)


def test_data_are_described_and_costs_found_by_doing() -> None:
    found = declare(design(), Options(toy=True))
    assert found.data is not None
    data = found.data(lambda *_: None)
    assert (data.train, data.test) == (48, 12)
    assert "4 more for tuning" in data.note
    assert found.cost is not None
    cost = found.cost(found.units()[0], "cpu")
    assert cost.per_epoch > 0
    assert cost.setup > 0


def test_places_are_spread_evenly() -> None:
    assert spread(10, None).tolist() == list(range(10))
    assert spread(10, 4).tolist() == [0, 3, 6, 9]
    assert spread(3, 9).tolist() == [0, 1, 2]
    assert spread(7, 1).tolist() == [0]
    assert photographs_in(Path("absent"), Recipe) is not None
