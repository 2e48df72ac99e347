"""YAML as every reader of it expects: plain scalars, block style, keys in the order given."""

from __future__ import annotations

from typing import Any


def yaml_text(content: Any) -> str:
    """Return plain JSON types as a YAML document that ends with a line break.

    Raises:
        ModuleNotFoundError: PyYAML is not installed.
    """
    import yaml

    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    return text
