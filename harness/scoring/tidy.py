"""Results as tidy tables: one row for each claim and measurement, or for each statement and verdict on it.

Columns hold one plain value each, so that a table survives CSV and Parquet; where a value is a list (seeds, digests,
topics) its items are separated as the column says. pandas is imported when a table is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.scoring.citable import deciding, refusal, remedy
from harness.scoring.model import ClaimRow, Measurement, RelationRow, Results
from harness.scoring.provenance import commits, deviations, devices, distinct, newest, processors, versions
from harness.statistics.evidence import Evidence

if TYPE_CHECKING:
    import pandas as pd

TEXT, NUMBER, COUNT, FLAG = "string", "float64", "Int64", "bool"

CLAIM_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "paper": TEXT,
        "claim": TEXT,
        "section": TEXT,
        "table": TEXT,
        "row": TEXT,
        "column": TEXT,
        "system": TEXT,
        "metric": TEXT,
        "dataset": TEXT,
        "protocol": TEXT,
        "unit": TEXT,
        "claimed": TEXT,
        "claimed_value": NUMBER,
        "claimed_low": NUMBER,
        "claimed_high": NUMBER,
        "measured": NUMBER,
        "low": NUMBER,
        "high": NUMBER,
        "measured_on": TEXT,
        "n": COUNT,
        "seeds": TEXT,
        "evidence": TEXT,
        "verdict": TEXT,
        "reason": TEXT,
        "difference": NUMBER,
        "deviations": COUNT,
        "deviation_topics": TEXT,
        "experiment": TEXT,
        "records": TEXT,
        "date": TEXT,
        "device": TEXT,
        "processor": TEXT,
        "version": TEXT,
        "commit": TEXT,
        "citable": FLAG,
        "why_not": TEXT,
        "remedy": TEXT,
    }
)
"""Columns of :func:`claims_table` with their dtypes."""

RELATION_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "paper": TEXT,
        "relation": TEXT,
        "statement": TEXT,
        "section": TEXT,
        "quote": TEXT,
        "left": TEXT,
        "op": TEXT,
        "right": TEXT,
        "direction": TEXT,
        "evidence": TEXT,
        "verdict": TEXT,
        "reason": TEXT,
        "difference": NUMBER,
        "low": NUMBER,
        "high": NUMBER,
        "unit": TEXT,
        "experiment": TEXT,
        "missing": TEXT,
        "command": TEXT,
    }
)
"""Columns of :func:`relations_table` with their dtypes."""

Row = dict[str, object]


def claims_table(results: Iterable[Results]) -> pd.DataFrame:
    """Return every claim with its measurements, in the order of the papers and, within one, of its claims.

    Each claim has one row with its ``verdict``, holding the measurement the verdict rests on, if it rests on one. A
    measurement of weaker evidence or on other images follows in a row of its own, with no ``verdict``: so
    ``table.dropna(subset="verdict")`` has one row for each claim.

    Columns, of the dtypes in :data:`CLAIM_COLUMNS`; text that does not apply is NA, a number NaN:

    ``paper, claim``: the claim's address (``claim`` alone is unique: ``drn/t1/drn-c-26/top1-1crop``).
    ``section, table, row, column``: where it is printed; the last three are NA outside tables.
    ``system, metric, dataset, protocol``: what it is a number of.
    ``unit``: of every number of the row; a ``difference`` of percentages is in percentage points.
    ``claimed``: the printed text; ``claimed_value``: as a number; ``claimed_low, claimed_high``: what rounds to it.
    ``measured, low, high``: the estimate and its 95 % interval; all equal where it is exact.
    ``measured_on``: the data set that the records name, which need not be the claim's; NA for exact quantities.
    ``n``: test images (0 for exact quantities); ``seeds``: separated by spaces.
    ``evidence, verdict, reason``: :class:`~harness.statistics.evidence.Evidence` and ``Word`` by value; why.
    ``difference``: measured minus claimed.
    ``deviations, deviation_topics``: how many differences from the paper's protocol, and in what, separated by "; ".
    ``experiment, records``: and the digests of its records, separated by spaces.
    ``date``: the newest record's, ISO 8601 (UTC). ``device, processor, version, commit``: where, and by which code.
    ``citable, why_not, remedy``: :mod:`harness.scoring.citable`; the last two are NA where it is.
    """
    return _table((row for one in results for row in _claims(one)), CLAIM_COLUMNS)


def relations_table(results: Iterable[Results]) -> pd.DataFrame:
    """Return every statement about numbers with its verdicts: by arithmetic first, then one for each experiment.

    Columns, of the dtypes in :data:`RELATION_COLUMNS`: ``relation`` is the address of one case of a ``statement``; it
    says ``left op right``; ``direction`` is the comparison that a measurement can judge, ``difference, low, high`` (in
    ``unit``) what was measured of its left side minus its right, with the 95 % interval. The row of
    ``evidence`` "arithmetic" has the audit's outcome for a ``verdict``, and what a measured one would take as
    ``missing`` and ``command``, where there is none.
    """
    return _table((row for one in results for row in _relations(one)), RELATION_COLUMNS)


def _table(rows: Iterable[Row], columns: Mapping[str, str]) -> pd.DataFrame:
    import pandas as pd

    listed = list(rows)
    values = {name: [row.get(name) for row in listed] for name in columns}
    return pd.DataFrame(
        {
            name: pd.Series([value or None for value in values[name]] if dtype == TEXT else values[name], dtype=dtype)
            for name, dtype in columns.items()
        }
    )


def _claims(results: Results) -> Iterator[Row]:
    for row in results.claims:
        decided = deciding(row)
        yield _claim(results, row, decided) | _verdict(row)
        for measurement in row.measurements:
            if measurement != decided:
                yield _claim(results, row, measurement)


def _claim(results: Results, row: ClaimRow, measurement: Measurement | None) -> Row:
    claim, printed = row.claim, row.claim.printed
    why = refusal(row, measurement)
    return {
        "paper": results.paper.key,
        "claim": results.paper.full_id(claim.id),
        "section": claim.place.section,
        "table": claim.table,
        "row": claim.row,
        "column": claim.column,
        "system": claim.system,
        "metric": claim.metric,
        "dataset": claim.dataset,
        "protocol": claim.protocol,
        "unit": claim.unit,
        "claimed": printed.text,
        "claimed_value": float(printed.value),
        "claimed_low": float(printed.interval.low),
        "claimed_high": float(printed.interval.high),
        "citable": not why,
        "why_not": why,
        "remedy": remedy(row, results.paper.key) if why else None,
        **({} if measurement is None else _measured(results, measurement)),
    }


def _measured(results: Results, measurement: Measurement) -> Row:
    records = [results.records[digest] for digest in measurement.records]
    differences = deviations(records)
    return {
        "measured": measurement.estimate,
        "low": measurement.low,
        "high": measurement.high,
        "measured_on": measurement.data,
        "n": measurement.n,
        "seeds": " ".join(map(str, measurement.seeds)),
        "evidence": measurement.evidence.value,
        "deviations": len(differences),
        "deviation_topics": "; ".join(distinct(deviation.topic for deviation in differences)),
        "experiment": measurement.experiment,
        "records": " ".join(measurement.records),
        "date": newest(records),
        "device": "; ".join(devices(records)),
        "processor": "; ".join(processors(records)),
        "version": "; ".join(versions(records)),
        "commit": "; ".join(commits(records)),
    }


def _verdict(row: ClaimRow) -> Row:
    verdict = row.verdict
    return {
        "evidence": None if verdict.evidence is None else verdict.evidence.value,
        "verdict": verdict.word.value,
        "reason": verdict.reason,
        "difference": verdict.difference,
    }


def _relations(results: Results) -> Iterator[Row]:
    for row in results.relations:
        relation = row.relation
        statement: Row = {
            "paper": results.paper.key,
            "relation": results.paper.full_id(relation.id),
            "statement": results.paper.full_id(relation.statement),
            "section": relation.place.section,
            "quote": relation.quote,
            "left": relation.left,
            "op": relation.op,
            "right": relation.right,
            "direction": relation.direction,
        }
        yield statement | _by_arithmetic(row)
        for verdict in row.measured:
            yield statement | {
                "evidence": None if verdict.evidence is None else verdict.evidence.value,
                "verdict": verdict.word.value,
                "reason": verdict.reason,
                "difference": verdict.difference,
                "low": verdict.low,
                "high": verdict.high,
                "unit": verdict.unit,
                "experiment": verdict.experiment,
            }


def _by_arithmetic(row: RelationRow) -> Row:
    return {
        "evidence": Evidence.ARITHMETIC.value,
        "verdict": row.arithmetic.outcome.value,
        "reason": row.arithmetic.reason,
        "unit": row.relation.unit,
        "missing": row.missing,
        "command": row.command,
    }
