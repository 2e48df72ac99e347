"""CSV and Parquet give the same table back, whatever its text and numbers, and the same bytes again."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet
import pytest
from citation_samples import everything
from hypothesis import given
from hypothesis import strategies as st

from harness.exports.table import csv_bytes, parquet_bytes, read_csv
from harness.scoring.tidy import (
    CLAIM_COLUMNS,
    COUNT,
    FLAG,
    NUMBER,
    RELATION_COLUMNS,
    TEXT,
    claims_table,
    relations_table,
)

Tables = list[tuple[pd.DataFrame, Mapping[str, str]]]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    TEXT: st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    NUMBER: st.floats(allow_infinity=False),
    COUNT: st.none() | st.integers(0, 2**40),
    FLAG: st.booleans(),
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    results, _ = everything(tmp_path_factory.mktemp("paper"))
    return [(claims_table([results]), CLAIM_COLUMNS), (relations_table([results]), RELATION_COLUMNS)]


@st.composite
def any_table(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(0, 4))
    return pd.DataFrame(
        {
            name: pd.Series(draw(st.lists(VALUES[dtype], min_size=rows, max_size=rows)), dtype=dtype)
            for name, dtype in (("text", TEXT), ("number", NUMBER), ("count", COUNT), ("flag", FLAG), ("more", TEXT))
        }
    )


def back_from_csv(table: pd.DataFrame, columns: Mapping[str, str], folder: Path) -> pd.DataFrame:
    path = folder / "table.csv"
    path.write_bytes(csv_bytes(table))
    return read_csv(path, columns)


def test_csv_gives_the_same_table_back(tables: Tables, tmp_path: Path) -> None:
    for table, columns in tables:
        assert len(table) > 10
        pd.testing.assert_frame_equal(back_from_csv(table, columns, tmp_path), table, check_exact=True)


def test_parquet_gives_the_same_table_back(tables: Tables) -> None:
    for table, _ in tables:
        pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(parquet_bytes(table))), table, check_exact=True)


def test_parquet_has_plain_types_for_readers_without_pandas(tables: Tables) -> None:
    names = {TEXT: {"string", "large_string"}, NUMBER: {"double"}, COUNT: {"int64"}, FLAG: {"bool"}}
    for table, columns in tables:
        read = pyarrow.parquet.read_table(io.BytesIO(parquet_bytes(table)))
        assert all(str(read.schema.field(name).type) in names[dtype] for name, dtype in columns.items())
        assert read.num_rows == len(table)


def test_csv_is_read_by_the_standard_library(tables: Tables) -> None:
    table, columns = tables[0]
    rows = list(csv.DictReader(io.StringIO(csv_bytes(table).decode("utf-8"), newline="")))
    assert list(rows[0]) == list(columns)
    assert [row["claimed"] for row in rows] == table.claimed.tolist()
    assert [float(row["measured"]) for row in rows if row["measured"]] == table.measured.dropna().tolist()


def test_the_same_results_are_the_same_bytes(tables: Tables, tmp_path: Path) -> None:
    again, _ = everything(tmp_path)
    for table, made in zip((claims_table([again]), relations_table([again])), tables, strict=True):
        assert csv_bytes(table) == csv_bytes(made[0])
        assert parquet_bytes(table) == parquet_bytes(made[0])


@given(any_table())
def test_any_text_and_number_survives(tmp_path_factory: pytest.TempPathFactory, table: pd.DataFrame) -> None:
    columns = {name: str(dtype) for name, dtype in table.dtypes.items()}
    back = back_from_csv(table, columns, tmp_path_factory.mktemp("csv", numbered=True))
    pd.testing.assert_frame_equal(back, table, check_exact=True)
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(parquet_bytes(table))), table, check_exact=True)


@pytest.mark.parametrize(
    "text", ["NA", "nan", "None", "null", "#N/A", "TRUE", "1.0", '"', "a,b", "a\nb", "a\r\nb", " "]
)
def test_text_that_looks_like_something_else_stays_text(text: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"text": pd.Series([text, None], dtype=TEXT)})
    pd.testing.assert_frame_equal(back_from_csv(table, {"text": TEXT}, tmp_path), table)
