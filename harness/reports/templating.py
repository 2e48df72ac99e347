"""The templates, compiled once: what every page of the site is written with."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.audit.wording import span
from harness.claims.document import slug
from harness.durations import duration
from harness.reports.values import finding_anchor, link
from harness.statistics.evidence import Word
from harness.wording import words
from harness.wording.numbers import UNIT_NAMES, exact, grouped, with_unit

TEMPLATES = Path(__file__).parent / "templates"
DIGEST_LENGTH = 12


@cache
def environment() -> Environment:
    """Return the one environment: autoescaped, strict about names, with the words and numbers that all pages share."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    made.globals.update(
        style=Markup(asset("style.css")),
        script=Markup(asset("script.js")),
        not_citable=words.NOT_CITABLE,
        verdicts=words.VERDICTS,
        outcomes=words.OUTCOMES,
        severities=words.SEVERITIES,
        derived_marks=[words.VERDICTS[word] for word in (Word.EXACT, Word.DIFFERS)],
        direction_marks=[words.VERDICTS[word] for word in (Word.SUPPORTS, Word.CONTRADICTS, Word.INCONCLUSIVE)],
        evidence_words=words.EVIDENCE,
        reference_marks=(words.SAME_ELSEWHERE, words.DIFFERS_ELSEWHERE, words.MAY_DIFFER),
        refused_mark=words.REFUSED,
        stale_mark=words.STALE,
        counted=words.counted,
        with_unit=lambda printed, unit: with_unit(str(printed), unit),
        unit_name=lambda unit: UNIT_NAMES.get(unit, unit),
        grouped=lambda number: grouped(str(number)),
        exact=exact,
        span=span,
        link=link,
        finding_anchor=finding_anchor,
        slug=slug,
        duration=duration,
        sentence=lambda text: text[:1].upper() + text[1:],
        digest_length=DIGEST_LENGTH,
    )
    return made


def asset(name: str) -> str:
    """Return a file that pages hold or link to: ``style.css``, ``script.js``."""
    return (TEMPLATES / name).read_text(encoding="utf-8")
