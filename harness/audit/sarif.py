"""Audits as SARIF 2.1.0 (OASIS, 2020), the format in which code hosts show findings beside the line they are about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import __version__
from harness.audit.finding import Audit, Finding
from harness.audit.rules import RULES

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "remeasure/v1"


def to_sarif(audits: Sequence[Audit], root: Path | None = None) -> dict[str, Any]:
    """Return one SARIF log with one run, which ``json.dumps`` can write.

    Args:
        audits: The audits, of any number of papers.
        root: Folder that paths are written relative to, by default the working directory; a ``claims.toml`` outside it
            is written as an absolute URI.
    """
    base = (root or Path.cwd()).resolve()
    index = {rule.id: position for position, rule in enumerate(RULES)}
    results = [_result(audit, found, index[found.rule.id], base) for audit in audits for found in audit.findings]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": _driver()}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _driver() -> dict[str, Any]:
    return {
        "name": "remeasure audit",
        "version": __version__,
        "rules": [
            {
                "id": rule.id,
                "shortDescription": {"text": f"{rule.title}."},
                "fullDescription": {"text": rule.help},
                "help": {"text": rule.help},
            }
            for rule in RULES
        ],
    }


def _result(audit: Audit, found: Finding, rule_index: int, root: Path) -> dict[str, Any]:
    addresses = [f"{audit.paper}/{id}" for id in found.claims]
    conclusion = f" {found.conclusion}" if found.conclusion else ""
    return {
        "ruleId": found.rule.id,
        "ruleIndex": rule_index,
        "level": found.severity.value,
        "message": {"text": f"{found.message}{conclusion}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(audit.path, root)},
                    "region": {"startLine": found.line},
                },
                "logicalLocations": [{"fullyQualifiedName": address} for address in addresses],
            }
        ],
        "partialFingerprints": {FINGERPRINT: f"{audit.paper}/{found.fingerprint}"},
    }


def _uri(path: Path, root: Path) -> str:
    absolute = path.resolve()
    return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else absolute.as_uri()
