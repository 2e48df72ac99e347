"""RO-Crate 1.2 (https://w3id.org/ro/crate/1.2): a folder that says of each of its files what it is and where from.

The crate holds the rendered reports, the claims files, and every record that a number of the reports rests on; each
record is the result of a ``CreateAction`` with its time and the code that ran. It names no agent, as records name none.
Evidence that is never citable is called so in the description of its record.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from harness.claims.document import slug
from harness.claims.model import Paper
from harness.exports.spelling import json_bytes
from harness.ledger.record import Code, Record
from harness.ledger.store import NAME_LENGTH, Stored
from harness.scoring.model import Results
from harness.statistics.evidence import Evidence
from harness.wording.words import EVIDENCE

METADATA = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.2"
LICENCE = "https://spdx.org/licenses/Apache-2.0"
_FORMATS = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".npz": "application/zip",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".xml": "application/xml",
}

Entity = dict[str, Any]


def ro_crate(results: Sequence[Results], pages: Mapping[str, bytes], state: datetime) -> dict[str, bytes]:
    """Return the files of a crate by their paths, its metadata among them.

    Args:
        results: Of the papers it is about.
        pages: The rendered reports, by path below the crate's root.
        state: Of which moment the ledger is exported.

    Raises:
        LedgerError: A record has gone since it was joined.
    """
    payload, described = dict(pages), [_page(path, content) for path, content in pages.items()]
    context: list[Entity] = []
    for each in results:
        claims = f"{each.paper.key}/claims.toml"
        payload[claims] = each.paper.path.read_bytes()
        described.append(_claims(each.paper, claims, payload[claims]))
        context += _article(each.paper)
        for stored in (each.stored[digest] for digest in sorted(each.records)):
            files = _files_of(stored)
            payload |= files
            described += [_record_file(stored.record, path, content) for path, content in files.items()]
            context += [_action(stored, tuple(files), claims), _software(stored.record)]
    graph = [_descriptor(), _root(results, described, context, state), *described, *_unique(context), _licence()]
    content = {"@context": f"{SPECIFICATION}/context", "@graph": graph}
    payload[METADATA] = json_bytes(content)
    return payload


def _files_of(stored: Stored) -> dict[str, bytes]:
    folder = f"ledger/{stored.record.paper}/{stored.record.experiment}"
    return {f"{folder}/{name}": content for name, content in stored.files().items()}


def _descriptor() -> Entity:
    return {
        "@id": METADATA,
        "@type": "CreativeWork",
        "name": "Description of the crate",
        "conformsTo": _to([SPECIFICATION]),
        "about": _to(["./"]),
    }


def _root(results: Sequence[Results], files: Sequence[Entity], context: Sequence[Entity], state: datetime) -> Entity:
    papers = [each.paper for each in results]
    titles = ", ".join(f"“{paper.title}”" for paper in papers)
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Claimed and measured numbers of {titles}",
        "description": f"What {titles} print{'s' if len(papers) == 1 else ''} in numbers, beside what was derived and "
        "measured again of them: reports, claims and the records with per-image outcomes that every number is computed "
        "from. Each record says its kind of evidence; synthetic and scaled-down ones say nothing on a printed number.",
        "datePublished": state.isoformat(),
        "license": _to([LICENCE]),
        "citation": _to(_article_id(paper) for paper in papers),
        "hasPart": _to(file["@id"] for file in files),
        "mentions": _to(each["@id"] for each in context if each["@type"] == "CreateAction"),
    }


def _file(path: str, content: bytes, name: str, description: str, **others: Any) -> Entity:
    kind = _FORMATS.get(PurePosixPath(path).suffix, "application/octet-stream")
    return {
        "@id": _path_id(path),
        "@type": "File",
        "name": name,
        "description": description,
        "encodingFormat": kind,
        "contentSize": str(len(content)),
        "sha256": hashlib.sha256(content).hexdigest(),
        **others,
    }


def _page(path: str, content: bytes) -> Entity:
    return _file(path, content, f"Report: {path}", "Claims beside measurements, with verdicts and findings")


def _claims(paper: Paper, path: str, content: bytes) -> Entity:
    what = "Every number that the paper prints, as data, and what its prose says about them"
    return _file(path, content, f"Claims of “{paper.title}”", what, isBasedOn=_to([_article_id(paper)]))


def _record_file(record: Record, path: str, content: bytes) -> Entity:
    part = "Outcomes" if path.endswith(".npz") else "Record"
    name = f"{part} of {record.paper}/{record.experiment}, {record.system}, seed {record.seed}"
    return _file(path, content, name, _evidence(record))


def _evidence(record: Record) -> str:
    never = "; never citable" if record.evidence is Evidence.SYNTHETIC else ""
    return f"Evidence: {record.evidence.value} ({EVIDENCE[record.evidence]}{never})"


def _action(stored: Stored, files: Sequence[str], claims: str) -> Entity:
    record = stored.record
    begun = datetime.fromisoformat(record.started)
    machine, count = record.environment, len(record.deviations)
    where = machine.processor if machine.device == "cpu" else machine.device
    return {
        "@id": f"#run-{stored.digest[:NAME_LENGTH]}",
        "@type": "CreateAction",
        "name": f"{record.experiment}: {record.system}, seed {record.seed}",
        "description": f"{_evidence(record)}; measured on {where}, "
        f"{count} recorded deviation{'' if count == 1 else 's'} from the paper",
        "instrument": _to([_software_id(record.code)]),
        "startTime": begun.isoformat(),
        "endTime": (begun + timedelta(seconds=record.seconds)).isoformat(),
        "object": _to([_path_id(claims)]),
        "result": _to(map(_path_id, files)),
    }


def _software_id(code: Code) -> str:
    return f"#remeasure-{_revision(code)[:NAME_LENGTH]}"


def _revision(code: Code) -> str:
    """Return the commit, or the digest of the sources where no commit is exactly what ran."""
    return code.digest if code.commit is None or code.dirty else code.commit


def _software(record: Record) -> Entity:
    """Name the code by what it contains: the identifier of the commit, or of the digest of its sources (RFC 6920)."""
    code, version = record.code, record.environment.packages.get("remeasure", "unreleased")
    revision = _revision(code)
    hashed = base64.urlsafe_b64encode(bytes.fromhex(code.digest)).rstrip(b"=").decode()
    named = f"swh:1:rev:{revision}" if revision == code.commit else f"ni:///sha-256;{hashed}"
    return {
        "@id": _software_id(code),
        "@type": "SoftwareApplication",
        "name": "Remeasure",
        "description": "A reproducible benchmark harness and paper-results auditor",
        "version": f"{version}+{revision[:NAME_LENGTH]}",
        "url": named,
    }


def _article_id(paper: Paper) -> str:
    return paper.url or f"#paper-{paper.key}"


def _article(paper: Paper) -> list[Entity]:
    people: list[Entity] = [
        {"@id": f"#person-{slug(name)}", "@type": "Person", "name": name, "description": f"Author of “{paper.title}”"}
        for name in paper.authors
    ]
    article = {
        "@id": _article_id(paper),
        "@type": "ScholarlyArticle",
        "name": paper.title,
        "description": f"{paper.venue} {paper.year}; versions read: {', '.join(paper.versions)}",
        "author": _to(person["@id"] for person in people),
        "datePublished": str(paper.year),
    }
    return [article, *people]


def _licence() -> Entity:
    return {
        "@id": LICENCE,
        "@type": "CreativeWork",
        "name": "Apache License 2.0",
        "description": "Of the reports, records and files of claims; the printed numbers are their authors', quoted "
        "with their place.",
    }


def _to(ids: Iterable[str]) -> Entity | list[Entity]:
    """Refer to entities; the format writes a single one without a list."""
    references: list[Entity] = [{"@id": each} for each in ids]
    return references[0] if len(references) == 1 else references


def _path_id(path: str) -> str:
    return quote(path, safe="/+")


def _unique(entities: Sequence[Entity]) -> list[Entity]:
    """Keep the first entity of each id."""
    kept: dict[str, Entity] = {}
    for entity in entities:
        kept.setdefault(entity["@id"], entity)
    return list(kept.values())
