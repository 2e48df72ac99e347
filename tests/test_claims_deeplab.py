"""The claims of the DeepLab paper against the collected facts, the paper's own text, and a second arithmetic."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from claims_text import misquoted, numbers, quoted, quotes, squeezed, unquoted_numbers, unquoted_sentences

from harness.audit.finding import Audit, Outcome
from harness.audit.run import audit
from harness.claims.document import slug
from harness.claims.model import Paper
from harness.claims.papers import find_paper

Row = dict[str, str]
Shared = Callable[[str], Path]

CERTAINTY = {"verified-2": "two-sources", "verified": "one-source", "seed": "text"}
COLUMNS = {
    "FOV": "fov", "params": "params", "training speed": "speed", "mean IoU before CRF": "before",
    "mean IoU after CRF": "after",
}  # fmt: skip
ROWS: dict[str, str] = {
    "VGG-16 fc6 7x7 r=4": "7x7-rate-4",
    "VGG-16 fc6 4x4 r=4": "4x4-rate-4",
    "VGG-16 fc6 4x4 r=8": "4x4-rate-8",
    "VGG-16 fc6 3x3 r=12": "largefov-step",
    "LargeFOV step bs=30 iter=6K": "largefov-step",
    "LargeFOV poly bs=30 iter=6K": "largefov-poly-30-6k",
    "LargeFOV poly bs=30 iter=10K": "largefov-poly-30-10k",
    "LargeFOV poly bs=10 iter=10K": "largefov-poly-10-10k",
    "LargeFOV poly bs=10 iter=20K": "largefov",
    "VGG-16 LargeFOV+CRF": "vgg-16-largefov-+-crf",
    "VGG-16 LargeFOV half-res": "vgg-16-largefov",
    "VGG-16 LargeFOV half-res +CRF": "vgg-16-largefov-+-crf",
    "VGG-16 LargeFOV full-res": "vgg-16-largefov-+-full",
    "VGG-16 LargeFOV full-res +CRF": "vgg-16-largefov-+-full-+-crf",
    "ResNet-101 full": "resnet-101-+-full",
}
MARKED = {
    ("Table 6", "+MSC"): "+MSC+Aug",
    ("Table 6", "+MSC+COCO"): "+MSC+COCO+Aug",
    ("Table 6", "+...+CRF"): "+MSC+COCO+Aug+ASPP+CRF",
    ("Table 7", "+MSC"): "+MSC+Aug",
    ("Table 7", "+MSC+COCO(+Aug)"): "+MSC+COCO+Aug",
    ("Table 7", "+...+CRF"): "+MSC+COCO+Aug+CRF",
    ("Table 7", "+...+LargeFOV"): "+MSC+COCO+Aug+LargeFOV",
    ("Table 7", "+...+ASPP"): "+MSC+COCO+Aug+ASPP",
}
"""What the marks say where the collected facts abbreviate them or leave out Aug; see the count of the marks below."""
EARLIER = {
    "DeepLab": "4x4-rate-4",
    "DeepLab-7x7": "7x7-rate-4",
    "DeepLab-LargeFOV": "largefov-step",
    "DeepLab-MSc": "deeplab-msc",
    "DeepLab-MSc-LargeFOV": "deeplab-msc-largefov",
}
PROSE: dict[tuple[str, str], tuple[str, ...]] = {
    ("Abstract", "DeepLab-CRF ResNet-101"): ("abstract/deeplab-crf-resnet-101/miou-test",),
    ("Sec.1", "DCNN inference"): ("s1/dcnn/speed",),
    ("Sec.1", "fully-connected CRF mean field"): ("s1/crf/time",),
    ("Sec.3.3", "CRF inference"): ("s3.3/time",),
    ("Sec.1", "feature response stride"): ("s1/deeplab/output-stride", "s1/original/output-stride"),
    ("Sec.3.1", "original DCNN downsampling"): ("s3.1/original/output-stride",),
    ("Sec.3.1", "sparse extraction"): ("s3.1/positions",),
    ("Sec.3.1", "density increase / bilinear factor"): ("s3.1/hybrid/density", "s3.1/hybrid/bilinear"),
    ("Sec.3.1", "effective kernel"): ("s3.1/enlarged-kernel",),
    ("Sec.3.1", "deinterlaced maps"): ("s3.1/deinterlaced",),
    ("Sec.3.1", "LargeFOV rate"): ("s3.1/largefov-step/rate",),
    ("Fig.4/Sec.4.1.2", "ASPP-L rates"): tuple(f"rates/aspp-l/branch-{k}" for k in (1, 2, 3, 4)),
    ("Sec.4.1.2", "ASPP-S rates"): tuple(f"rates/aspp-s/branch-{k}" for k in (1, 2, 3, 4)),
    ("Sec.3.2", "multi-scale branches"): ("s3.2/msc/scales",),
    ("Sec.4.1", "VOC split"): tuple(f"s4.1/voc-2012/{k}" for k in ("train", "val", "test")),
    ("Sec.4.1", "VOC trainaug"): ("s4.1/voc-2012/trainaug",),
    ("Sec.4.1.1", "VGG training"): ("s4.1.1/largefov-step/batch-size", "s4.1.1/learning-rate", "s4.1.1/step"),
    ("Sec.4.1.1", "momentum, weight decay"): ("s4.1.1/momentum", "s4.1.1/weight-decay"),
    ("Sec.4.1.1", "CRF defaults"): ("s4.1.1/crf-fixed", "s4.1.1/crf-iterations"),
    ("Sec.4.1.1", "7x7 model after CRF"): ("s4.1.1/7x7-rate-4/after",),
    ("Sec.4.1.1", "7x7 model speed"): ("s4.1.1/7x7-rate-4/speed",),
    ("Sec.4.1.1", "4x4 model speed"): ("s4.1.1/4x4-rate-4/speed", "s4.1.1/4x4-rate-8/speed"),
    ("Sec.4.1.1", "LargeFOV filters"): ("s4.1.1/largefov-step/channels", "s4.1.1/original/channels"),
    ("Sec.4.1.1", "LargeFOV vs 7x7"): (
        "s4.1.1/largefov-step/speed-up", "s4.1.1/largefov-step/params", "s4.1.1/7x7-rate-4/params",
    ),
    ("Sec.4.1.1", "CRF gain"): ("s4.1.1/crf-least", "s4.1.1/crf-most"),
    ("Sec.4.1.1", "DeepLab-CRF-LargeFOV"): ("s4.1.1/largefov-step/miou-test",),
    ("Sec.4.1.2", "poly power"): ("s4.1.2/power",),
    ("Sec.4.1.2", "poly vs step"): ("s4.1.2/poly/gain",),
    ("Sec.4.1.2", "10K vs 6K iterations"): ("s4.1.2/10k/gain",),
    ("Sec.4.1.2", "batch 30 vs 10"): ("s4.1.2/batch-comparable",),
    ("Sec.4.1.2", "poly bs10 20K vs step"): ("s4.1.2/largefov/gain",),
    ("Sec.4.1.2", "LargeFOV poly before CRF"): ("s4.1.2/largefov/miou-test",),
    ("Sec.4.1.2", "LargeFOV step before CRF"): ("s4.1.2/largefov-step/miou-test",),
    ("Sec.4.1.2", "ASPP-S vs LargeFOV before CRF"): ("s4.1.2/aspp-s/gain",),
    ("Sec.4.1.2", "ASPP-L + CRF"): ("s4.1.2/aspp-l/miou-test",),
    ("Sec.4.1.2", "MSC scales"): ("s4.1.2/scales",),
    ("Sec.4.1.2", "Aug scale range"): ("s4.1.2/augmentation",),
    ("Sec.4.1.2", "ResNet-101 vs VGG LargeFOV"): ("s4.1.2/resnet-101/miou", "s4.1.2/largefov-vgg-16/miou"),
    ("Sec.4.1.2", "MSC gain"): ("s4.1.2/msc/gain",),
    ("Sec.4.1.2", "COCO gain"): ("s4.1.2/coco/gain",),
    ("Sec.4.1.2", "Aug gain"): ("s4.1.2/aug/gain",),
    ("Sec.4.1.2", "LargeFOV gain"): ("s4.1.2/largefov-resnet-101/gain",),
    ("Sec.4.1.2", "ASPP gain over LargeFOV"): ("s4.1.2/aspp-resnet-101/gain",),
    ("Sec.4.1.2", "best + CRF"): ("s4.1.2/best/miou",),
    ("Sec.4.2", "PASCAL-Context split"): ("s4.2/pascal-context/train", "s4.2/pascal-context/val"),
    ("Sec.4.2", "VGG LargeFOV bef/aft CRF"): ("s4.2/vgg-16-largefov/before", "s4.2/vgg-16-largefov/after"),
    ("Sec.4.2", "ResNet vs VGG LargeFOV"): ("s4.2/resnet-101/gain",),
    ("Sec.4.2", "MSC"): ("s4.2/msc/miou",),
    ("Sec.4.2", "COCO"): ("s4.2/coco/gain",),
    ("Sec.4.2", "final vs [40]"): ("s4.2/context/gain",),
    ("Sec.4.2", "final vs [93]"): ("s4.2/verydeep/gain",),
    ("Sec.4.3", "Person-Part split"): ("s4.3/person-part/train", "s4.3/person-part/val"),
    ("Sec.4.3", "Attention VGG"): ("s4.3/attention/miou",),
    ("Sec.4.3", "ResNet vs VGG LargeFOV / Attention"): ("s4.3/largefov/gain", "s4.3/attention/gain"),
    ("Sec.4.3", "MSC"): ("s4.3/msc/miou",),
    ("Sec.4.3", "COCO"): ("s4.3/coco/gain",),
    ("Sec.4.3", "final vs Graph LSTM"): ("s4.3/graph-lstm/gain",),
    ("Sec.4.3", "LargeFOV/ASPP effect"): ("s4.3/no-improvement",),
    ("Sec.4.4", "Cityscapes"): tuple(f"s4.4/cityscapes/{k}" for k in ("all", "cities", "classes")),
    ("Sec.4.4", "pre-release"): ("s4.4/deeplab-crf-largefov/miou", "s4.4/deeplab-crf-largefov-strongweak/miou"),
    ("Sec.4.4", "resolution"): ("s4.4/cityscapes/image-width", "s4.4/cityscapes/image-height"),
    ("Sec.4.4", "full vs half res"): ("s4.4/full-before/gain", "s4.4/full-after/gain"),
    ("Sec.4.4", "LargeFOV gain"): ("s4.4/largefov/gain",),
    ("Sec.4.4", "ASPP gain"): ("s4.4/aspp/gain",),
    ("Sec.4.4", "Aug / CRF gain"): ("s4.4/aug/gain", "s4.4/crf/gain"),
    ("Sec.4.4", "best model"): ("s4.4/deeplab-crf-resnet-101/miou-test",),
    ("Fig.10", "trimap examples"): ("f10/trimaps", "f10/axis"),
}  # fmt: skip


@pytest.fixture(scope="module")
def paper() -> Paper:
    return find_paper("deeplab")


@pytest.fixture(scope="module")
def audited(paper: Paper) -> Audit:
    return audit(paper)


@pytest.fixture(scope="module")
def rows(shared: Shared) -> list[Row]:
    with shared("papers/deeplab.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def text(shared: Shared) -> str:
    return shared("seeds/003_dbff3c3eed5243c0.txt").read_text(encoding="utf-8")


def cell(row: Row) -> str:
    """Return the id of the claim that a row of the collected facts about a table is."""
    table, subject = f"t{row['location'][6:]}", row["subject"]
    subject = MARKED.get((row["location"], subject), subject)
    if table == "t8":
        subject, _, version = subject.partition(" [")
        table += "-pre-release" if version == "pre-release]" else ""
    if subject.startswith("+"):
        subject = "ResNet-101" + subject.replace("+", " + ")
    elif subject.startswith("ResNet-101 +"):
        subject = "ResNet-101 + Full" + subject.removeprefix("ResNet-101 ").replace("+", " + ")
    elif table == "t3":
        subject = subject.removesuffix(" VGG-16")
    name = ROWS.get(subject) or slug(subject.removesuffix(" (Yu&Koltun)"))
    column = COLUMNS.get(row["metric"], "miou") if table in ("t1", "t3") else "miou"
    return f"{table}/{name}/{column}"


def test_every_table_cell_is_there(paper: Paper, rows: list[Row]) -> None:
    cells = [row for row in rows if row["location"].startswith("Table")]
    ids = set()
    for row in cells:
        claim = paper.claims[cell(row)]
        assert claim.printed.value == Fraction(row["value"]), claim.id
        assert claim.place.transcription.value == CERTAINTY[row["confidence"]], claim.id
        ids.add(claim.id)
    assert len(ids) == len(cells) == 105
    settings = {"kernel", "rate", "batch-size", "iterations"}
    tabled = {id for id, c in paper.claims.items() if c.table not in (None, "rates") and c.column not in settings}
    assert ids == tabled


def test_every_table_cell_stands_in_the_text_digit_for_digit(paper: Paper, text: str) -> None:
    printed = set(re.findall(r"\d+(?:\.\d+)?", text))
    assert {id for id, claim in paper.claims.items() if claim.table and str(claim.printed) not in printed} == set()


def test_marks_are_as_many_as_in_the_text(paper: Paper, text: str) -> None:
    """The text keeps the number of check marks of each table, so what rows are called accounts for every one."""
    for table, head, foot in (
        ("t4", "MSC\nX", "TABLE 4"),
        ("t6", "MSC COCO Aug LargeFOV", "TABLE 6"),
        ("t7", "MSC COCO Aug LFOV", "TABLE 7"),
        ("t9", "Full\n\nAug", "TABLE 9"),
    ):
        start = text.index(head)
        marks = len(re.findall(r"^X$", text[start : text.index(foot, start)], re.MULTILINE))
        ours = [name for name in paper.tables[table].rows.values() if name.startswith(("ResNet-101", "VGG-16"))]
        assert marks == sum(name.count(" + ") + name.count("VGG-16 LargeFOV") for name in ours), table


def test_the_earlier_versions_numbers_are_references_and_no_claims(paper: Paper, rows: list[Row]) -> None:
    outside = [row for row in rows if row["location"].startswith("external")]
    references = {reference.id: reference for reference in paper.references}
    ids = set()
    for row in outside:
        name = EARLIER[row["subject"].replace("-CRF", "")]
        after = "after" if "-CRF" in row["subject"] else "before"
        column = "miou-test" if row["split"] == "test" else after
        reference = references[f"conference-version/{name}/{column}"]
        assert reference.printed.value == Fraction(row["value"]), reference.id
        ids.add(reference.id)
    assert len(ids) == len(outside) == 15
    assert ids == {id for id in references if id.startswith("conference-version/")}
    beside = {reference.claim for id, reference in references.items() if id in ids}
    assert {"t1/largefov-step/after", "s4.1.1/largefov-step/miou-test"} <= beside
    assert not set(references) & set(paper.claims)


def test_every_row_of_the_prose_is_represented(paper: Paper, rows: list[Row]) -> None:
    prose = [row for row in rows if not row["location"].startswith(("Table", "external"))]
    assert {(row["location"], row["subject"]) for row in prose} == set(PROSE)
    known = {*paper.claims, *(fact.id for fact in paper.facts), *(relation.statement for relation in paper.relations)}
    for row in prose:
        ids = PROSE[row["location"], row["subject"]]
        assert set(ids) <= known, ids
        wanted = {Fraction(number) for number in re.findall(r"\d+(?:\.\d+)?", row["value"].replace("it", ""))}
        if row["value"] == "1/4":
            wanted = {Fraction(1, 4)}
        held = {abs(number) for id in ids for number in numbers(paper, id)}
        assert wanted <= held, f"{row['subject']}: {sorted(map(float, wanted - held))} not in {ids}"


def test_quotes_are_the_papers_own_words(paper: Paper, text: str) -> None:
    assert misquoted(paper, text) == []
    assert [id for id, _, quote in quotes(paper) if len(quote.split()) > 26] == []


STARTS = {
    "Abstract": "Abstract—",
    "Section 1": "I NTRODUCTION",
    "Section 2": "R ELATED W ORK",
    "Section 3.1": "3.1 Atrous Convolution for Dense",
    "Section 3.2": "3.2 Multiscale Image",
    "Section 3.3": "3.3 Structured Prediction",
    "Section 4": "E XPERIMENTAL R ESULTS",
    "Section 4.1": "4.1\n\nPASCAL VOC 2012",
    "Section 4.1.1": "4.1.1 Results from",
    "Section 4.1.2": "4.1.2\n\nImprovements",
    "Section 4.2": "PASCAL-Context\n\nDataset",
    "Section 4.3": "4.3\n\nPASCAL-Person-Part",
    "Section 4.4": "4.4\n\nCityscapes",
    "Section 4.5": "4.5\n\nFailure Modes",
    "Section 5": "C ONCLUSION",
}


def test_quotes_stand_in_the_section_they_name(paper: Paper, text: str) -> None:
    places = {section: text.index(start) for section, start in STARTS.items()}
    assert list(places.values()) == sorted(places.values())
    ends = dict(zip(places, [*list(places.values())[1:], len(text)], strict=True))
    ends["Section 4.1.2"] = places["Section 4.3"]  # two columns of a page: its end stands after the beginning of 4.2
    for id, section, quote in quotes(paper):
        if section in places:
            words = squeezed(text[places[section] : ends[section]])[0]
            assert squeezed(quote.split(" ... ")[0])[0] in words, f"{id}: {quote!r} is not in {section}"
        else:
            assert section.startswith(("Table", "Figure")), f"{id}: {section}"


NO_CLAIM = re.compile(
    r"""
    \[\d+\] | \(\d\)(?=\s[A-Za-z]) | (?:Figure|Fig\.|Tab\.|TABLE|Sec\.|Section)\s\d+(?:\.\d)*  # marks
    | VGG.?16 | ResNet.?101 | VOC\s20\d\d | FCN-8s | fc\d(?:-fc\d)* | Dilation10 | LRR\s4x | QO4mres | [12]-D\b  # names
    | ^\s?\d(?:\.\d)*(?:\s(?:[A-Z][\w-]+\s).*|)$ | ^[\d.×MK/ ]+$  # headings, cells
    | leaderboard1 | ^1\.\shttp.*\n.*$ | ^2\.\sWe  # footnotes
    | ^Fc\d$ | ^\(\dx\d.*\)$ | Pool5 | O2\sP | ^(?:kernel|rate)[:\s=]+[\dx]+$ | \((?:1st|2nd)\srow\)  # pictures
    | convolution\s2\sof | k=1 | ^\(\d\)$ | ^2σ[αβγ]?2.*$ | \|\|2 | ^\+w2.* | w1\sexp | xi\s6=\sxj  # formulae
    | xj\s\)\s=\s1 | values\sof\sw1
    """,
    re.VERBOSE | re.MULTILINE,
)


def test_every_number_in_the_text_is_quoted(paper: Paper, text: str) -> None:
    assert unquoted_numbers(text, quoted(paper, text), NO_CLAIM) == []


COMPARISON = re.compile(
    r"\b(outperform\w*|higher|lower|improve[sd]?|improv(?:ing|ements?)|faster|slow|better|matches|comparable|beneficial"
    r"|state[- ]of[- ](?:the[- ]?)?art|factor of|gains?|fewer|effective|boosts?|best (?!model)|perform similarly"
    r"|consistent)\b",
    re.IGNORECASE,
)
NOT_ABOUT_A_RESULT = (
    "computed at a higher sampling rate",
    "effective fields",
    "fields-of-views",
    "effective Field-Of-Views",
    "features several improvements",
    "Substantial improvements have been achieved by incorporating richer information",
    "better capture the object boundaries",
    "better estimate the object boundaries",
    "potentially improve localization",
    "Comparison with other",
    "comparing our DeepLab system with other",
)


def test_every_sentence_that_compares_is_quoted(paper: Paper, text: str) -> None:
    missed = unquoted_sentences(text, quoted(paper, text), COMPARISON)
    assert [sentence for sentence in missed if not any(part in sentence for part in NOT_ABOUT_A_RESULT)] == []


GAINS: dict[str, tuple[str, str, str]] = {
    "s4.1.2/poly-gain": ("63.42", "62.25", "1.17"),
    "s4.1.2/10k-gain": ("64.90", "63.42", "1.48"),
    "s4.1.2/step-gain": ("65.88", "62.25", "3.63"),
    "s4.1.2/aspp-s-gain": ("66.98", "65.76", "1.22"),
    "s4.1.2/msc-gain": ("71.27", "68.72", "2.55"),
    "s4.1.2/coco-gain": ("73.28", "71.27", "2.01"),
    "s4.1.2/aug-gain": ("74.87", "73.28", "1.6"),
    "s4.1.2/largefov-gain": ("75.54", "74.87", "0.6"),
    "s4.1.2/aspp-gain": ("76.35", "75.54", "0.8"),
    "s4.2/resnet-gain": ("39.6", "37.6", "2"),
    "s4.2/coco-gain": ("42.9", "41.4", "1.5"),
    "s4.2/context-gain": ("45.7", "43.3", "2.4"),
    "s4.2/verydeep-gain": ("45.7", "44.5", "1.2"),
    "s4.3/attention-gain": ("58.90", "56.39", "2.5"),
    "s4.3/coco-gain": ("64.40", "63.10", "1.3"),
    "s4.3/graph-lstm-gain": ("64.94", "60.16", "4.78"),
    "s4.4/full-gain#1": ("64.89", "62.97", "1.9"),
    "s4.4/full-gain#2": ("65.94", "64.18", "1.8"),
    "s4.4/gains#1": ("69.2", "66.6", "2.6"),
    "s4.4/gains#2": ("70.4", "69.2", "1.2"),
    "s4.4/more-gains#1": ("71.0", "70.4", "0.6"),
    "s4.4/more-gains#2": ("71.4", "71.0", "0.4"),
}
"""Every gain in points that the prose prints: after, before, printed."""


def test_gains_are_judged_as_by_hand(paper: Paper, audited: Audit) -> None:
    judged = {verdict.relation.id: verdict for verdict in audited.verdicts}
    for id, (after, before, printed) in GAINS.items():
        gain = Fraction(after) - Fraction(before)
        step = Fraction(1, 10 ** len(printed.partition(".")[2]))
        verdict = judged[id]
        assert (verdict.left_face, verdict.right_face) == (gain, Fraction(printed)), id
        assert verdict.holds == (abs(gain - Fraction(printed)) <= step / 2), id
    claimed = {id for id, claim in paper.claims.items() if claim.metric == "difference"}
    compared = {verdict.relation.right for id, verdict in judged.items() if id in GAINS}
    assert claimed - compared == {"s4.3/largefov/gain"}, "about 7 %, whose baseline is not printed"


def test_what_does_not_hold_is_what_fails_by_hand(audited: Audit) -> None:
    failing = {v.relation.id for v in audited.verdicts if v.outcome is Outcome.INCONSISTENT}
    assert Fraction("70.4") < Fraction("71.6")
    assert Fraction("75.54") - Fraction("74.87") == Fraction("0.67")
    spans = {(k, r): 8 * (k + (k - 1) * (r - 1)) for k, r in ((7, 4), (4, 4), (4, 8), (3, 12))}
    assert {224 - spans[7, 4], 128 - spans[4, 4], 224 - spans[4, 8], 224 - spans[3, 12]} == {24}
    assert failing == {
        "abstract/state-of-the-art#3",
        "s1/state-of-the-art#4",
        "s5/state-of-the-art#4",
        "t1/field-of-view",
        "s4.1.2/largefov-gain",
    }


def test_the_gain_of_the_crf_rounds_to_its_range(audited: Audit) -> None:
    before, after = ("64.38", "59.80", "63.41", "62.25"), ("67.64", "63.74", "67.14", "67.64")
    gains = [Fraction(a) - Fraction(b) for a, b in zip(after, before, strict=True)]
    judged = {verdict.relation.id: verdict for verdict in audited.verdicts}
    least, most = judged["s4.1.1/crf-least"], judged["s4.1.1/crf-most"]
    assert (least.left_face, most.left_face) == (min(gains), max(gains)) == (Fraction("3.26"), Fraction("5.39"))
    assert (round(min(gains)), round(max(gains))) == (3, 5)
    assert least.outcome is most.outcome is Outcome.CONSISTENT


def test_one_setting_has_two_numbers(audited: Audit) -> None:
    found = [f.printed for f in audited.findings if f.rule.id == "two-values/differ"]
    assert sorted(found) == [("20", "30"), ("65.76", "65.88"), ("65.76", "65.88")]


def test_what_cannot_be_known_is_absent(paper: Paper) -> None:
    assert {"s4.1.1/crf-values", "s4.3/vgg-16-largefov", "s4.4/tile-size", "f10/curves"} <= set(paper.absent)
    assert not any(claim.place.section.startswith("Figure 10") for claim in paper.claims.values())
