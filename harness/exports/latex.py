"""A paper's tables as LaTeX: claimed, measured, verdict. Needs the packages booktabs and longtable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from harness.citation.escape import latex
from harness.claims.model import Paper
from harness.scoring.citable import deciding, refusal
from harness.scoring.model import ClaimRow, Measurement, Results
from harness.statistics.evidence import Evidence
from harness.wording.numbers import UNIT_NAMES, grouped, show
from harness.wording.words import EVIDENCE

LONGEST = 30
"""Rows that still fit on a page; more make a ``longtable``."""
COLUMNS = r"@{}p{0.27\linewidth}p{0.24\linewidth}rp{0.19\linewidth}l@{}"
HEAD = r"System & Quantity & Claimed & Measured & Verdict \\"
MARKS: Mapping[Evidence, str] = {evidence: chr(ord("a") + place) for place, evidence in enumerate(Evidence)}
"""The footnote of each kind of evidence, the same in every table."""
WIDTH = 5


def latex_tables(results: Results) -> str:
    """Return one table for each of the paper's, and one for the numbers in its text; a row for each claim.

    A measurement that must not be cited for its claim stands in italics behind its kind of evidence. Every kind of
    evidence in a table is explained under it. A row begins with an empty group, since a ``[`` would belong to the
    line break before it.
    """
    tables = (_table(results, rows) for rows in _by_table(results.claims))
    packages = "% Needs \\usepackage{booktabs} and \\usepackage{longtable}.\n"
    return packages + "".join(f"\n{table}" for table in tables)


def _by_table(claims: Sequence[ClaimRow]) -> Iterator[tuple[ClaimRow, ...]]:
    """Part the claims by table, in the order of their first; those in the text come last."""
    places = {table: place for place, table in enumerate(dict.fromkeys(row.claim.table for row in claims))}

    def place(row: ClaimRow) -> tuple[bool, int]:
        return row.claim.table is None, places[row.claim.table]

    for _, rows in groupby(sorted(claims, key=place), key=place):
        yield tuple(rows)


def _table(results: Results, rows: Sequence[ClaimRow]) -> str:
    title = rf"\caption{{{_caption(results.paper, rows[0])}}}"
    label = rf"\label{{tab:{results.paper.key}-{rows[0].claim.table or 'text'}}}"
    cells = [_row(results.paper, row) for row in rows]
    notes = list(_notes(rows))
    if len(rows) > LONGEST:
        lines = [
            rf"\begin{{longtable}}{{{COLUMNS}}}",
            rf"{title}{label}\\",
            *(r"\toprule", HEAD, r"\midrule", r"\endfirsthead"),
            *(r"\toprule", HEAD, r"\midrule", r"\endhead"),
            *(r"\bottomrule", r"\endfoot"),
            *(r"\bottomrule", *notes, r"\endlastfoot"),
            *cells,
            r"\end{longtable}",
        ]
    else:
        lines = [
            *(r"\begin{table}", r"\centering", title, label),
            rf"\begin{{tabular}}{{{COLUMNS}}}",
            *(r"\toprule", HEAD, r"\midrule", *cells, r"\bottomrule", *notes),
            *(r"\end{tabular}", r"\end{table}"),
        ]
    return "\n".join((*lines, ""))


def _caption(paper: Paper, first: ClaimRow) -> str:
    table = None if first.claim.table is None else paper.tables[first.claim.table]
    what = "Numbers in the text" if table is None else f"{table.place.section}: {table.caption}".rstrip(".")
    return latex(f"{paper.title}. {what}. Claimed, and measured with 95 % intervals.")


def _row(paper: Paper, row: ClaimRow) -> str:
    claim = row.claim
    system, quantity = claim.system, claim.definition.title
    if claim.table is not None and claim.row is not None:
        table = paper.tables[claim.table]
        system = table.rows[claim.row]
        quantity = next(column.title for column in table.columns if column.id == claim.column)
    unit = UNIT_NAMES.get(claim.unit, claim.unit)
    quantity = f"{quantity} ({unit})" if unit and unit != quantity.lower() else quantity
    first = f"{{}}{latex(system)}"
    cells = (first, latex(quantity), latex(claim.printed.text), _measured(row), latex(row.verdict.word.value))
    return " & ".join(cells) + r" \\"


def _shown(row: ClaimRow) -> Measurement | None:
    """Return the measurement a row shows: what decides its claim, else the first of weaker evidence."""
    return deciding(row) or next(iter(row.measurements), None)


def _measured(row: ClaimRow) -> str:
    measurement = _shown(row)
    if measurement is None:
        return "--"
    shown = show(measurement.estimate, measurement.low, measurement.high)
    number = f"{latex(f'{shown.estimate} {shown.interval}'.strip())}$^{{{MARKS[measurement.evidence]}}}$"
    return rf"\textit{{{measurement.evidence.value}: {number}}}" if refusal(row, measurement) else number


def _notes(rows: Sequence[ClaimRow]) -> Iterator[str]:
    """Explain each kind of evidence that the rows show."""
    shown = [measurement for row in rows if (measurement := _shown(row)) is not None]
    for evidence in Evidence:
        counts = [measurement.n for measurement in shown if measurement.evidence is evidence]
        if counts:
            images = f", {grouped(str(max(counts)))} images" if max(counts) and min(counts) == max(counts) else ""
            citable = "; not citable" if evidence is Evidence.SYNTHETIC else ""
            text = latex(f"{evidence.value}: {EVIDENCE[evidence]}{images}{citable}.")
            note = rf"\footnotesize $^{{{MARKS[evidence]}}}$ {text}"
            yield rf"\multicolumn{{{WIDTH}}}{{@{{}}p{{0.95\linewidth}}@{{}}}}{{{note}}} \\"
