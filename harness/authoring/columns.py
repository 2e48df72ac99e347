"""What the columns of a table are: declared by the user, known from the file, or guessed from their headers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.authoring.cells import Cell
from harness.claims.document import SLUG, did_you_mean, slug
from harness.claims.printed import Printed
from harness.claims.vocabulary import METRICS, UNITS, Quantity
from harness.errors import UsageError

FIELDS = ("metric", "unit", "dataset", "protocol", "n")
LEFT_OUT = "-"
FORM = "HEADER=METRIC:UNIT:DATASET"
LEAST_WHOLE = 1000
"""Fewer parameters or multiply-adds than this are printed in another unit than one."""

HEADERS: tuple[tuple[str, str], ...] = (
    (r"top[- _]?1.*err|err.*top[- _]?1|err@1", "top1-error"),
    (r"top[- _]?5.*err|err.*top[- _]?5|err@5", "top5-error"),
    (r"top[- _]?1|(acc|prec|accuracy)@?1$", "top1-accuracy"),
    (r"top[- _]?5|(acc|prec|accuracy)@?5$", "top5-accuracy"),
    (r"mean[ _]iou|m[-_ .]?iou|mean intersection", "miou"),
    (r"\biou\b|jaccard", "iou"),
    (r"pixel[-_ .]*acc", "pixel-accuracy"),
    (r"\bacc(uracy)?\b", "accuracy"),
    (r"\bmax[-_ ]?f\b", "maxf"),
    (r"\bm?ap(50|75|s|m|l)?\b|\b(box|mask|bbox)[-_ ]?m?ap\b|average precision", "average-precision"),
    (r"flops|\bg?macs\b|mult[a-z]*[-_ ]?adds?|madds", "multiply-adds"),
    (r"param|#p\b", "parameters"),
    (r"throughput|images/s|img/s|im/s|\bfps\b", "rate"),
    (r"latency|\btime\b|runtime|inference|speed", "time"),
    (r"memory|\bmem\b", "memory"),
    (r"\blayers\b|\bdepth\b", "layers"),
    (r"resolution|im(age|g)?[-_ ]?size|input[-_ ]?size|crop[-_ ]?size", "image-side"),
    (r"output stride|\bos\b", "output-stride"),
    (r"\bepochs?\b", "setting"),
    (r"file[-_ ]?size|weights? size", "setting"),
    (r"\bf1\b|f-?(score|measure)|\bscore\b|\bdice\b|\bbleu\b", "score"),
)  # fmt: skip
"""The first pattern found in a header, in lower case, tells the metric."""

UNIT_WORDS: Mapping[str, str] = {
    "%": "%", "percent": "%", "pp": "pp", "m": "M", "million": "M", "millions": "M", "mio": "M", "k": "k", "g": "G",
    "b": "G", "billion": "G", "ms": "ms", "s": "s", "sec": "s", "seconds": "s", "h": "h", "hours": "h", "px": "px",
    "pixels": "px", "mb": "MB", "gb": "GB", "mib": "MiB", "fps": "images/s", "img/s": "images/s", "im/s": "images/s",
    "images/s": "images/s", "imgs/s": "images/s", "x": "x", "epochs": "epochs", "layers": "layers",
}  # fmt: skip
PARENTHESES = re.compile(r"[(\[]\s*([^()\[\]]+?)\s*[)\]]")
ARROWS = re.compile(r"[↑↓]|\^\S*")
PREFIX = re.compile(r"\b([gmk])(?=flops|macs|mult|madds|params)")
FIXED_UNITS = {"image-side": "px", "output-stride": "px", "layers": "layers", "rate": "images/s"}


@dataclass(frozen=True, slots=True)
class Declared:
    """One column of claims, and where it comes from.

    Attributes:
        header: The column of the file.
        part: Which of several numbers in a cell, from 0, and how many there are.
    """

    header: str
    id: str
    metric: str
    unit: str
    dataset: str = ""
    protocol: str = ""
    n: int | None = None
    part: tuple[int, int] = (0, 1)


def read_column_option(text: str) -> tuple[str, list[dict[str, str]]]:
    """Read ``HEADER=METRIC[:UNIT[:DATASET[:PROTOCOL[:N]]]]``; for several numbers in a cell, one each, after commas.

    Returns:
        The header and the settings of each number; none for ``HEADER=-``, which leaves the column out.

    Raises:
        UsageError: It is not written like this, or a metric or unit is unknown.
    """
    header, equals, specification = text.rpartition("=")
    if not equals or not header.strip() or not specification.strip():
        raise UsageError(f"{text!r} declares no column", f'Write --column "{FORM}", or "HEADER=-".')
    if specification.strip() == LEFT_OUT:
        return header.strip(), []
    settings = []
    for one in specification.split(","):
        words = [word.strip() for word in one.split(":")]
        if len(words) > len(FIELDS):
            raise UsageError(f"--column {text!r}: more than {':'.join(FIELDS).upper()}")
        settings.append({name: word for name, word in zip(FIELDS, words, strict=False) if word})
        check_settings(settings[-1], f"--column {text!r}")
    return header.strip(), settings


def check_settings(settings: Mapping[str, str], where: str) -> None:
    """Check words that stand for a metric, a unit, a number of images or an id.

    Raises:
        UsageError: One means nothing here.
    """
    for name, known in (("metric", METRICS), ("unit", UNITS)):
        if (value := settings.get(name)) is not None and value not in known:
            raise UsageError(f"{where}: unknown {name} {value!r}{did_you_mean(value, known)}")
    if "n" in settings and not (settings["n"].isdecimal() and int(settings["n"]) > 0):
        raise UsageError(f"{where}: {settings['n']!r} is no number of test images")
    if "id" in settings and not SLUG.fullmatch(settings["id"]):
        raise UsageError(f"{where}: the id {settings['id']!r} must be lower-case letters, digits, '.', '+', '_' or '-'")


def metric_of(header: str) -> str | None:
    """Guess what a column measures from its header."""
    text = " ".join(ARROWS.sub(" ", header.lower()).replace("_", " ").split())
    return next((metric for pattern, metric in HEADERS if re.search(pattern, text)), None)


def unit_of(header: str, metric: str, cells: Sequence[Cell]) -> str | None:
    """Guess a column's unit from its header, from what stands behind its numbers, or else from the numbers."""
    words = [UNIT_WORDS.get(word.lower().strip("# ")) for word in PARENTHESES.findall(header)]
    if found := next((word for word in words if word), None):
        return found
    suffixes = {cell.suffix for cell in cells if cell.text not in "-?"}
    if len(suffixes) == 1 and suffixes != {""}:
        return suffixes.pop()
    if metric in ("multiply-adds", "parameters") and (prefix := PREFIX.search(header.lower())):
        return UNIT_WORDS[prefix[1]]
    last = re.split(r"[\s,/_]+", header.lower())[-1]
    if metric in ("time", "memory", "setting"):
        return UNIT_WORDS.get(last)
    return FIXED_UNITS.get(metric) or _unit_of_numbers(metric, cells)


def _unit_of_numbers(metric: str, cells: Sequence[Cell]) -> str | None:
    numbers = [Printed(cell.text) for cell in cells if cell.text not in "-?"]
    decimals = any(number.decimals for number in numbers)
    match METRICS[metric].quantity:
        case Quantity.PROPORTION | Quantity.SCORE:
            return "fraction" if decimals and all(0 <= number.value <= 1 for number in numbers) else "%"
        case Quantity.COUNT if decimals:
            return {"parameters": "M", "multiply-adds": "G"}.get(metric)
        case Quantity.COUNT:
            huge = metric in ("parameters", "multiply-adds")
            return "1" if not huge or all(number.value >= LEAST_WHOLE for number in numbers) else None
    return None


def id_of(header: str) -> str:
    """Return the id form of a header, without the unit in parentheses: ``mIoU (%)`` becomes ``miou``."""
    bare = PARENTHESES.sub(lambda m: "" if m[1].lower() in UNIT_WORDS else m[0], ARROWS.sub("", header))
    return slug(bare).rstrip(".-") or slug(header)
