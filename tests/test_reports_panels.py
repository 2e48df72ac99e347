"""Galleries: the same images through every system and its variants."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from html_checks import Element, Page, problems
from numpy.typing import NDArray
from panel_samples import CLASSES, INDEX, LABEL_SKILL, VOID, fill_panels, labelling, predicted, true_labels
from PIL import Image
from report_samples import SKILL, arrays_of, experiments, fill_trained
from scoring_samples import experiment, joined, mini_paper, record_of

from harness.claims.papers import find_paper
from harness.ledger.record import Record
from harness.ledger.store import Ledger
from harness.reports.plots.panels import LABELS
from harness.reports.render import page
from harness.wording.words import NOT_CITABLE

SYSTEMS = ("Plain", "Plain + CRF", "Dilated", "Dilated + CRF", "Degridded", "Degridded + CRF")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def scenes(tmp_path: Path, ledger: Ledger) -> Page:
    """A page with the label panels of three systems and their variants on scenes that may be shown."""
    fill_panels(ledger, labelling())
    return Page(page(joined(mini_paper(tmp_path), ledger, labelling()), arrays_of(ledger)))


def galleries(tree: Page) -> list[Element]:
    return [table for table in tree.all("table") if "gallery" in table.classes]


def heads(table: Element) -> list[str]:
    return [head.text for head in table.all("th")]


def cells(table: Element) -> list[list[Element]]:
    body = next(table.all("tbody"))
    return [list(row.all("td")) for row in body.all("tr")]


def pixels(cell: Element) -> NDArray[np.uint8]:
    """Return what a cell's picture shows, uint8 [H, W, 3]."""
    uri = next(cell.all("image")).attributes["href"]
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def rgb(colour: str) -> list[int]:
    return [int(colour[k : k + 2], 16) for k in (1, 3, 5)]


def around(element: Element) -> set[str]:
    """Return the classes of everything an element stands in."""
    return set() if element.parent is None else {*element.parent.classes, *around(element.parent)}


def test_no_watermark_without_synthetic_evidence(tmp_path: Path) -> None:
    paper, ledger = find_paper("drn"), Ledger(tmp_path)
    photographs = experiments(paper)[2]
    fill_trained(ledger, photographs, pictures=False)
    tree = Page(page(joined(paper, ledger, photographs), arrays_of(ledger)))
    assert NOT_CITABLE not in tree.text
    assert not any("watermarked" in element.classes for element in tree.all())


def test_maps_of_photographs_come_without_them_until_asked_for_in_private(tmp_path: Path) -> None:
    paper, ledger = find_paper("drn"), Ledger(tmp_path / "ledger")
    photographs = experiments(paper)[2]
    fill_trained(ledger, photographs, pictures=False)
    results = joined(paper, ledger, photographs)
    public = Page(page(results, arrays_of(ledger)))
    assert "remeasure report drn --data DIR --private" in public.text
    asked: list[list[int]] = []

    def images(record: Record, index: NDArray[np.int32]) -> NDArray[np.uint8]:
        asked.append(index.tolist())
        return np.random.default_rng(len(record.system)).integers(0, 255, (len(index), 48, 48, 3)).astype(np.uint8)

    private = Page(page(results, arrays_of(ledger), images))
    assert problems(private) == []
    assert asked == [[0, 7, 14, 21]]
    assert "not for publication" in private.text
    assert "--private" not in private.text
    assert len(list(private.all("image"))) == len(list(public.all("image"))) + 8, "four beside maps, four beside labels"


def test_maps_and_labels_show_the_same_images_through_every_system(ledger: Ledger) -> None:
    paper = find_paper("drn")
    _, of_scenes, of_photographs, _ = experiments(paper)
    fill_trained(ledger, of_scenes, pictures=True)
    fill_trained(ledger, of_photographs, pictures=False)
    tree = Page(page(joined(paper, ledger, of_scenes, of_photographs), arrays_of(ledger)))
    systems = list(SKILL)
    assert [heads(table) for table in galleries(tree)] == [
        systems,
        ["Truth", *systems],
        ["Image", *systems],
        ["Image", "Truth", *systems],
    ]
    labels = [svg.attributes["aria-label"] for svg in galleries(tree)[2].all("svg")]
    assert any("DRN-C-26, image 7: 12×12 activation map" in label for label in labels)
    assert any("no box" in label for label in labels)
    assert problems(tree) == []


def test_a_system_is_followed_by_its_variants_in_the_papers_order(scenes: Page) -> None:
    (table,) = galleries(scenes)
    assert heads(table) == ["Image", "Truth", *SYSTEMS]
    opened = [head.text for head in table.all("th") if "opens" in head.classes]
    assert opened == ["Plain", "Dilated", "Degridded"]
    assert len(cells(table)) == len(INDEX)
    assert [row[0].text for row in cells(table)] == [f"image {place}" for place in INDEX]
    assert problems(scenes) == []


def skill_of(system: str) -> float:
    name, _, after = system.partition(" + ")
    return LABEL_SKILL[name] + (0.1 if after else 0.0)


def test_under_each_picture_stands_the_share_of_pixels_that_are_right(scenes: Page) -> None:
    truth = true_labels()
    assert (truth == VOID).any()
    (table,) = galleries(scenes)
    for position, row in enumerate(cells(table)):
        for name, cell in zip(SYSTEMS, row[2:], strict=True):
            labels = predicted(truth, skill_of(name), 0)[position]
            pairs = zip(truth[position].flat, labels.flat, strict=True)
            right = [int(t) == int(p) for t, p in pairs if t != VOID]
            share = 100 * sum(right) / len(right)
            shown = re.search(r"(\d+\.\d) % right", cell.text)
            assert shown
            assert float(shown[1]) == pytest.approx(share, abs=0.0501)
            assert shown[0] in next(cell.all("svg")).attributes["aria-label"]


def test_pictures_hold_the_labels_and_void_looks_like_no_class(scenes: Page) -> None:
    truth = true_labels()
    (table,) = galleries(scenes)
    for position, row in enumerate(cells(table)):
        shown = pixels(row[1])
        void = truth[position] == VOID
        for label in np.unique(truth[position][~void]):
            assert (shown[truth[position] == label] == rgb(LABELS[label])).all()
        hatching = {tuple(pixel) for pixel in shown[void].tolist()}
        assert len(hatching) == 2
        assert not hatching & {tuple(rgb(colour)) for colour in LABELS}
        labels = predicted(truth, skill_of("Plain"), 0)[position]
        assert (pixels(row[2]) == np.array([rgb(colour) for colour in LABELS])[labels]).all()


def test_the_legend_names_what_is_shown_with_its_colour(scenes: Page) -> None:
    section = scenes.by_id("pictures")
    (legend,) = (element for element in section.all("ul") if "legend" in element.classes)
    entries = {item.text: next(item.all("span")).attributes["style"] for item in legend.all("li")}
    *named, void = entries
    assert named == list(CLASSES)
    assert void == "void: not counted"
    assert [entries[name] for name in named] == [f"background:{colour}" for colour in LABELS[: len(CLASSES)]]
    assert len(set(entries.values())) == len(CLASSES) + 1


def test_without_void_the_legend_has_none(tmp_path: Path, ledger: Ledger) -> None:
    fill_panels(ledger, labelling(), true_labels(4, void=False))
    tree = Page(page(joined(mini_paper(tmp_path), ledger, labelling()), arrays_of(ledger)))
    legends = [element.text for element in tree.by_id("pictures").all("ul") if "legend" in element.classes]
    assert len(legends) == 1
    assert "void" not in legends[0]


def test_an_image_that_is_all_void_has_no_share(tmp_path: Path, ledger: Ledger) -> None:
    truth = true_labels()
    truth[0] = VOID
    fill_panels(ledger, labelling(), truth)
    tree = Page(page(joined(mini_paper(tmp_path), ledger, labelling()), arrays_of(ledger)))
    first, second, _ = cells(galleries(tree)[0])
    assert all("no truth" in cell.text for cell in first[2:])
    assert all("% right" in cell.text for cell in second[2:])


def test_photographs_stand_beside_labels_only_where_they_may_be_seen(tmp_path: Path, ledger: Ledger) -> None:
    fill_panels(ledger, labelling(), pictures=False)
    results = joined(mini_paper(tmp_path), ledger, labelling())
    public = Page(page(results, arrays_of(ledger)))
    assert heads(galleries(public)[0]) == ["Truth", *SYSTEMS]
    assert "remeasure report mini --data DIR --private" in public.text
    asked: list[list[int]] = []

    def images(_record: Record, index: NDArray[np.int32]) -> NDArray[np.uint8]:
        asked.append(index.tolist())
        return np.full((len(index), 30, 40, 3), 99, np.uint8)

    private = Page(page(results, arrays_of(ledger), images))
    assert asked == [list(INDEX)]
    assert heads(galleries(private)[0]) == ["Image", "Truth", *SYSTEMS]
    assert (pixels(cells(galleries(private)[0])[0][0]) == 99).all()
    assert problems(private) == problems(public) == []


def test_a_gallery_scrolls_by_itself_and_is_marked_as_synthetic(scenes: Page) -> None:
    (table,) = galleries(scenes)
    assert {"scroll", "watermarked"} <= around(table)
    assert NOT_CITABLE in next(table.all("caption")).text
    assert f"--columns:{2 + len(SYSTEMS)}" in table.attributes["style"]


def test_maps_alone_and_labels_alone_are_galleries_of_their_own(tmp_path: Path, ledger: Ledger) -> None:
    maps = experiment("maps")
    arrays = {"panel_index": np.arange(2, dtype=np.int32), "panel_maps": np.ones((2, 3, 3), np.float32)}
    ledger.append(record_of(maps, "Plain"), {**arrays, "ranks": np.zeros(9, np.uint16)})
    fill_panels(ledger, labelling())
    tree = Page(page(joined(mini_paper(tmp_path), ledger, maps, labelling()), arrays_of(ledger)))
    assert [heads(table) for table in galleries(tree)] == [["Image", "Truth", *SYSTEMS], ["Plain"]]
    assert problems(tree) == []


def test_a_system_without_the_variant_keeps_its_column(tmp_path: Path, ledger: Ledger) -> None:
    of = labelling(systems=("Plain",))
    truth = true_labels()
    arrays = {"panel_index": np.array(INDEX, np.int32), "panel_truth": truth, "panel_labels": truth}
    ledger.append(record_of(of, "Plain"), {**arrays, "ranks": np.zeros(9, np.uint16)})
    tree = Page(page(joined(mini_paper(tmp_path), ledger, of), arrays_of(ledger)))
    (table,) = galleries(tree)
    assert heads(table) == ["Truth", "Plain"]
    assert all("100.0 % right" in row[1].text for row in cells(table))
