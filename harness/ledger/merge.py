"""The union of ledgers: what one machine measured becomes evidence on another."""

from __future__ import annotations

from dataclasses import dataclass

from harness.ledger.store import Ledger, Refused, Stored


@dataclass(frozen=True)
class Merged:
    """What became of another ledger's records.

    Attributes:
        added: Those that were not there.
        present: How many were.
        refused: Those that are damaged, and were left where they are.
    """

    added: tuple[Stored, ...]
    present: int
    refused: tuple[Refused, ...]


def merge(other: Ledger, into: Ledger) -> Merged:
    """Add every intact record of another ledger to this one; neither order nor repetition changes the union.

    A record that is damaged here and intact there is mended. Interrupted, the same call goes on.

    Raises:
        StorageError: The ledger cannot be written; what was added before stands.
    """
    there = {stored.digest for stored in into.records(verify_arrays=True)}
    added: list[Stored] = []
    present = 0
    for stored in other.records(verify_arrays=True):
        if stored.digest in there:
            present += 1
        else:
            added.append(into.adopt(stored))
    return Merged(tuple(added), present, other.refused)
