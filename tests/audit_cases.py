"""Small papers for the audit's tests, written as a claims file and loaded as one."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.audit.finding import Finding, RelationVerdict
from harness.audit.run import Detector
from harness.audit.worksheet import Worksheet, lay_out
from harness.claims.load import load_paper
from harness.claims.model import Paper

HEAD = """\
[paper]
key = "case"
title = "Case"
authors = ["A"]
year = 2020
versions = ["v1"]

[sources]
text = "text"
"""

TOP1 = '{ id = "top1", metric = "top1-error", dataset = "d/val", n = 50000, unit = "%" }'


def paper_of(body: str) -> Paper:
    """Load a paper from the part of a claims file after its head."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "claims.toml"
        path.write_text(f"{HEAD}\n{body}", encoding="utf-8")
        return load_paper(path)


def table(id: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """Write a table; a cell "-" holds no number."""
    lines = [f"[table.{id}]", f'section = "Table {id}"', f'caption = "Table {id}"', "columns = ["]
    lines += [f"  {column}," for column in columns]
    lines.append("]")
    for name, cells in rows.items():
        quoted = ", ".join(f'"{cell}"' for cell in cells)
        lines.append(f'rows."{name}" = [{quoted}]')
    return "\n".join(lines) + "\n\n"


def column(id: str, metric: str, **settings: str | int) -> str:
    """Declare a column in per cent on one dataset."""
    given: dict[str, str | int] = {"id": id, "metric": metric, "unit": "%", "dataset": "d/val", **settings}
    return "{ " + ", ".join(f'{k} = "{v}"' if isinstance(v, str) else f"{k} = {v}" for k, v in given.items()) + " }"


def relation(left: str, op: str, right: str, *, id: str = "s/r", unit: str = "pp", more: str = "") -> str:
    """Write a relation."""
    return (
        f'[[relation]]\nid = "{id}"\nsection = "S"\nquote = "words of {id}"\nleft = "{left}"\nop = "{op}"\n'
        f'right = "{right}"\nunit = "{unit}"\n{more}\n\n'
    )


def two_systems(a: str, b: str) -> str:
    """Write a table of one column with the systems A and B: ``t1/a/top1`` and ``t1/b/top1``."""
    return table("t1", [TOP1], {"A": [a], "B": [b]})


def sheet_of(body: str) -> Worksheet:
    return lay_out(paper_of(body))


def found(detector: Detector, body: str) -> list[Finding]:
    return list(detector(sheet_of(body)))


def verdict_of(verdicts: Sequence[RelationVerdict], id: str) -> RelationVerdict:
    return next(verdict for verdict in verdicts if verdict.relation.id == id)
