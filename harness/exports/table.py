"""Results as CSV and Parquet: the same table the same bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.packages import require
from harness.scoring.tidy import FLAG, TEXT

if TYPE_CHECKING:
    import pandas as pd


def csv_bytes(table: pd.DataFrame) -> bytes:
    """Write a table of :func:`harness.results` as CSV by RFC 4180, in UTF-8; what does not apply is an empty field.

    Numbers have as many digits as tell them from every other float64. :func:`read_csv` reads it back.
    """
    return table.to_csv(index=False, lineterminator="\r\n").encode("utf-8")


def read_csv(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read what :func:`csv_bytes` wrote.

    Args:
        columns: Their dtypes: :data:`harness.scoring.tidy.CLAIM_COLUMNS` or ``RELATION_COLUMNS``.
    """
    import pandas as pd

    text = pd.read_csv(path, dtype=TEXT, keep_default_na=False, na_values=[""], skip_blank_lines=False)
    return pd.DataFrame(
        {name: text[name] == "True" if dtype == FLAG else text[name] for name, dtype in columns.items()}
    ).astype(dict(columns))


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """Write a table of :func:`harness.results` as Parquet; ``pandas.read_parquet`` gives it back with its dtypes.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    require("pyarrow")
    buffer = io.BytesIO()
    table.to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()
