"""The claims of the dilation paper against the collected facts and against a second arithmetic."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import pytest

from harness.audit.finding import Audit, Outcome, Severity
from harness.audit.run import audit
from harness.claims.document import slug
from harness.claims.model import Paper, ReferenceKind, Relation
from harness.claims.papers import find_paper
from harness.claims.relations import operands

Row = dict[str, str]
Shared = Callable[[str], Path]

CERTAINTY = {"verified-2": "two-sources", "verified": "one-source", "seed": "text"}
SPLIT_TABLES = ("Table 7", "Table 8")
CONTEXT_COLUMNS = {"dilation": "dilation", "receptive field side": "receptive-field", "output channels": "large"}
PROSE: Mapping[tuple[str, str, str], tuple[str, ...]] = {
    ("Sec.2 Eq.(3)", "stack of 3x3 with dilations 2^0..2^i", "receptive field side"): ("s2/receptive-field",),
    ("Fig.1", "1-/2-/4-dilated stack F1,F2,F3", "receptive field side"): tuple(
        f"f1/f{i}/receptive-field" for i in (1, 2, 3)
    ),
    ("Sec.3", "Basic context module", "parameters"): ("s3/basic/weights", "s3/weights"),
    ("Sec.3", "context module", "layers"): ("s3/basic/layers", "s3/final-layer"),
    ("Sec.5", "context module", "padding buffer"): ("s5/context-network/padding", "s5/buffer"),
    ("Sec.3/4", "front-end output", "feature map side"): ("s3/front-end/map-side", "s4/front-end/map-side"),
    ("Sec.4", "front end", "batch/lr/momentum/iters"): (
        "s4/mini-batch",
        "s4/learning-rate",
        "s4/momentum",
        "s4/iterations",
    ),
    ("Sec.5", "front end (COCO stage 1)", "iters"): ("s5/first-stage",),
    ("Sec.5", "front end (VOC stage 2)", "iters"): ("s5/second-stage",),
    ("Sec.4", "front end vs FCN-8s, DeepLab", "mean IoU gain"): ("s4/gain",),
    ("Sec.4", "front end vs DeepLab+CRF leaderboard", "mean IoU"): ("s4/without-crf", "s4/deeplab-crf/miou"),
    ("Sec.5", "front end (COCO)", "mean IoU"): ("s5/front-end/miou-val", "s5/front-end/miou-test"),
    ("Sec.5", "Context (no CRF) vs DeepLab++", "mean IoU"): ("s5/deeplab-coco",),
    ("Sec.5", "Context+CRF vs CRF-RNN", "mean IoU"): ("s5/on-par",),
    ("App.A.1", "CamVid split", "images"): tuple(f"a1/camvid/{k}-images" for k in ("training", "validation", "test")),
    ("App.A.2", "KITTI split", "images"): ("a2/kitti/training-images", "a2/kitti/test-images"),
    ("App.A.3", "Cityscapes split", "images"): tuple(
        f"a3/cityscapes/{k}-images" for k in ("training", "validation", "test")
    ),
    ("App.A.3", "Dilation10 added layers", "dilation"): ("a3/added-first/dilation", "a3/added-second/dilation"),
    ("App.A.3", "Dilation10 layers", "layers"): ("a3/dilation10/context-layers",),
    ("App.A.3", "Dilation10 training", "iters"): ("a3/first-stage", "a3/second-stage", "a3/third-stage"),
    ("S000 text", "Dilation7 vs DeepLab-LFOV", "mean IoU"): ("a2/outperforms",),
    ("S000 text", "front end + Large ctx + CRF-RNN", "mean IoU"): ("t4/context-+-crf-rnn/miou",),
}
OUTSIDE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("Sec.2", "3x3 conv, dilation 1"): ("lesson-operator/3x3-dilation-1/span",),
    ("Sec.2", "3x3 conv, dilation 2"): ("lesson-operator/3x3-dilation-2/span", "deep-dive/3x3-dilation-2/span"),
    ("Sec.2", "3x3 conv, dilation 4"): ("lesson-operator/3x3-dilation-4/span", "deep-dive/3x3-dilation-4/span"),
    ("Sec.2", "3x3 conv, dilation 8"): ("lesson-operator/3x3-dilation-8/span",),
    ("Sec.2", "3x3 conv, dilation 16"): ("lesson-operator/3x3-dilation-16/span",),
    ("Sec.2", "3x3 conv any dilation"): ("lesson-operator/3x3-dilation-16/weights",),
    ("S000 text", "standard 3x3 layers needed for 63x63"): (
        "lesson-stacks/plain-stack-as-wide-as-5-dilated-layers/layers",
    ),
    ("S000 text", "dilated layers needed for 63x63"): ("lesson-stacks/exponential-stack-of-5/layers",),
    ("S000 text", "dilated stack after 4 layers"): ("lesson-stacks/exponential-stack-of-4/receptive-field",),
    ("S000 text", "standard stack after 4 layers"): ("lesson-stacks/plain-stack-of-4/receptive-field",),
    ("S001 text", "9x9 dense kernel vs 3x3 dilation 4"): (
        "deep-dive/9x9/weights",
        "deep-dive/3x3-dilation-4/weights",
    ),
    ("S000/S001 text", "VGG-16 224 input final map"): ("lesson-stacks/vgg-16/map", "deep-dive-vgg/vgg-16/map"),
    ("external", "Dilation (repo model)"): ("aggregator-cityscapes/dilation10/miou",),
    ("external", '"Dilated Convolutions"'): ("aggregator-voc/our-front-end/miou",),
    ("external", '"Dilation10" on CamVid'): ("aggregator-camvid/dilation8/miou",),
    ("external(code)", "front-end fc6"): (
        "release/front-end/fc6-kernel",
        "release/front-end/final-dilation",
        "release/front-end/fc6-channels",
    ),
}
LESSON = "S000 table (secondary page)"
LESSON_BASES = {"Front-end only": "", "+ Dense CRF": " + CRF", "+ CRF-RNN": " + RNN"}
LESSON_MODULES = {"No": "Front end", "Basic": "Front + Basic", "Large": "Front + Large"}
CONFIGURATIONS = ("", "-+-crf", "-+-rnn")


@pytest.fixture(scope="module")
def paper() -> Paper:
    return find_paper("dilation")


@pytest.fixture(scope="module")
def audited(paper: Paper) -> Audit:
    return audit(paper)


@pytest.fixture(scope="module")
def rows(shared: Shared) -> list[Row]:
    with shared("papers/dilation.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def in_prose(row: Row) -> tuple[str, str, str]:
    return row["location"], row["subject"], row["metric"]


def cell_of(row: Row) -> tuple[str, str]:
    """Return the id and the digits that a row of the collected tables must have in the claims file."""
    table = f"t{row['location'].removeprefix('Table ')}"
    if table == "t1":
        layer = row["subject"].rpartition(" ")[2]
        return f"t1/layer-{layer}/{CONTEXT_COLUMNS[row['metric']]}", row["value"].removesuffix("C") or "1"
    if row["location"] in SPLIT_TABLES:
        table += f"-{row['split']}"
    _, is_class, name = row["metric"].partition("IoU ")
    column = "miou" if row["metric"].startswith("mean") else f"iou-{name.lower()}"
    assert is_class or column == "miou"
    return f"{table}/{slug(row['subject'])}/{column}", row["value"]


def lesson_reference(row: Row) -> str:
    base, context, module = row["subject"].partition(" / context=")
    if context:
        return f"lesson/{slug(LESSON_MODULES[module] + LESSON_BASES[base])}/miou"
    return f"lesson-test/{'our-front-end' if 'front end' in base else slug(base)}/miou"


def test_every_row_of_the_facts_is_of_one_kind(rows: list[Row]) -> None:
    kinds = [
        [
            row["location"].startswith("Table"),
            in_prose(row) in PROSE,
            in_prose(row)[:2] in OUTSIDE,
            row["location"] == LESSON,
        ]
        for row in rows
    ]
    assert {sum(kind) for kind in kinds} == {1}
    assert set(PROSE) <= {in_prose(row) for row in rows}
    assert set(OUTSIDE) <= {in_prose(row)[:2] for row in rows}


def test_every_table_cell_is_there_digit_for_digit(paper: Paper, rows: list[Row]) -> None:
    cells = [row for row in rows if row["location"].startswith("Table")]
    ids = set()
    for row in cells:
        id, digits = cell_of(row)
        claim = paper.claims[id]
        assert str(claim.printed) == digits, id
        assert claim.unit == (row["unit"] if row["unit"] not in ("", "C") else "1"), id
        assert claim.better == (row["better"] if row["better"] != "n/a" else None), id
        assert claim.place.transcription.value == CERTAINTY[row["confidence"]], id
        ids.add(id)
    assert len(ids) == len(cells)
    unlisted = {id for id, claim in paper.claims.items() if claim.table in ("f1", "s3")}
    unlisted |= {id for id in paper.claims if re.fullmatch(r"t1/layer-\d/(kernel|basic)", id)}
    assert ids == {id for id, claim in paper.claims.items() if claim.table} - unlisted


def wanted(value: str) -> list[Fraction]:
    """Return the numbers of a collected value: ``60K`` is 60000, and ``C^2`` a unit."""
    plain = re.sub(r"(\d+)K", r"\g<1>000", value.partition(" (")[0].replace("C^2", ""))
    return [Fraction(text) for text in re.findall(r"(?<![\w.-])\d+(?:\.\d+)?(?:e-\d+)?", plain)]


def numbers(text: str) -> Iterator[Fraction]:
    yield from map(Fraction, re.findall(r"(?<![\w./-])\d+(?:\.\d+)?(?![\w/])", text))


def held(paper: Paper, id: str) -> Iterator[Fraction]:
    """Yield every number that the entry prints, states or compares."""
    if id in paper.claims:
        yield paper.claims[id].printed.value
    for fact in (fact for fact in paper.facts if fact.id == id):
        yield from map(Fraction, re.findall(r"\d+(?:\.\d+)?", fact.value))
    for relation in (relation for relation in paper.relations if relation.statement == id):
        yield from numbers(f"{relation.left} {relation.right}")
        yield from (paper.claims[name].printed.value for name in operands(relation, paper))


def test_every_row_of_the_prose_is_represented(paper: Paper, rows: list[Row]) -> None:
    known = {*paper.claims, *(fact.id for fact in paper.facts), *(relation.statement for relation in paper.relations)}
    for row in rows:
        if ids := PROSE.get(in_prose(row)):
            assert set(ids) <= known, ids
            missing = set(wanted(row["value"])) - {number for id in ids for number in held(paper, id)}
            assert not missing, f"{in_prose(row)}: {sorted(map(float, missing))} not in {ids}"


def test_prose_numbers_are_as_sure_as_the_facts(paper: Paper, rows: list[Row]) -> None:
    for row in rows:
        for id in PROSE.get(in_prose(row), ()):
            if id in paper.claims:
                assert paper.claims[id].place.transcription.value == CERTAINTY[row["confidence"]], id


def test_every_outside_number_is_a_reference_and_no_claim(paper: Paper, rows: list[Row]) -> None:
    references = {reference.id: reference for reference in paper.references}
    for row in rows:
        ids = OUTSIDE.get(in_prose(row)[:2]) or ((lesson_reference(row),) if row["location"] == LESSON else ())
        found = {references[id].printed.value for id in ids}
        assert found == set(wanted(row["value"].replace("7x7", "7"))) or not ids, in_prose(row)
    assert not set(references) & set(paper.claims)


def test_the_lesson_is_held_against_the_paper_and_never_for_it(paper: Paper, audited: Audit) -> None:
    lesson = [reference for reference in paper.references if reference.id.startswith("lesson/")]
    beside = [(reference.printed.value, paper.claims[reference.claim or ""].printed.value) for reference in lesson]
    assert len(beside) == 9
    assert sum(one != other for one, other in beside) == 6
    assert {reference.kind for reference in lesson} == {ReferenceKind.COPY}
    (finding,) = (finding for finding in audited.findings if finding.rule.id == "references/copy")
    assert finding.severity is Severity.NOTE


def test_no_statement_contradicts_the_printed_numbers(audited: Audit) -> None:
    assert {verdict.outcome for verdict in audited.verdicts} == {Outcome.CONSISTENT, Outcome.NOT_CHECKABLE}


def outcomes(audited: Audit, statement: str) -> list[Outcome]:
    return [verdict.outcome for verdict in audited.verdicts if verdict.relation.statement == statement]


def means(rows: Collection[Row], table: str) -> dict[str, Fraction]:
    return {
        slug(r["subject"]): Fraction(r["value"])
        for r in rows
        if r["location"] == table and r["metric"].startswith("mean")
    }


def test_the_context_module_helps_in_each_configuration(audited: Audit, rows: list[Row]) -> None:
    miou = means(rows, "Table 3")
    gains = {
        module: [miou[f"front-+-{module}{kind}"] - miou[f"front-end{kind}"] for kind in CONFIGURATIONS]
        for module in ("basic", "large")
    }
    assert gains["basic"] == [Fraction("1.5"), Fraction("1.1"), Fraction("0.6")]
    assert gains["large"] == [Fraction("2.3"), Fraction("1.7"), Fraction("1.4")]
    assert all(large > basic > 0 for basic, large in zip(gains["basic"], gains["large"], strict=True))
    assert outcomes(audited, "s5/three-configurations") == [Outcome.CONSISTENT] * 6
    assert outcomes(audited, "s5/large") == [Outcome.CONSISTENT] * 3


def test_the_gains_are_in_the_mean_and_not_in_every_class(paper: Paper, rows: list[Row]) -> None:
    scores = {cell_of(row)[0]: Fraction(row["value"]) for row in rows if row["location"] == "Table 3"}
    classes = {id.rpartition("/")[2] for id in scores} - {"miou"}
    falls = [
        {name for name in classes if scores[f"t3/front-+-{module}{kind}/{name}"] < scores[f"t3/front-end{kind}/{name}"]}
        for module in ("basic", "large")
        for kind in CONFIGURATIONS
    ]
    assert set.intersection(*falls) == {"iou-boat", "iou-plant"}
    assert sum("iou-tv" in fall for fall in falls) == 5
    (note,) = {relation.note for relation in paper.relations if relation.statement == "s5/three-configurations"}
    assert "boat and plant" in note


def test_the_simplified_front_end_gains_what_the_prose_says(audited: Audit, rows: list[Row]) -> None:
    miou = means(rows, "Table 2")
    assert [miou["our-front-end"] - miou[other] for other in ("fcn-8s", "deeplab")] == [
        Fraction("5.4"),
        Fraction("5.5"),
    ]
    assert miou["our-front-end"] - miou["deeplab-msc"] < 5
    assert outcomes(audited, "s4/gain") == [Outcome.CONSISTENT] * 2
    assert outcomes(audited, "s4/without-crf") == [Outcome.CONSISTENT]


def reached(kernels: Collection[tuple[int, int]]) -> set[int]:
    """Return the input positions that one output of a stack of (kernel, dilation) depends on, in one dimension."""
    positions = {0}
    for side, dilation in kernels:
        taps = [dilation * (tap - side // 2) for tap in range(side)]
        positions = {position + tap for position in positions for tap in taps}
    return positions


def layers(paper: Paper, table: str, count: int) -> list[tuple[int, int]]:
    prefix = "f" if table == "f1" else "layer-"
    kernel = {"f1": "s2/filter/kernel"}.get(table, "t1/{row}/kernel")
    cells = [f"{prefix}{number}" for number in range(1, count + 1)]
    return [
        (
            int(paper.claims[kernel.format(row=row)].printed.value),
            int(paper.claims[f"{table}/{row}/dilation"].printed.value),
        )
        for row in cells
    ]


@pytest.mark.parametrize(("table", "count", "prefix"), [("f1", 3, "f"), ("t1", 8, "layer-")])
def test_receptive_fields_are_the_positions_reached(paper: Paper, table: str, count: int, prefix: str) -> None:
    for depth in range(1, count + 1):
        positions = reached(layers(paper, table, depth))
        assert len(positions) == max(positions) - min(positions) + 1, "a position is left out"
        assert len(positions) == paper.claims[f"{table}/{prefix}{depth}/receptive-field"].printed.value


def test_the_basic_module_has_64_c_squared_weights(paper: Paper, audited: Audit) -> None:
    width = 21
    weights = sum(side * side * width * width for side, _ in layers(paper, "t1", 8))
    assert weights == paper.claims["s3/basic/weights"].printed.value * width**2 == 28224
    assert outcomes(audited, "s3/weights") == [Outcome.CONSISTENT]


def test_voc_means_include_one_class_that_is_not_printed(paper: Paper) -> None:
    for table in ("t2", "t3", "t4"):
        for row in paper.tables[table].rows:
            parts = [
                c.printed.value for c in paper.claims.values() if (c.table, c.row, c.metric) == (table, row, "iou")
            ]
            mean = paper.claims[f"{table}/{row}/miou"].printed.value
            assert len(parts) == 20
            assert Fraction("91.2") <= 21 * mean - sum(parts, Fraction(0)) <= Fraction("94.5")


@pytest.mark.parametrize("table", ["t5", "t6", "t7-val", "t7-test", "t8-val", "t8-test"])
def test_other_means_are_those_of_the_printed_parts(paper: Paper, table: str) -> None:
    for row in paper.tables[table].rows:
        parts = [c.printed.value for c in paper.claims.values() if (c.table, c.row, c.metric) == (table, row, "iou")]
        assert abs(
            sum(parts, Fraction(0)) / len(parts) - paper.claims[f"{table}/{row}/miou"].printed.value
        ) <= Fraction("0.05")


def test_classes_and_categories_of_cityscapes_are_told_apart(paper: Paper) -> None:
    metrics = {
        id: claim.metric
        for id, claim in paper.claims.items()
        if claim.column == "miou" and "cityscapes" in (claim.dataset or "")
    }
    assert metrics == {
        "t7-val/dilation10/miou": "miou",
        "t7-test/dilation10/miou": "miou",
        "t8-val/dilation10/miou": "category-miou",
        "t8-test/dilation10/miou": "category-miou",
    }


def test_quotes_hold_the_number_they_are_quoted_for(paper: Paper) -> None:
    words = {"s4/front-end/ablated-layers": "two", "a3/added/layers": "two"}
    for id, claim in paper.claims.items():
        if claim.quote:
            assert re.search(rf"(?<![\d.]){re.escape(words.get(id, str(claim.printed)))}(?![\d]|\.\d)", claim.quote), id


def test_quotes_are_short(paper: Paper) -> None:
    quotes = [claim.quote for claim in paper.claims.values()] + [relation.quote for relation in paper.relations]
    assert max(len(quote.split()) for quote in [*quotes, *(fact.quote for fact in paper.facts)]) <= 26


def test_what_is_only_built_is_compared_by_direction_alone(paper: Paper) -> None:
    def compares_a_built_network(relation: Relation) -> bool:
        return relation.direction is not None and "built/" in relation.direction

    built = [relation for relation in paper.relations if compares_a_built_network(relation)]
    named = {id for relation in built for id in re.findall(r"built/[\w-]+/[\w-]+", relation.direction or "")}
    assert named == set(paper.unprinted)
    assert all("built/" not in relation.left + relation.right for relation in paper.relations)


def test_what_cannot_be_known_is_absent_and_not_guessed(paper: Paper) -> None:
    assert {"t2/background", "s5/crf", "s3/noise", "s4/input-size"} <= set(paper.absent)
    assert not any("background" in id for id in paper.claims)
