"""The comparisons of the paper dilation that train every layer: declared as printed, and run whole at toy size."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_layouts import put, put_image, put_lines, put_png
from experiment_desk import ExperimentDesk, equal, uncovered, vague_deviations
from hypothesis import given
from hypothesis import strategies as st
from runner_desk import quiet
from torch import nn

from harness.claims.papers import find_paper
from harness.crf.parameters import CrfParameters
from harness.datasets.camvid import RELEASE_COUNTS
from harness.datasets.segmented import VOID, Segmented
from harness.engine.evaluate import label_maps
from harness.engine.examples import Maps
from harness.engine.optimiser import group_of
from harness.engine.recipe import UNVARIED
from harness.engine.train import seeded
from harness.engine.variation import Variation
from harness.errors import UsageError
from harness.experiment import Context, Unit
from harness.ledger.store import Ledger
from harness.networks.vgg import vgg16
from harness.runner.options import select
from harness.runner.together import require_shared
from harness.shards import Shard
from harness.statistics.evidence import Evidence
from reproductions.dilation import gpu_recipes, stages
from reproductions.dilation.experiments import WEIGHTS
from reproductions.dilation.frontend import dilated_front_end
from reproductions.dilation.gpu_recipes import StagedRecipe
from reproductions.dilation.mirror import mirrored
from reproductions.dilation.rnn import COLOURS, Alone, RnnOnMaps, labels_alone
from reproductions.dilation.specs import BASIC, LARGE, MARGIN, Margin, Size

pytestmark = pytest.mark.usefixtures("one_thread")
DESK = ExperimentDesk("dilation")
declared = DESK.declared
KEYS = ("camvid-gpu", "voc-gpu")
RECIPES = {"camvid-gpu": gpu_recipes.camvid("gpu"), "voc-gpu": gpu_recipes.voc("gpu")}
VOC_IMAGES = {"2007_000001": (12, 16), "2007_000002": (16, 9), "2007_000003": (5, 16), "2007_000004": (16, 16)}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CamVid in full number, a few images of VOC 2012, all of them tiny, and weights of VGG-16's convolutions."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for split, count in RELEASE_COUNTS.items():
        for place in range(count):
            put_image(folder / f"CamVid/{split}/{split}{place}.png", 6, 8)
            labels = random.integers(0, 12, (6, 8), dtype=np.uint8)
            put_png(folder / f"CamVid/{split}annot/{split}{place}.png", labels)
    root = folder / "VOCdevkit/VOC2012"
    names = [f"{name}{end}" for name in VOC_IMAGES for end in "ab"]
    for name in names:
        height, width = VOC_IMAGES[name[:-1]]
        put_image(root / f"JPEGImages/{name}.jpg", height, width)
        labels = random.integers(0, 21, (height, width), dtype=np.uint8)
        put_png(root / f"SegmentationClassAug/{name}.png", labels, palette=bytes(range(256)) * 3)
    put_lines(root / "ImageSets/Segmentation/train_aug.txt", names[:6])
    put_lines(root / "ImageSets/Segmentation/val.txt", names[6:])
    put(folder / WEIGHTS)
    with seeded(5):
        torch.save(nn.ModuleDict({"features": vgg16()}).half().state_dict(), folder / WEIGHTS)
    return folder


# What is declared -----------------------------------------------------------------------------------------------


def test_settings_are_the_printed_ones() -> None:
    """Appendix A and A.1; Sections 4 and 5, and what the documentation of the released code adds."""
    camvid, voc = RECIPES.values()
    front, joint = camvid.training, camvid.joint
    assert (front.batch, front.learning_rate, front.momentum, front.augmentation.crop) == (8, 1e-4, 0.99, (628, 628))
    assert (joint.learning_rate, joint.momentum, joint.augmentation.crop) == (1e-5, 0.9, None)
    front, joint = voc.training, voc.joint
    assert (front.batch, front.learning_rate, front.momentum, front.augmentation.crop) == (14, 1e-3, 0.9, (500, 500))
    assert (joint.batch, joint.learning_rate, joint.momentum, joint.augmentation.crop) == (14, 1e-5, 0.9, (500, 500))
    for recipe in RECIPES.values():
        assert (recipe.context.batch, recipe.context.learning_rate, recipe.context.momentum) == (60, 1e-3, 0.9)
        assert recipe.size == Size()
        assert recipe.pretrained
        for training in (recipe.training, recipe.context, recipe.joint):
            assert {training.rate(step, 10) for step in range(10)} == {training.learning_rate}
            assert (training.weight_decay, training.precision, training.repeatable) == (5e-4, "bfloat16", False)
    assert (camvid.context_margin, voc.context_margin) == (Margin.LAYERS, Margin.ZEROS)


def test_pieces_and_frames_are_whole_cells() -> None:
    for recipe in RECIPES.values():
        assert recipe.training.augmentation.crop is not None
        assert {(side - 2 * MARGIN) % stages.STRIDE for side in recipe.training.augmentation.crop} == {0}
        assert recipe.data.height % stages.STRIDE == recipe.data.width % stages.STRIDE == 0


def test_networks_are_the_published_ones() -> None:
    for recipe, modules in zip(RECIPES.values(), ((BASIC,), (BASIC, LARGE)), strict=True):
        frame = recipe.data.height, recipe.data.width
        with torch.device("meta"):
            built = [stages.context_module(recipe, name, frame) for name in recipe.modules]
            front = stages.unpadded_front_end(recipe)
        assert tuple(module.spec for module in built) == modules
        assert (
            sum(parameter.numel() for parameter in front.parameters())
            == {11: 134_305_611, 21: 134_346_581}[len(recipe.classes)]
        )


@pytest.mark.parametrize("key", KEYS)
def test_biases_step_twice_as_far_and_do_not_decay(key: str) -> None:
    recipe = RECIPES[key]
    with torch.device("meta"):
        front = stages.unpadded_front_end(recipe)
        both = nn.Sequential(front, stages.context_module(recipe, "Basic", (320, 320)))
    for model, training, layers in (
        (front, recipe.training, 16),
        (both[1], recipe.context, 8),
        (both, recipe.joint, 24),
    ):
        groups = group_of(model, training.groups)
        assert all((group.rate, group.decay) == (2, 0) for name, group in groups.items() if name.endswith("bias"))
        assert all((group.rate, group.decay) == (1, 1) for name, group in groups.items() if name.endswith("weight"))
        assert Counter(name.rpartition(".")[2] for name in groups) == {"weight": layers, "bias": layers}


def test_systems_and_classes_are_those_of_the_claims() -> None:
    paper = find_paper("dilation")
    known = {operand.system for operand in paper.operands.values()}
    measured = {name for key in KEYS for name in declared()[key].measured()}
    assert measured - known == {"Front + Basic, trained jointly"}
    printed = {
        c.column.removeprefix("iou-")
        for c in paper.claims.values()
        if c.id.startswith("t5/dilation8/iou-") and c.column
    }
    assert set(RECIPES["camvid-gpu"].classes) == printed


@pytest.mark.parametrize(("key", "layout"), [("camvid-gpu", "CamVid"), ("voc-gpu", "VOCdevkit")])
def test_a_gpu_data_and_weights_are_needed(key: str, layout: str, tmp_path: Path, data: Path) -> None:
    assert declared()[key].needs == f"a GPU: --device cuda; a folder that holds {layout}: --data DIR"
    assert declared(device="cuda", data=tmp_path)[key].needs == f"{WEIGHTS} in the data folder"
    assert declared(device="cuda", data=data)[key].needs == ""
    assert declared(toy=True, data=tmp_path)[key].needs == ""
    assert declared()[key].command == f"remeasure run dilation --only {key} --data DIR --device cuda"
    assert declared()[key].seeds == (0, 1, 2)
    with pytest.raises(UsageError, match="a GPU"):
        select(tuple(declared(data=data).values()), (key,))


def test_several_processes_are_refused_before_anything_is_trained() -> None:
    for key in KEYS:
        with pytest.raises(UsageError, match=key):
            require_shared((declared()[key],), Shard(0, 2))


def test_deviations_say_what_differs() -> None:
    for scale in ({}, {"toy": True}):
        assert vague_deviations(declared(**scale)[key] for key in KEYS) == []
    for key, recipe in RECIPES.items():
        said = {deviation.topic: deviation.ours for deviation in declared()[key].deviations}
        assert "fc6 and fc7 at random" in said["initialisation"]
        assert (
            f"{recipe.training.epochs} epochs of steps of {recipe.training.batch} images"
            in said["training of the front end"]
        )
        assert f"{recipe.joint.epochs} epochs of steps of {recipe.joint.batch} images" in said["joint training"]
        assert f"{recipe.data.width}x{recipe.data.height}" in said["data"]
        assert "bfloat16" in said["precision"]
        cut = declared(epochs={key: 3})[key]
        assert {d.topic for d in cut.deviations} - said.keys() == {"time budget"}
        assert cut.recipe["training"]["epochs"] == 3
    assert "narrower" in {d.topic: d.ours for d in declared(toy=True)["voc-gpu"].deviations}["initialisation"]


def test_records_depend_on_the_source_of_everything_that_measures() -> None:
    source = {module for key in KEYS for module in declared()[key].source}
    besides = ("harness.metrics.classification", "harness.metrics.localisation", "reproductions.dilation.recipes")
    assert uncovered("reproductions.dilation.stages", source, besides=besides) == []


# What networks read and learn -----------------------------------------------------------------------------------


def images(extents: list[tuple[int, int]], frame: tuple[int, int], seed: int = 0) -> Segmented:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (len(extents), *frame, 3), dtype=np.uint8)
    labels = random.integers(0, 11, (len(extents), *frame), dtype=np.uint8)
    return Segmented(pixels, labels, np.array(extents, dtype=np.int32), tuple(map(str, range(len(extents)))), ())


def folded(place: int, length: int) -> int:
    """Where a place on a line leads that goes back and forth over ``length`` pixels without repeating its ends."""
    place %= 2 * length - 2
    return min(place, 2 * length - 2 - place)


@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 25), st.data())
def test_margins_are_mirror_images(height: int, width: int, margin: int, draw: st.DataObject) -> None:
    small = images([(height, width)], (9, 10))
    wide = mirrored(small, margin)
    assert wide.pixels.shape == (1, 9 + 2 * margin, 10 + 2 * margin, 3)
    assert wide.extents.tolist() == [[height + 2 * margin, width + 2 * margin]]
    row, column = draw.draw(st.integers(0, 8 + 2 * margin)), draw.draw(st.integers(0, 9 + 2 * margin))
    source = folded(row - margin, height), folded(column - margin, width)
    assert wide.pixels[0, row, column].tolist() == small.pixels[0][source].tolist()
    inside = 0 <= row - margin < height and 0 <= column - margin < width
    assert wide.labels[0, row, column] == (small.labels[0][source] if inside else VOID)


def narrow(recipe: StagedRecipe) -> StagedRecipe:
    return replace(recipe, size=Size(width=1 / 32, hidden=8))


def test_an_image_with_its_margin_has_the_scores_of_the_published_front_end() -> None:
    recipe = narrow(RECIPES["camvid-gpu"])
    small = images([(192, 200)], (192, 200))
    with seeded(0):
        ours = stages.unpadded_front_end(recipe).eval()
    theirs = dilated_front_end(len(recipe.classes), size=recipe.size).eval()
    theirs.load_state_dict(ours.state_dict())
    normalised = [
        torch.from_numpy(frames.pixels).permute(0, 3, 1, 2) / 255.0 for frames in (mirrored(small, MARGIN), small)
    ]
    with torch.inference_mode():
        found, expected = ours(normalised[0]), theirs(normalised[1])
    assert found.shape == (1, 11, 24, 25)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_a_cell_learns_the_label_of_one_pixel() -> None:
    scores = torch.randn(2, 11, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.randint(0, 11, (2, 388, 396), generator=torch.Generator().manual_seed(1))
    labels[1, 186 + 8, 186 + 16] = VOID
    logs = scores.log_softmax(dim=1)
    expected = [
        -float(logs[n, labels[n, 186 + 8 * row, 186 + 8 * column], row, column])
        for n, row, column in np.ndindex(2, 2, 3)
        if (n, row, column) != (1, 1, 2)
    ]
    terms = stages.cell_loss_within(scores, labels)
    assert terms.counts.tolist() == [11]
    assert float(terms.totals) == pytest.approx(sum(expected))
    inner = labels[:, MARGIN : MARGIN + 16, MARGIN : MARGIN + 24]
    assert torch.equal(stages.cell_loss(scores, inner).totals, terms.totals)


def test_probabilities_are_interpolated_as_by_the_released_code() -> None:
    """Cell k is on pixel 8 k: those pixels have their cell's softmax, the others lie between."""
    cells = torch.randn(1, 4, 3, 4, generator=torch.Generator().manual_seed(0))
    found = stages.LogProbabilities((24, 32))(cells).exp()
    torch.testing.assert_close(found[:, :, ::8, ::8], cells.softmax(dim=1))
    torch.testing.assert_close(found.sum(dim=1), torch.ones(1, 24, 32))
    torch.testing.assert_close(found[:, :, 4, 0], cells.softmax(dim=1)[:, :, :2, 0].mean(dim=2))
    sure = stages.LogProbabilities((8, 8))(1e4 * torch.eye(4)[None, :, :1, None])
    assert sure.isfinite().all()


def test_full_width_starts_from_the_file(data: Path) -> None:
    recipe = replace(RECIPES["voc-gpu"], size=Size(hidden=1))
    with seeded(1):
        front = stages.unpadded_front_end(recipe)
    outcome = stages._start(front, recipe, data / WEIGHTS)
    kept = torch.load(data / WEIGHTS, weights_only=True)
    ours = {f"features.{name}": value for name, value in front.trunk.state_dict().items()}
    assert ours.keys() == kept.keys()
    assert len(kept) == 26
    assert all(torch.equal(ours[name], kept[name].float()) for name in kept)
    assert len(str(outcome.values["weights-sha256"])) == 64
    with pytest.raises(ValueError, match="weights"):
        stages._start(front, recipe, None)


# CRF-RNN on padded photographs ----------------------------------------------------------------------------------


def scored(extents: list[tuple[int, int]], frame: tuple[int, int] = (12, 14)) -> Alone:
    draw = torch.Generator().manual_seed(3)
    scores = torch.randn(len(extents), 4, *frame, generator=draw)
    colours = torch.randint(0, 256, (len(extents), COLOURS, *frame), generator=draw).float()
    labels = torch.randint(0, 4, (len(extents), *frame), generator=draw).to(torch.uint8)
    return Alone(Maps(torch.cat([scores, colours], dim=1), labels), np.array(extents, dtype=np.int32))


def test_what_pads_an_image_sends_no_messages() -> None:
    extents = [(12, 14), (7, 14), (12, 5)]
    alone = scored(extents)
    model = RnnOnMaps(4, CrfParameters(5, 8, 30)).eval()
    found = labels_alone(model, alone)
    for place, (rows, columns) in enumerate(extents):
        image = alone.maps.features[place : place + 1, :, :rows, :columns].contiguous()
        assert np.array_equal(found[place, :rows, :columns], label_maps(model, [image])[0])
        assert not found[place, rows:].any()
        assert not found[place, :, columns:].any()
    alone.maps.features[1, :, 7:] = 200.0
    alone.maps.features[1, 0, 7:] = 1e6
    assert np.array_equal(labels_alone(model, alone), found)
    whole = label_maps(model, [alone.maps.features[1:2]])
    assert not np.array_equal(whole[0, :7], found[1, :7]), "padding would have mattered"


def test_images_of_different_sizes_are_learnt_from_one_at_a_time() -> None:
    alone = scored([(12, 14), (7, 14), (12, 5)])
    variation = Variation.draw(3, UNVARIED, 0, 0, CPU)
    for place, (inputs, targets) in zip(
        variation.order, alone.batches(variation, [(0, 1), (1, 2), (2, 3)]), strict=True
    ):
        rows, columns = alone.extents[place].tolist()
        assert inputs.shape == (1, 4 + COLOURS, rows, columns)
        assert torch.equal(targets[0], alone.maps.targets[place, :rows, :columns].long())
    with pytest.raises(ValueError, match="2 images at a time"):
        next(alone.batches(variation, [(0, 2)]))


# What is trained ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_toy_units_are_recorded(key: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    DESK.record_toy(tmp_path, data, key)
    (stored,) = Ledger(tmp_path / "ledger").records(verify_arrays=True)
    record = stored.record
    recipe = declared(toy=True)[key].recipe
    assert (record.experiment, record.system, record.seed) == (key, "Front end", 0)
    assert record.evidence is Evidence.SCALED_DOWN
    assert record.recipe["scale"] == "toy"
    assert record.data is not None
    shape = (record.data.test, len(recipe["classes"]), len(recipe["classes"]) + 1)
    endings = ("", *(f".{suffix}" for suffix in recipe["variants"]))
    assert {f"confusion{ending}" for ending in endings} == {name for name in record.arrays if "confusion" in name}
    assert {record.arrays[f"confusion{ending}"].shape for ending in endings} == {shape}
    assert "panel_images" not in record.arrays
    phases = list(dict.fromkeys(str(row["phase"]) for row in record.log))
    modules = [f"{name.lower()}{end}" for name in recipe["modules"] for end in ("", "-rnn")]
    assert phases == ["network", "rnn", *modules, "joint"]
    assert all(np.isfinite(float(row["loss"])) for row in record.log)


def test_a_unit_that_is_interrupted_in_its_last_stage_goes_on_to_the_same_result(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then the front end has learnt further than where the stages before began."""
    monkeypatch.chdir(tmp_path)
    experiment = declared(toy=True, data=data)["camvid-gpu"]
    unit = Unit("camvid-gpu", "Front end", 0)

    def press(said: str, done: int, of: int) -> None:
        if said.endswith("joint") and done == of:
            raise KeyboardInterrupt

    whole, halved = (tmp_path / name for name in ("whole", "halved"))
    whole.mkdir()
    halved.mkdir()
    expected = experiment.measure(unit, Context(whole, "cpu", quiet))
    with pytest.raises(KeyboardInterrupt):
        experiment.measure(unit, Context(halved, "cpu", press))
    assert equal(experiment.measure(unit, Context(halved, "cpu", quiet)), expected)


def test_costs_are_estimated_by_doing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 60 images do not keep a rehearsal with a few from running."""
    monkeypatch.chdir(tmp_path)
    experiment = declared(toy=True, data=data)["voc-gpu"]
    assert experiment.cost is not None
    cost = experiment.cost(Unit("voc-gpu", "Front end", 0), "cpu")
    assert cost.per_epoch > 0
    assert cost.setup > 0
