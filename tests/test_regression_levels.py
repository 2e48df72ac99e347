"""Levels that somebody accepted, as they are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import LedgerError, StorageError, UsageError
from harness.regression.levels import NAME, accept, read_acceptances, read_levels
from harness.regression.model import Level

RATE = "drn/throughput/resnet-18/rate"
ENTRY = {"address": RATE, "since": "2026-01-01", "reason": "new kernel", "date": "2026-01-02"}


def test_nothing_is_accepted_at_first(tmp_path: Path) -> None:
    assert read_levels(tmp_path) == ()


def test_every_acceptance_is_kept_and_the_newest_counts(tmp_path: Path) -> None:
    accept(tmp_path, RATE, "2026-01-05T03:00:00+01:00", "  a new kernel ")
    accept(tmp_path, "drn/scenes/drn-c-26/miou", "2026-01-06T02:00:00+00:00", "fewer epochs")
    accept(tmp_path, RATE, "2026-01-09T02:00:00+00:00", "a newer kernel")
    kept = read_acceptances(tmp_path)
    assert [entry.reason for entry in kept] == ["a new kernel", "fewer epochs", "a newer kernel"]
    assert all(entry.date.endswith("+00:00") for entry in kept)
    assert kept[0].since == "2026-01-05T02:00:00+00:00"
    assert read_levels(tmp_path) == (
        Level("drn/scenes/drn-c-26/miou", "2026-01-06T02:00:00+00:00", "fewer epochs"),
        Level(RATE, "2026-01-09T02:00:00+00:00", "a newer kernel"),
    )


def test_no_acceptance_without_a_reason(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no reason"):
        accept(tmp_path, RATE, "2026-01-05", "   ")
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "not a file of accepted levels"),
        ('{"schema": 1}', "missing required field `levels`"),
        ('{"schema": 2, "levels": []}', "schema 2 is unknown"),
        (json.dumps({"schema": 1, "levels": [ENTRY | {"reason": " "}]}), f"entry 0 .{RATE}.: it gives no reason"),
        (json.dumps({"schema": 1, "levels": [ENTRY, ENTRY | {"since": "May"}]}), "entry 1 .*since 'May' is no ISO"),
        (json.dumps({"schema": 1, "levels": [ENTRY | {"until": "2027"}]}), "unknown field `until`"),
    ],
)
def test_a_damaged_file_is_named_and_not_written_over(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / NAME
    path.write_text(content, encoding="utf-8")
    for attempt in (lambda: read_levels(tmp_path), lambda: accept(tmp_path, RATE, "2026-01-05", "new")):
        with pytest.raises(LedgerError, match=why) as caught:
            attempt()
        assert str(path) in caught.value.message
    assert path.read_text(encoding="utf-8") == content


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "nights").write_text("a file", encoding="utf-8")
    with pytest.raises((StorageError, LedgerError)):
        accept(tmp_path / "nights", RATE, "2026-01-05", "new")
