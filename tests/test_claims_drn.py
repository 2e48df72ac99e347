"""The claims of the DRN paper against the collected facts and against the paper's own text."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from claims_text import misquoted, numbers, quoted, quotes, squeezed, unquoted_numbers, unquoted_sentences

from harness.claims.model import Paper
from harness.claims.papers import find_paper

Row = dict[str, str]
Shared = Callable[[str], Path]

TABLE_COLUMNS = {
    "1-crop top-1 error": "top1-1crop",
    "1-crop top-5 error": "top5-1crop",
    "10-crop top-1 error": "top1-10crop",
    "10-crop top-5 error": "top5-10crop",
    "params": "params",
    "top-1 localization error": "top1-loc",
    "top-5 localization error": "top5-loc",
    "mean IoU": "miou",
}
CERTAINTY = {"verified-2": "two-sources", "verified": "one-source", "seed": "text"}
REFERENCES = {
    "external: fyu/drn README": "authors",
    "external: fb.resnet.torch": "fb-resnet-torch",
    "external: torchvision 0.1.12 docs": "torchvision",
    "external: osmr/imgclsmob pytorch README @a7688efe": "imgclsmob-pytorch",
    "external: osmr/imgclsmob chainer README @2a623b1c": "imgclsmob-chainer",
    "external: osmr/imgclsmob gluon README @HEAD": "imgclsmob-gluon",
    "external: osmr/imgclsmob (gluon README)": "imgclsmob-gluon",
}
PROSE: dict[tuple[str, str, str], tuple[str, ...]] = {
    ("Sec.1", "typical final map of classification nets", "feature map side"): ("s1/typical/map-side",),
    ("Sec.1", "DRN output on ImageNet input", "feature map side"): ("s1/drn/map-side",),
    ("Sec.1", "DRN-C-42 vs ResNet-101", "mean IoU gain"): ("s1/segmentation-gain",),
    ("Sec.1", "DRN-C-42 vs ResNet-101 depth", "depth ratio"): ("s1/drn-c-42/depth-ratio", "s1/depth-ratio"),
    ("Sec.2", "ResNet downsampling", "factor"): ("s2/resnet/output-stride",),
    ("Sec.2", "ResNet area reduction", "factor"): ("s2/area",),
    ("Sec.2", "DRN downsampling", "factor"): ("s2/drn/output-stride",),
    ("Sec.2", "global average pooling inputs", "ratio"): ("s2/pooling/more-values", "s2/more-values"),
    ("Sec.2", "G4 i>=2 / G5 i>=2 dilation", "dilation"): ("s2/g4/dilation", "s2/g5/dilation"),
    ("Sec.2", "output resolution x4 without dilation", "RF reduction"): ("s2/without-striding/receptive-field-loss",),
    ("Sec.2", "memory when resolution x2", "memory factor"): ("s2/finer-map/memory-growth", "s2/memory"),
    ("Sec.2", "DRN-A vs ResNet RF", "receptive field"): ("s2/same-receptive-field",),
    ("Sec.3", "Zhou et al. output", "feature map side"): ("s3/zhou/map-side",),
    ("Sec.4", "DRN-B/C levels 7,8 dilation", "dilation"): ("s4/level-7/dilation", "s4/level-8/dilation"),
    ("Sec.5.1", "training", "momentum / wd / lr0"): ("s5.1/momentum", "s5.1/weight-decay", "s5.1/learning-rate"),
    ("Sec.5.1", "training", "epochs"): ("s5.1/epochs",),
    ("Sec.5.1", "ResNet-18 -> DRN-A-18", "1-crop top-1 gain"): ("s5.1/drn-a-18/gain", "s5.1/gain"),
    ("Sec.5.1", "ResNet-34 -> DRN-A-34", "1-crop top-1 gain"): ("s5.1/drn-a-34/gain", "s5.1/gain"),
    ("Sec.5.1", "ResNet-34 -> DRN-A-34", "relative error reduction"): (
        "s5.1/drn-a-34/error-reduction",
        "s5.1/error-reduction",
    ),
    ("Sec.5.1", "ResNet-50 -> DRN-A-50", "1-crop top-1 gain"): ("s5.1/gain-50",),
    ("Sec.5.1", "ResNet-101 -> ResNet-152", "1-crop top-1 gain"): ("s5.1/resnet-152/gain", "s5.1/gain-152"),
    ("Sec.5.1", "ResNet-101", "1-crop top-1 error"): ("s5.1/resnet-101/top1-1crop", "s5.1/resnet-101-again"),
    ("Sec.5.1", "ResNet-152", "1-crop top-1 error"): ("s5.1/resnet-152/top1-1crop",),
    ("Sec.5.1", "10-crop protocol", "crops"): ("s5.1/10-crop", "s5.1/10-crop-average"),
    ("Sec.5.1", "DRN-C-26 vs DRN-A-34", "1-crop top-1 error"): ("s5.1/matches-34",),
    ("Sec.5.1", "DRN-C-42 vs DRN-A-50", "1-crop top-1 error"): ("s5.1/matches-50",),
    ("Sec.5.1", "DRN-C-42 vs ResNet-101", "1-crop top-1 error"): ("s5.1/approaches",),
    ("Sec.5.1", "DRN-C vs DRN-A", "1-crop top-1 gain"): ("s5.1/each-drn-c",),
    ("Sec.5.1", "image resize / crop", "px"): ("s5.1/resize", "s5.1/1-crop"),
    ("Sec.5.2", "ImageNet classes", "C"): ("s5.2/imagenet/classes",),
    ("Sec.5.2", "localization criterion", "IoU threshold"): ("s5.2/correct",),
    ("Sec.5.2", "DRN-A vs ResNet localization", "top-1 loc gain 18/34/50"): ("s5.2/localisation",),
    ("Sec.5.2", "DRN-C-26 vs DRN-A-50 localization", "top-1/top-5 loc gain"): ("s5.2/drn-c-26-over-drn-a-50",),
    ("Sec.5.2", "DRN-C-26 vs ResNet-101 localization", "top-1/top-5 loc gain"): ("s5.2/drn-c-26-over-resnet-101",),
    ("Sec.1/5.2", "weakly-sup. localization", "claim"): ("s1/state-of-the-art-localisation",),
    ("Sec.5.3", "ResNet-101 baseline (DeepLab)", "mean IoU"): ("s5.3/resnet-101/miou", "t3.caption/resnet-101/miou"),
    ("Sec.5.3", "DRN-C-26 vs ResNet-101", "mean IoU gain"): ("s5.3/drn-c-26-gain",),
    ("Sec.5.3", "DRN-C-26 vs ResNet-101 depth", "depth ratio"): (
        "s5.3/drn-c-26/depth-ratio",
        "s5.3/drn-c-26-depth-ratio",
    ),
    ("Sec.5.3", "DRN-C-42 vs ResNet-101", "mean IoU gain"): ("s5.3/drn-c-42-gain",),
    ("Sec.5.3", "all DRNs vs ResNet-101", "mean IoU"): ("s5.3/all-presented",),
}


@pytest.fixture(scope="module")
def paper() -> Paper:
    return find_paper("drn")


@pytest.fixture(scope="module")
def rows(shared: Shared) -> list[Row]:
    with shared("papers/drn.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def slugged(subject: str) -> str:
    return subject.partition(" (")[0].replace(" multi-scale", "").lower()


def test_every_table_cell_is_there_digit_for_digit(paper: Paper, rows: list[Row]) -> None:
    cells = [row for row in rows if row["location"].startswith("Table")]
    ids = set()
    for row in cells:
        metric = row["metric"]
        column = f"iou-{metric[4:].lower()}" if metric.startswith("IoU ") else TABLE_COLUMNS[metric]
        claim = paper.claims[f"t{row['location'][6:]}/{slugged(row['subject'])}/{column}"]
        assert str(claim.printed) == row["value"], claim.id
        assert claim.unit == row["unit"]
        assert claim.better == (row["better"] if metric != "params" else None)
        assert claim.place.transcription.value == CERTAINTY[row["confidence"]], claim.id
        ids.add(claim.id)
    assert len(ids) == len(cells) == 130
    assert ids == {id for id, claim in paper.claims.items() if claim.table in ("t1", "t2", "t3")}


def test_every_outside_number_is_a_reference_and_no_claim(paper: Paper, rows: list[Row]) -> None:
    outside = [row for row in rows if row["location"].startswith("external")]
    references = {reference.id: reference for reference in paper.references}
    ids = set()
    for row in outside:
        source = REFERENCES[row["location"]] + ("-cityscapes" if row["dataset"] == "Cityscapes" else "")
        column = "miou-test" if row["split"] == "test" else TABLE_COLUMNS[row["metric"]]
        reference = references[f"{source}/{slugged(row['subject'])}/{column}"]
        assert str(reference.printed) == row["value"], reference.id
        assert reference.unit == row["unit"]
        ids.add(reference.id)
    assert len(ids) == len(outside)
    assert set(references) - ids == {"deeplab/resnet-101/miou"}
    assert not set(references) & set(paper.claims)


def test_every_row_of_the_prose_is_represented(paper: Paper, rows: list[Row]) -> None:
    prose = {(r["location"], r["subject"], r["metric"]): r for r in rows if r["location"].startswith("Sec")}
    assert set(prose) == set(PROSE)
    known = {*paper.claims, *(fact.id for fact in paper.facts), *(relation.statement for relation in paper.relations)}
    for key, ids in PROSE.items():
        assert set(ids) <= known, key
        value = prose[key]["value"].partition(" (")[0]
        wanted = {Fraction(text) for text in re.findall(r"(?<![\w.-])\d+(?:\.\d+)?(?:e-\d+)?", value)}
        held = {number for id in ids for number in numbers(paper, id)}
        assert wanted <= held, f"{key}: {sorted(map(float, wanted - held))} not in {ids}"


@pytest.fixture(scope="module")
def text(shared: Shared) -> str:
    return shared("seeds/002_e5dfa34dd9b1deaa.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def inside(paper: Paper, text: str) -> list[bool]:
    return quoted(paper, text)


def test_quotes_are_the_papers_own_words(paper: Paper, text: str) -> None:
    assert [id for id, _, quote in quotes(paper) if len(quote.split()) > 26] == []
    assert misquoted(paper, text) == []


SECTION = re.compile(r"^(?P<number>\d(?:\.\d)?)\. (?=[A-Z][\w ]{1,30}$)", re.MULTILINE)


def part(text: str, section: str) -> str:
    """Return the words of ``Section 5.1``, or what follows ``Figure 8:`` for its caption."""
    if section == "Abstract":
        return text[: text.index("1. Introduction")]
    kind, number = section.removesuffix(", caption").split(" ")
    if kind != "Section":
        return text[text.index(f"{kind} {number}:") :]
    starts = {match["number"]: match.start() for match in SECTION.finditer(text)}
    after = [start for other, start in starts.items() if start > starts[number] and not other.startswith(f"{number}.")]
    return text[starts[number] : min(after, default=len(text))]


def test_quotes_stand_in_the_section_they_name(paper: Paper, text: str) -> None:
    assert [match["number"] for match in SECTION.finditer(text)] == ["1", "2", "3", "4", "5", "5.1", "5.2", "5.3", "6"]
    for id, section, quote in quotes(paper):
        if section not in ("Table 3", "Figure 4"):  # heads of a table and of a picture, which the text has elsewhere
            words = squeezed(part(text, section))[0]
            assert squeezed(quote.split(" ... ")[0])[0] in words, f"{id}: {quote!r} is not in {section}"


NO_CLAIM = re.compile(
    r"""
    (?:ResNet|DRN-[ABC])-\d+ | DRN-[ABC] | (?:Figure|Table|Section)\s\d | ImageNet\s2012 | G\d(?:\n1\b)?   # names
    | ^\d(?:\.\d)?\.\s[^\n]*$ | ^(?:\d\d\.\d\s){18}\d\d\.\d$                                     # headings, Table 3
    | ^\(IIS-.*|^\d{7}/.*                                                                         # grants
    | ℓ=\s1,\s\.\s\.\s\.\s,\s5 | ^1\)\sis\sstrided | ^1\sare\sdilated                             # indices of layers
    | \(\(w1,\s?h1\),\s?\(w2,\s?h2\)\) | w1\s≤.*h2 | \(w2\s−w1\)\(h2\s−h1\) | ∀1\s≤               # the box's formula
    """,
    re.VERBOSE | re.MULTILINE,
)


def test_every_number_in_the_text_is_quoted(text: str, inside: list[bool]) -> None:
    assert unquoted_numbers(text, inside, NO_CLAIM) == []


COMPARISON = re.compile(
    r"\b(outperform\w*|higher|lower|improve[sd]?|improved|despite|deeper|match(?:es)|similar|approaches|beneficial"
    r"|significantly|more accurate|better|same|state[- ]of[- ]the[- ]art|comparable|factor of|times|cleaner|impaired"
    r"|magnified|advantage|no increase|fewer)\b",
    re.IGNORECASE,
)
NOT_ABOUT_A_RESULT = (
    "even higher accuracy, for",  # what models might reach
    "increasing resolution in higher layers",
    "unacceptable price to pay for higher resolution",
    "The same transformation is applied",
    "serve the same purpose",
    "is better.",  # of the captions
)


def test_every_sentence_that_compares_is_quoted(text: str, inside: list[bool]) -> None:
    missed = unquoted_sentences(text, inside, COMPARISON)
    assert [sentence for sentence in missed if not any(part in sentence for part in NOT_ABOUT_A_RESULT)] == []


def test_design_ids_are_stable(paper: Paper) -> None:
    assert paper.full_id("t1/drn-c-26/top1-1crop") == "drn/t1/drn-c-26/top1-1crop"
    assert str(paper.claims["t1/drn-c-26/top1-1crop"].printed) == "24.86"


def test_counterparts_follow_the_derivation(paper: Paper) -> None:
    derived = {name: system.counterpart for name, system in paper.systems.items() if system.counterpart}
    assert derived == {
        "DRN-A-18": "ResNet-18",
        "DRN-A-34": "ResNet-34",
        "DRN-A-50": "ResNet-50",
        "DRN-B-26": "DRN-A-18",
        "DRN-C-26": "DRN-A-18",
        "DRN-C-42": "DRN-A-34",
    }
    for name, system in paper.systems.items():
        assert name.endswith(f"-{system.layers}")


def test_what_cannot_be_known_is_absent_and_not_guessed(paper: Paper) -> None:
    assert "s5.2/threshold" in paper.absent
    assert "s5.3/training" in paper.absent
    assert not any("threshold" in claim.metric for claim in paper.claims.values())


def test_the_lost_superscript_is_uncertain(paper: Paper) -> None:
    claim = paper.claims["s2/pooling/more-values"]
    assert claim.place.transcription.value == "uncertain"
    assert (str(claim.printed), [str(reading) for reading in claim.readings]) == ("24", ["16"])
