"""Finding one record of a ledger by what a user types."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from harness.claims.document import slug
from harness.errors import UsageError
from harness.ledger.record import measured_systems
from harness.ledger.store import NAME_LENGTH, Ledger, Stored, read

DIGEST = re.compile(r"[0-9a-f]{4,64}")


class Found(NamedTuple):
    """A record and the suffix of the arrays that are meant: empty for the record's own system."""

    stored: Stored
    suffix: str

    @property
    def system(self) -> str:
        record = self.stored.record
        return measured_systems(record.recipe, record.system)[self.suffix]


def find_record(ledger: Ledger, wanted: str) -> Found:
    """Return the record that is meant by a digest's first digits, its file, or ``paper/experiment/system[/seed]``.

    A system may be a variant of a trained one ("ResNet + CRF"), and be written as printed or as in ids. Of its seeds
    the first is taken, and of a seed's records the newest.

    Raises:
        UsageError: There is no such record, or there are several.
        LedgerError: It is damaged.
    """
    if wanted.endswith(".json"):
        if not Path(wanted).is_file():
            raise UsageError(f"{wanted} does not exist", "Give the path of a record's JSON file.")
        return Found(read(Path(wanted)), "")
    if DIGEST.fullmatch(wanted):
        return Found(_by_digest(ledger, wanted), "")
    parts = wanted.split("/")
    if len(parts) < 3:
        remedy = "Give a digest's first digits, the path of its JSON, or paper/experiment/system."
        raise UsageError(f"{wanted!r} names no record", remedy)
    paper, experiment, *rest = parts
    seed = int(rest.pop()) if len(rest) > 1 and rest[-1].isdecimal() else None
    return _by_name(ledger, paper, experiment, "/".join(rest), seed)


def _by_digest(ledger: Ledger, digits: str) -> Stored:
    paths = sorted(ledger.root.glob(f"*/*/{digits[:NAME_LENGTH]}*.json"))
    if len(paths) != 1:
        remedy = "Give more digits." if paths else f"The ledger {ledger.root} lists records as files named by digest."
        raise UsageError(f"{len(paths)} records have a digest that begins with {digits}", remedy)
    stored = read(paths[0])
    if not stored.digest.startswith(digits):
        raise UsageError(f"no record has the digest {digits}", f"The nearest is {stored.digest}.")
    return stored


def _by_name(ledger: Ledger, paper: str, experiment: str, system: str, seed: int | None) -> Found:
    own = [stored for stored in ledger.records(paper) if stored.record.experiment == experiment]
    if not own:
        known = sorted({f"{s.record.paper}/{s.record.experiment}" for s in ledger.records()})
        raise UsageError(f"no record of {paper}/{experiment} in {ledger.root}", f"Recorded: {', '.join(known)}.")
    measured = [
        (slug(name), name, stored, suffix)
        for stored in own
        for suffix, name in measured_systems(stored.record.recipe, stored.record.system).items()
    ]
    chosen = [
        Found(stored, suffix)
        for key, _, stored, suffix in measured
        if key == slug(system) and seed in (None, stored.record.seed)
    ]
    if not chosen:
        names = sorted({name for _, name, _, _ in measured})
        close = get_close_matches(system, names, n=1)
        hint = (
            f"Did you mean {close[0]}?" if close and slug(close[0]) != slug(system) else f"It has {', '.join(names)}."
        )
        which = f"{system!r}" if seed is None else f"{system!r} with seed {seed}"
        raise UsageError(f"{paper}/{experiment} has no record of {which}", hint)
    first = min(found.stored.record.seed for found in chosen)
    return max(
        (found for found in chosen if found.stored.record.seed == first),
        key=lambda found: (found.stored.record.started, found.stored.digest),
    )
