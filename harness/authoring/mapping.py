"""How the columns of a table are to be read, as a small TOML file: declarations for many columns at once."""

from __future__ import annotations

import tomllib
from pathlib import Path

from harness.authoring.columns import FIELDS, check_settings
from harness.errors import ClaimsError

KEYS = (*FIELDS, "id")


def read_mapping(path: Path) -> dict[str, list[dict[str, str]]]:
    """Read ``[columns]``: a table of settings by header, an array of them for several numbers in a cell, or false.

    Raises:
        ClaimsError: The file cannot be read or says something else.
        UsageError: A metric, unit, number of images or id is none.
    """
    try:
        root = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ClaimsError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ClaimsError(f"{path}: not valid TOML: {error}") from error
    columns = root.get("columns")
    if set(root) != {"columns"} or not isinstance(columns, dict):
        raise ClaimsError(f"{path}: one table [columns] is expected", '"mIoU (%)" = { metric = "miou", unit = "%" }')
    return {header: _settings(path, header, value) for header, value in columns.items()}


def _settings(path: Path, header: str, value: object) -> list[dict[str, str]]:
    if value is False:
        return []
    entries = value if isinstance(value, list) else [value]
    settings = []
    for entry in entries:
        if not isinstance(entry, dict) or not all(isinstance(v, str | int) for v in entry.values()):
            raise ClaimsError(f"{path}: {header!r} is a table of {', '.join(KEYS)}, an array of these, or false")
        if unknown := [key for key in entry if key not in KEYS]:
            raise ClaimsError(f"{path}: {header!r} has an unknown key {unknown[0]!r}; known: {', '.join(KEYS)}")
        settings.append({key: str(v) for key, v in entry.items()})
        check_settings(settings[-1], f"{path}: {header!r}")
    return settings
