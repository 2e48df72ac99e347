"""YAML and JSON as every reader of them expects: keys in the order given, letters of any alphabet as they are."""

from __future__ import annotations

import json
from typing import Any


def yaml_text(content: Any) -> str:
    """Return plain JSON types as a YAML document of plain scalars in block style, which ends with a line break.

    Raises:
        ModuleNotFoundError: PyYAML is not installed.
    """
    import yaml

    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    return text


def json_bytes(content: Any) -> bytes:
    """Return plain JSON types as indented JSON in UTF-8, which ends with a line break.

    Raises:
        ValueError: A number is not finite.
    """
    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")
