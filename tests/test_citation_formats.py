"""A citation in each format, held against outside readers: pylatexenc, citeproc-py, and the rules of CSL-JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from citation_samples import CLAIM, COUNTS, DEVIATION, everything
from citeproc import Citation, CitationItem, CitationStylesBibliography, CitationStylesStyle, formatter
from citeproc.source.bibtex import BibTeX
from citeproc.source.json import CiteProcJSON
from hypothesis import example, given
from hypothesis import strategies as st
from latex_checks import seen, unknown

from harness.citation.bibtex import bibtex
from harness.citation.cited import AUTHOR, Cited, cite, name_parts
from harness.citation.csl import csl_items
from harness.citation.escape import latex
from harness.citation.sentence import latex_sentence, measured_text, sentence
from harness.scoring.citable import refusal_of

CSL_TYPES = ("dataset", "article")
CSL_FIELDS = {
    **dict.fromkeys(("id", "type", "title", "container-title", "publisher", "genre", "version", "note", "URL"), str),
    "author": list,
    "issued": dict,
    "custom": dict,
}
"""Of those that the schema of CSL 1.0.2 for input data knows, with their types; it allows no other name."""
PRINTABLE = st.text(
    st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="'`\"")
    | st.sampled_from("äüßçéŁ×·±≈≠≤≥→∈∞αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ“”…²³−")
)
SAME = str.maketrans({"\N{MINUS SIGN}": "-", "²": "^2", "³": "^3", "ˆ": "^"})
STYLE = CitationStylesStyle("harvard-cite-them-right", validate=False)


@pytest.fixture(scope="module")
def cited(tmp_path_factory: pytest.TempPathFactory) -> list[Cited]:
    results, _ = everything(tmp_path_factory.mktemp("paper"))
    return [cite(results, row.claim.id) for row in results.claims if not refusal_of(row)]


def measured(cited: list[Cited]) -> Cited:
    return next(one for one in cited if one.claim.id == CLAIM)


def test_every_sentence_says_what_was_claimed_and_measured_and_on_what(cited: list[Cited]) -> None:
    assert len(cited) == len(COUNTS) + 3
    for one in cited:
        text = sentence(one)
        assert f"prints {one.claim.printed.text}" in text
        assert one.id in text
        assert one.verdict.word.value in text
        assert one.verdict.reason in text
        assert f"Evidence: {one.verdict.evidence.value} (" in text
        assert all(f"sha256:{digest}" in text and len(digest) == 64 for digest in one.records)
        assert text.endswith(".")
        assert "  " not in text


def test_a_measured_number_has_interval_images_seeds_date_device_and_deviations(cited: list[Cited]) -> None:
    one = measured(cited)
    text = sentence(one)
    assert re.search(r"measured \d+\.?\d*\s% \[\d+\.?\d*, \d+\.?\d*\] \(95 % interval, 400 images, 3 seeds\)", text)
    assert "on 2025-01-01, device cpu (Some CPU)" in text
    assert f"1 deviation from the paper: {DEVIATION.topic}." in text
    assert text.count("record sha256:") == 3
    measurement = one.measurement
    assert measurement is not None
    low, high = (float(bound) for bound in re.findall(r"\[([\d.]+), ([\d.]+)\]", text)[0])
    assert (low, high) == (pytest.approx(measurement.low, abs=0.5), pytest.approx(measurement.high, abs=0.5))


def test_arithmetic_has_no_date_and_no_record(cited: list[Cited]) -> None:
    (one,) = (one for one in cited if one.measurement is None)
    assert (one.date, one.records, measured_text(one)) == ("", {}, "")
    assert "recomputed it: consistent." in sentence(one)
    assert "year" not in bibtex([one]).partition("@misc{mini2020")[0]


def test_latex_shows_the_sentence_and_nothing_else(cited: list[Cited]) -> None:
    for one in cited:
        source = latex_sentence(one)
        assert unknown(source) == set()
        assert plain(seen(source)) == plain(sentence(one))


def plain(text: str) -> str:
    """Return a text without what LaTeX has several ways to write."""
    same = str.maketrans(
        {"‘": "'", "’": "'", "“": '"', "”": '"', "\N{NARROW NO-BREAK SPACE}": " ", "\N{NO-BREAK SPACE}": " "}
    )
    return text.translate(same).replace("''", '"').replace("``", '"')


@given(PRINTABLE)
@example("!“ ?‘ -- --- '' ,,")
def test_escaped_text_is_seen_as_it_was(text: str) -> None:
    source = latex(text)
    assert unknown(source) == set()
    assert plain(seen(source)).translate(SAME) == plain(text).translate(SAME)


@given(st.text())
def test_escaped_text_never_breaks_a_document_or_an_entry(text: str) -> None:
    source = latex(text)
    assert source.count("{") == source.count("}")
    depth = 0
    for character in source:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert not re.search(r"(?<!\\)[#%&_](?![^{]*\})", source.replace("{}", ""))
    assert all(character.isprintable() or ord(character) > 127 for character in source)


def entries(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "cited.bib"
    path.write_text(text, encoding="utf-8")
    return BibTeX(str(path), encoding="utf-8")


def bibliography(source: Any) -> list[str]:
    made = CitationStylesBibliography(STYLE, source, formatter.plain)
    for key in list(source):
        made.register(Citation([CitationItem(key)]))
    return [str(entry) for entry in made.bibliography()]


@pytest.mark.filterwarnings("ignore:.*nsupported")
def test_a_processor_reads_the_bibtex(cited: list[Cited], tmp_path: Path) -> None:
    source = entries(tmp_path, bibtex(cited))
    assert list(source) == [*(f"remeasure:{one.id}" for one in cited), "mini2020"]
    shown = bibliography(source)
    for one, entry in zip(cited, shown, strict=False):
        assert entry.startswith(f"{AUTHOR} ({'2025' if one.date else 'no date'})")
        assert plain(one.title) in plain(entry)
    assert shown[-1].startswith("A (2020) “Mini”")


@pytest.mark.filterwarnings("ignore:.*nsupported")
def test_a_processor_reads_the_csl_json(cited: list[Cited]) -> None:
    items = json.loads(json.dumps(csl_items(cited)))
    shown = bibliography(CiteProcJSON(items))
    assert len(shown) == len(cited) + 1
    for one, entry in zip(cited, shown, strict=False):
        assert entry.startswith(f"{AUTHOR} ({'2025' if one.date else 'no date'})")
        assert plain(one.title) in plain(entry)


def test_csl_items_keep_to_the_schemas_names_and_types(cited: list[Cited]) -> None:
    items = csl_items(cited)
    assert len({item["id"] for item in items}) == len(items)
    for item in items:
        assert {"id", "type"} <= set(item) <= set(CSL_FIELDS)
        assert all(isinstance(value, CSL_FIELDS[name]) for name, value in item.items())
        assert item["type"] in CSL_TYPES
        assert all(set(name) in ({"literal"}, {"family", "given"}) for name in item["author"])
        if "issued" in item:
            ((*parts,),) = item["issued"]["date-parts"]
            assert all(isinstance(part, int) for part in parts)


def test_csl_keeps_what_a_machine_wants_apart(cited: list[Cited]) -> None:
    one = measured(cited)
    item = csl_items([one])[0]
    custom = item["custom"]
    assert item["issued"] == {"date-parts": [[2025, 1, 1]]}
    assert (custom["claim"], custom["verdict"], custom["evidence"]) == (
        one.id,
        one.verdict.word.value,
        "released-weights",
    )
    assert custom["records"] == [f"sha256:{digest}" for digest in one.records]
    assert custom["deviations"] == ["crops & scales: 10_000 crops (Section 1); here: one crop"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [("Fisher Yu", ("Yu", "Fisher")), ("Alan L. Yuille", ("Yuille", "Alan L.")), ("Plato", ("Plato", ""))],
)
def test_names_are_parted_at_the_last_word(name: str, parts: tuple[str, str]) -> None:
    assert name_parts(name) == parts


def test_two_citations_of_a_paper_name_it_once(cited: list[Cited]) -> None:
    assert bibtex(cited).count("@misc{mini2020,") == 1
    assert bibtex(cited).count("@misc{") == len(cited) + 1


def test_the_same_results_are_cited_in_the_same_words(cited: list[Cited], tmp_path: Path) -> None:
    results, _ = everything(tmp_path)
    again = [cite(results, one.claim.id) for one in cited]
    assert list(map(sentence, again)) == list(map(sentence, cited))
    assert bibtex(again) == bibtex(cited)
    assert csl_items(again) == csl_items(cited)
