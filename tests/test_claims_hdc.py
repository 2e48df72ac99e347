"""The claims of the HDC paper against the collected facts, the paper's own text, and a second arithmetic."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
from claims_text import misquoted, numbers, quoted, unquoted_numbers

from harness.audit.finding import Audit, Outcome
from harness.audit.run import audit
from harness.claims.document import slug
from harness.claims.model import Paper
from harness.claims.papers import find_paper

Row = dict[str, str]
Shared = Callable[[str], Path]

CERTAINTY = {"verified-2": "two-sources", "verified": "one-source", "seed": "text"}
TABLES = {
    "Table 1": "t1", "Table 2": "t2", "Table 3": "t3", "Table 4 (v2/v3)": "t4",
    "Table 4 (arXiv v1, early 2017)": "t4-first", "Table 6": "t6",
}  # fmt: skip
PROSE: dict[tuple[str, str], tuple[str, ...]] = {
    ("Abstract", "ResNet-DUC-HDC"): ("abstract/better-network/miou",),
    ("Sec.3.1", "DUC output"): ("s3.1/duc-shape",),
    ("Sec.3.1", "objects lost at 1/16"): ("s3.1/example/object-side",),
    ("Sec.3.2", "dilated filter size"): ("s3.2/filter-size",),
    ("Sec.3.2", "k=3 r=2 single layer"): ("s3.2/hole/used", "s3.2/hole/region"),
    ("Sec.3.2", "all layers rate r"): ("s3.2/most-locations",),
    ("Sec.3.2", "information lost r=2"): ("s3.2/lost",),
    ("Sec.3.2 Eq.(2)", "design rule"): ("s3.2/rule",),
    ("Sec.3.2", "r=[1,2,5], K=3"): ("s3.2/works/m2",),
    ("Sec.3.2", "r=[1,2,9], K=3"): ("s3.2/fails/m2",),
    ("Sec.3.2", "r=2 group replaced by"): ("s3.2/group/rate-1", "s3.2/group/rate-2", "s3.2/group/rate-3"),
    ("Sec.3.2", "bad rates example"): tuple(f"s3.2/common-factor/rate-{k}" for k in (1, 2, 3)),
    ("Sec.4", "datasets"): ("s4/datasets",),
    ("Sec.4.1", "Cityscapes"): tuple(f"s4.1/cityscapes/{k}" for k in ("images", "cities", "categories", "classes")),
    ("Sec.4.1", "Cityscapes split"): tuple(f"s4.1/cityscapes/{k}-images" for k in ("training", "validation", "test")),
    ("Sec.4.1", "coarse images"): ("s4.1/cityscapes/coarse-images",),
    ("Sec.4.1", "patches per image"): ("s4.1/tiles/count",),
    ("Sec.4.1", "augmented train set"): ("s4.1/tiles/images",),
    ("Sec.4.1", "crop / batch / lr / power / wd / mom / epochs"): (
        "s4.1/baseline/crop", "s4.1/baseline/batch", "s4.1/learning-rate", "s4.1/weight-decay", "s4.1/momentum",
        "s4.1/epochs",
    ),
    ("Sec.4.1", "Baseline"): ("s4.1/baseline/miou",),
    ("Sec.4.1", "baseline ASPP rates"): tuple(f"s4.1/aspp/rate-{k}" for k in (1, 2, 3, 4)),
    ("Sec.4.1", "DUC top layer"): ("s4.1/duc/map-side", "s4.1/duc/output-stride", "s4.1/baseline/classes"),
    ("Sec.4.1", "ResNet-DUC"): ("s4.1/duc/miou",),
    ("Sec.4.1", "DUC vs baseline"): ("s4.1/duc/gain",),
    ("Sec.4.1", "ASPP 4->6"): ("s4.1/aspp/gain",),
    ("Sec.4.1", "augmentation"): ("s4.1/augmentation/gain",),
    ("Sec.4.1", "cell=2 channel reduction"): ("s4.1/cell/fewer-channels",),
    ("Sec.4.1", "DS 8->4"): ("s4.1/downsampling",),
    ("Sec.4.1", "bigger patch"): (
        "s4.1/bigger-patch/crop", "s4.1/bigger-patch/batch-per-gpu", "s4.1/bigger-patch/gpus",
    ),
    ("Sec.4.1", "7-fold aug"): (
        "s4.1/centres/x", "s4.1/centres/first-y", "s4.1/centres/last-y", "s4.1/centres/jitter",
    ),
    ("Sec.4.1", "bigger patch result"): ("s4.1/bigger-patch/miou",),
    ("Sec.4.1", "direct deconv x8"): ("s4.1/direct-deconv/miou",),
    ("Sec.4.1", "deconv x2 then x4"): ("s4.1/two-step-deconv/miou",),
    ("Sec.4.1", "ResNet-DUC + CRF"): ("s4.1/crf/miou",),
    ("Sec.4.1", "CRF params"): ("s4.1/crf",),
    ("Sec.4.1", "res4b blocks / res5b blocks"): ("s4.1/res4b/blocks", "s4.1/res5b/blocks"),
    ("Sec.4.1", "ResNet-152 BN epochs / finetune"): ("s4.1/resnet-152",),
    ("Sec.4.1", "ResNet-DUC-HDC fine only"): ("s4.1/fine/miou",),
    ("Sec.4.1", "+ coarse"): ("s4.1/coarse/miou",),
    ("Sec.4.1", "better network (3x 3x3 stem)"): ("s4.1/better-network/miou",),
    ("Sec.4.1", "vs Chen et al."): ("s4.1/better-network/gain",),
    ("Sec.4.1", "stem replacement"): ("s4.1/stem/old-kernel", "s4.1/stem/new-kernel", "s4.1/stem/new-layers"),
    ("Sec.4.2", "KITTI road split"): ("s4.2/kitti/training-images", "s4.2/kitti/test-images"),
    ("Sec.4.2", "KITTI crops"): ("s4.2/kitti/crop", "s4.2/kitti/crop-stride"),
    ("Sec.4.3", "VOC split"): tuple(f"s4.3/voc/{k}-images" for k in ("training", "validation", "test", "augmented")),
    ("Sec.4.3", "ResNet-152-DUC"): ("s4.3/voc/miou",),
    ("Sec.4.3", "VOC patch size"): ("s4.3/voc/crop",),
}  # fmt: skip
RATES = {("Sec.4.1", "Dilation-RF rates"): "dilation-rf", ("Sec.4.1", "Dilation-bigger rates"): "dilation-bigger"}
OUTSIDE = {
    "ResNet101-DUC-HDC released, single scale": "authors/{}/miou-single-scale",
    "ResNet101-DUC-HDC released, multi scale": "authors/{}/t4-miou",
    "ResNet101_DUC_HDC ONNX fp32": "onnx/{}/miou-val",
    "ResNet101_DUC_HDC ONNX int8": "onnx/{}/miou-val-int8",
    "ResNet101_DUC_HDC ONNX size": "onnx/{}/size",
    "third-party reproduction (acgtyrant)": "acgtyrant/resnet101_duc_hdc/miou-train",
}
BETTER = "resnet-duc-hdc-coarse-better-network"


@pytest.fixture(scope="module")
def paper() -> Paper:
    return find_paper("hdc")


@pytest.fixture(scope="module")
def audited(paper: Paper) -> Audit:
    return audit(paper)


@pytest.fixture(scope="module")
def rows(shared: Shared) -> list[Row]:
    with shared("papers/hdc.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def printed_name(subject: str) -> str:
    """Return the row of the claims file for a row of the collected facts."""
    return subject.removesuffix(" Cell=n/a").replace("(ours) [fine]", "(ours)").replace("-Ensemble [fine]", "-Ensemble")


def test_every_table_cell_is_there_digit_for_digit(paper: Paper, rows: list[Row]) -> None:
    cells = [row for row in rows if row["location"] in TABLES]
    ids = set()
    for row in cells:
        table = TABLES[row["location"]]
        name = slug(printed_name(row["subject"]))
        if table == "t4":
            name = name.removesuffix("-fine")
        claim = paper.claims[f"{table}/{name}/{'rf-increased' if row['metric'] == 'RF increased' else 'miou'}"]
        assert str(claim.printed) == row["value"], claim.id
        if claim.id != "t6/deeplabv2-crf/miou":
            assert claim.place.transcription.value == CERTAINTY[row["confidence"]], claim.id
        ids.add(claim.id)
    assert len(ids) == len(cells)
    assert ids == {
        id
        for id, claim in paper.claims.items()
        if claim.table in TABLES.values() and claim.column in ("miou", "rf-increased")
    }


def test_settings_in_the_names_of_table_1_are_its_columns(paper: Paper) -> None:
    for row, name in paper.tables["t1"].rows.items():
        for column, word in (("ds", "DS"), ("aspp", "ASPP"), ("cell", "Cell")):
            match = re.search(rf"\b{word}=(\d+)", name)
            claim = paper.claims.get(f"t1/{row}/{column}")
            assert (match and match.group(1)) == (claim and str(claim.printed)), (name, column)


def test_one_number_of_the_kitti_table_is_known_and_the_rest_is_absent(paper: Paper, rows: list[Row]) -> None:
    (row,) = [row for row in rows if row["location"] == "Table 5"]
    cells = [claim for claim in paper.claims.values() if claim.table == "t5"]
    assert [(claim.column, str(claim.printed)) for claim in cells] == [("maxf-urban", row["value"])]
    absent = {id for id in paper.absent if id.startswith("t5/")}
    kinds = {f"t5/resnet-101-duc/{k}-{road}" for k, road in product(("maxf", "ap"), ("um", "umm", "uu", "urban"))}
    assert absent == kinds - {cells[0].id}


def test_every_outside_number_is_a_reference_and_no_claim(paper: Paper, rows: list[Row]) -> None:
    references = {reference.id: reference for reference in paper.references}
    outside = [row for row in rows if row["location"] == "external"]
    assert {row["subject"] for row in outside} == set(OUTSIDE)
    for row in outside:
        reference = references[OUTSIDE[row["subject"]].format(BETTER).replace("t4-miou", "miou")]
        assert str(reference.printed) == row["value"]
    assert not set(references) & set(paper.claims)


def test_every_row_of_the_prose_is_represented(paper: Paper, rows: list[Row]) -> None:
    prose = {(r["location"], r["subject"]): r for r in rows if r["location"].startswith(("Abstract", "Sec"))}
    assert set(prose) == {*PROSE, *RATES}
    for key, ids in PROSE.items():
        value = prose[key]["value"]
        wanted = {Fraction(text) for text in re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", re.sub(r"(?<=M)2|r\^2", "", value))}
        if key == ("Sec.4.1", "stem replacement"):
            wanted |= {Fraction(3)}
        held = {number for id in ids for number in numbers(paper, id)}
        assert held, key
        assert wanted <= held, f"{key}: {sorted(map(float, wanted - held))} not in {ids}"


def rates(paper: Paper, prefix: str) -> list[int]:
    """Return the whole numbers of ``prefix-1``, ``prefix-2`` ... in order."""
    found = [claim for id, claim in paper.claims.items() if re.fullmatch(rf"{prefix}-\d+", id)]
    return [int(claim.printed.value) for claim in found]


def blocks(paper: Paper, variant: str) -> list[int]:
    """Write out the dilation of every block of res4b and res5b, one by one, from the words of Section 4.1."""
    if variant == "no-dilation":
        return [1] * 26
    if variant == "dilation-conv":
        return [2 - k % 2 for k in range(23)] + [2 - k % 2 for k in range(3)]
    if variant == "uniform":
        return [2] * 23 + [4] * 3
    group = rates(paper, f"s4.1/{variant}/rate")
    last = [2, 2] if variant == "dilation-rf" else rates(paper, f"s4.1/{variant}/last-rate")
    res4b = [group[k % len(group)] for k in range(23 - len(last))] + last
    assert len(res4b) == 23
    return res4b + rates(paper, f"s4.1/{variant}/res5b-rate")


def test_rates_are_those_collected(paper: Paper, rows: list[Row]) -> None:
    for key, variant in RATES.items():
        (value,) = [row["value"] for row in rows if (row["location"], row["subject"]) == key]
        res4b, res5b = value.split(" ; ")
        match = re.fullmatch(r"\(([\d,]+)\)x(\d+),([\d,]+)", res4b)
        assert match
        written = match[1].split(",") * int(match[2]) + match[3].split(",") + res5b.split(",")
        assert blocks(paper, variant) == [int(rate) for rate in written]


def field(dilations: Sequence[int]) -> int:
    """Return the side of the receptive field of a stack of 3x3 convolutions by following its outermost position."""
    position = 0
    for dilation in dilations:
        position += dilation
    return 2 * position + 1


@pytest.mark.parametrize(
    ("variant", "printed", "follows"),
    [("no-dilation", 54, 52), ("dilation-conv", 88, 80), ("dilation-rf", 116, 116), ("dilation-bigger", 256, 248)],
)
def test_receptive_field_column_against_the_text(
    paper: Paper, audited: Audit, variant: str, printed: int, follows: int
) -> None:
    assert field(blocks(paper, variant)) - 1 == follows
    (verdict,) = [
        v for v in audited.verdicts if v.relation.statement == "t2/rf-increased" and f"/{variant}/" in v.relation.right
    ]
    assert (verdict.left_face, verdict.right_face) == (follows, printed)
    assert verdict.holds == (printed == follows)


def test_receptive_field_is_unchanged_by_dilation_rf(paper: Paper, audited: Audit) -> None:
    assert field(blocks(paper, "dilation-rf")) == field(blocks(paper, "uniform"))
    (verdict,) = [v for v in audited.verdicts if v.relation.id == "s3.2/same-receptive-field"]
    assert verdict.outcome is Outcome.CONSISTENT


def m2(sequence: Sequence[int]) -> int:
    """Return M2 of equation (2), its middle term simplified to 2 r - M."""
    distance = sequence[-1]
    for rate in reversed(sequence[1:-1]):
        distance = max(distance - 2 * rate, 2 * rate - distance, rate)
    return distance


SEQUENCES = {
    "group": ([1, 2, 3], 2),
    "figure-2-b": ([1, 2, 3], 2),
    "dilation-rf-res4b": ([1, 2, 3], 2),
    "dilation-rf-res5b": ([3, 4, 5], 4),
    "dilation-bigger-res4b": ([1, 2, 5, 9], 2),
    "dilation-bigger-last": ([1, 2, 5], 2),
    "dilation-bigger-res5b": ([5, 9, 17], 9),
}


def test_rule_over_the_papers_own_rates(audited: Audit) -> None:
    verdicts = [v for v in audited.verdicts if v.relation.statement == "s3.2/design-goal"]
    for (sequence, distance), verdict in zip(SEQUENCES.values(), verdicts, strict=True):
        assert m2(sequence) == distance == verdict.left_face
        assert verdict.holds == (distance <= 3)
    broken = [sequence for sequence, distance in SEQUENCES.values() if distance > 3]
    assert broken == [[3, 4, 5], [5, 9, 17]]


def test_examples_of_the_rule(audited: Audit) -> None:
    outcomes = {v.relation.id: v for v in audited.verdicts}
    assert (m2([1, 2, 5]), m2([1, 2, 9])) == (2, 5)
    assert [outcomes[f"s3.2/m2#{case}"].left_face for case in (1, 2)] == [2, 5]
    assert all(outcomes[f"s3.2/m2#{case}"].holds for case in (1, 2))
    assert outcomes["s3.2/rejects-gridding#1"].left_face == m2([2, 2, 2]) == 2
    assert not outcomes["s3.2/rejects-gridding#1"].holds
    assert outcomes["s3.2/rejects-gridding#2"].left_face == m2([2, 4, 8]) == 4
    assert outcomes["s3.2/rejects-gridding#2"].holds


def test_the_stack_that_the_rule_accepts_has_holes() -> None:
    reached = {sum(steps) for steps in product((-2, 0, 2), repeat=3)}
    assert set(range(-6, 7)) - reached == {-5, -3, -1, 1, 3, 5}


GAINS = {
    "s4.1/duc-gain": ("74.3", "72.3"),
    "s4.1/aspp-gain": ("74.5", "74.3"),
    "s4.1/augmentation-gain": ("74.3", "72.8"),
    "s4.1/bigger-patch-gain": ("75.7", "74.7"),
    "s4.1/crf-gain": ("76.7", "75.7"),
    "s4.1/over-chen": ("80.1", "70.4"),
}


def test_gains_are_differences_of_the_printed_numbers(audited: Audit) -> None:
    verdicts = {v.relation.id: v for v in audited.verdicts}
    for id, (more, less) in GAINS.items():
        assert verdicts[id].left_face == Fraction(more) - Fraction(less) == verdicts[id].right_face, id
        assert verdicts[id].outcome is Outcome.CONSISTENT


def test_what_the_audit_finds_is_what_fails_and_the_renamed_row(audited: Audit) -> None:
    accused = {finding.relation for finding in audited.findings if finding.rule.detector == "relation"}
    assert accused == {v.relation.id for v in audited.verdicts if v.outcome is Outcome.INCONSISTENT}
    two = [finding.claims for finding in audited.findings if finding.rule.id == "two-values/differ"]
    assert two == [("t4-first/resnet-duc-hdc-ours/miou", "t4/resnet-duc-hdc-ours/miou")]


@pytest.fixture(scope="module")
def text(shared: Shared) -> str:
    return shared("seeds/004_4a12788163c6634f.txt").read_text(encoding="utf-8")


def test_quotes_are_the_papers_own_words(paper: Paper, text: str) -> None:
    assert misquoted(paper, text) == []


NO_CLAIM = re.compile(
    r"""
    Table\s5\s1 | (?:ResNet|LRR|VGG)-\s?\d+x? | (?:Figure|Table|Section|FCN)\s\d | VOC2012 | Dilation10   # names
    | [124]-D\b | F1
    | \b[12345]\)\s? | :1\)\s | ^\d(?:\.\d)?\.\s.*$ | ^\d\.$                                               # numbering
    | [a-z]\d,\s | \d(?:TuSimple|Carnegie|University|UC) | ^\d\{ | Cottrell4 | arXiv:.*2018 | DeepLab(?:v|-V)2
    | submission2 | ^2Result | \(2017\d+\) | SMA\s\d+ | l\s−1 | -?101-DUC | r1,               # marks
    """,
    re.VERBOSE | re.MULTILINE,
)


def test_every_number_in_the_text_is_quoted(paper: Paper, text: str) -> None:
    assert unquoted_numbers(text, quoted(paper, text), NO_CLAIM) == []


def test_what_mixes_unlike_settings(audited: Audit) -> None:
    mixed = [finding.relation for finding in audited.findings if finding.rule.detector == "comparison"]
    assert mixed == ["s4.1/bigger-patch-gain", "t3/upsampling#1", "t3/upsampling#2", "s4.1/over-chen"]
