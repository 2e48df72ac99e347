"""Records go in and come out unchanged; edited ones are refused and the others still used."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from ledger_samples import sample_arrays, sample_record
from numpy.typing import NDArray

from harness.errors import LedgerError, StorageError
from harness.ledger import canonical
from harness.ledger.record import Deviation
from harness.ledger.store import Ledger, Stored, read

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBER = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
VALUES = st.dictionaries(TEXT, NUMBER | TEXT, max_size=4)
DTYPES = st.sampled_from(
    [np.uint8, np.uint16, np.int16, np.int32, np.int64, np.float32, np.float64, np.bool_, ">i4", ">f8"]
)
ARRAY = arrays_of.arrays(DTYPES, arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def only(ledger: Ledger, **options: Any) -> Stored:
    (stored,) = ledger.records(**options)
    return stored


def same(left: dict[str, NDArray[Any]], right: dict[str, NDArray[Any]]) -> bool:
    return left.keys() == right.keys() and all(
        left[name].shape == right[name].shape
        and left[name].dtype == right[name].dtype.newbyteorder("=")
        and np.ascontiguousarray(left[name]).tobytes()
        == np.ascontiguousarray(right[name].astype(left[name].dtype)).tobytes()
        for name in left
    )


@settings(max_examples=60, deadline=None)
@given(
    recipe=st.dictionaries(TEXT, PLAIN, max_size=4),
    values=VALUES,
    log=st.lists(VALUES, max_size=3).map(tuple),
    deviations=st.lists(st.builds(Deviation, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT), max_size=2).map(tuple),
    seconds=st.integers(0, 10**6) | st.floats(0, 1e6),
    arrays=st.dictionaries(st.sampled_from(["ranks", "confusion", "seconds"]), ARRAY, max_size=3),
)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, NDArray[Any]], **content: Any) -> None:
    record = sample_record(**content)
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    stored = ledger.append(record, arrays)
    again = only(ledger, paper="drn", verify_arrays=True)
    assert again == stored
    assert ledger.refused == ()
    for name in ("recipe", "values", "log", "deviations", "seconds", "data", "code", "environment", "evidence", "seed"):
        assert getattr(again.record, name) == getattr(record, name)
    assert same(again.arrays(), arrays)


def test_the_digest_depends_on_content_alone(ledger: Ledger) -> None:
    first = ledger.append(sample_record(), sample_arrays())
    shuffled = dict(reversed(sample_record().recipe.items()))
    arrays = {name: np.asfortranarray(array) for name, array in reversed(sample_arrays().items())}
    second = ledger.append(sample_record(recipe=shuffled), arrays)
    assert first == second
    assert ledger.append(sample_record(seed=1), sample_arrays()).digest != first.digest
    changed = sample_arrays() | {"ranks": sample_arrays()["ranks"].astype(np.int16)}
    assert ledger.append(sample_record(), changed).digest != first.digest


def test_the_digest_never_changes(ledger: Ledger) -> None:
    """Written down once: another value would orphan every ledger there is."""
    arrays = {"ranks": np.arange(6, dtype=np.uint16), "confusion": np.eye(3, dtype=np.int32)[None]}
    stored = ledger.append(sample_record(), arrays)
    by_hand = bytes([0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0])
    assert stored.record.arrays["ranks"].sha256 == hashlib.sha256(by_hand).hexdigest()
    assert stored.digest == "bf338f63f41764d4ebea24a8b9b43d5537927ac183e50d3d680bcf3cdfbfbac5"
    assert stored.path == ledger.root / "drn" / "scenes" / f"{stored.digest[:16]}.json"


def test_numpy_reads_the_arrays_without_us(ledger: Ledger) -> None:
    stored = ledger.append(sample_record(), sample_arrays())
    with np.load(stored.path.with_suffix(".npz"), allow_pickle=False) as archive:
        assert same(dict(archive), sample_arrays())


def test_a_record_is_appended_once(ledger: Ledger) -> None:
    stored = ledger.append(sample_record(), sample_arrays())
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in ledger.root.rglob("*.*")}
    assert ledger.append(sample_record(), sample_arrays()) == stored
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in ledger.root.rglob("*.*")} == before


def test_records_are_those_of_the_paper_asked_for(ledger: Ledger) -> None:
    ledger.append(sample_record(), {})
    ledger.append(sample_record(paper="hdc"), {})
    assert {stored.record.paper for stored in ledger.records()} == {"drn", "hdc"}
    assert only(ledger, paper="hdc").record.paper == "hdc"
    assert list(Ledger(ledger.root / "nowhere").records()) == []


EDITS = {
    "a seed": lambda text: text.replace('"seed": 0', '"seed": 1'),
    "a value": lambda text: text.replace("21126584", "21126585"),
    "an array's digest": lambda text: text.replace('"sha256": "', '"sha256": "0', 1),
    "a NaN": lambda text: text.replace("12.25", "NaN"),
    "an infinity": lambda text: text.replace("12.25", "1e999"),
    "half a file": lambda text: text[: len(text) // 2],
    "nothing": lambda _: "",
    "a list": lambda _: "[]",
    "no Unicode": lambda text: text.replace("na\u00efve", "\\ud800"),
    "a deep nest": lambda _: "[" * 100_000,
    "a later schema": lambda text: text.replace('"schema": 1', '"schema": 2'),
    "a field's type": lambda text: text.replace('"seed": 0', '"seed": "0"'),
    "a repeated key": lambda text: text.replace('"seed": 0', '"seed": 0, "seed": 7'),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edited_record_is_refused_and_the_others_used(ledger: Ledger, edit: Any) -> None:
    victim = ledger.append(sample_record(), sample_arrays())
    other = ledger.append(sample_record(seed=3), sample_arrays(3))
    original = victim.path.read_text("utf-8")
    edited = edit(original)
    assert edited != original
    victim.path.write_text(edited, "utf-8")
    assert list(ledger.records()) == [other]
    (refused,) = ledger.refused
    assert refused.path == str(victim.path)
    assert refused.reason
    victim.path.write_text(original, "utf-8")
    assert {stored.digest for stored in ledger.records()} == {victim.digest, other.digest}
    assert ledger.refused == ()


def test_reasons_say_what_is_wrong(ledger: Ledger) -> None:
    stored = ledger.append(sample_record(), {})
    text = stored.path.read_text("utf-8")
    stored.path.write_text(text.replace('"seed": 0', '"seed": 1'), "utf-8")
    with pytest.raises(LedgerError, match="edited or damaged") as caught:
        read(stored.path)
    assert str(stored.path) in caught.value.message
    assert caught.value.remedy
    stored.path.write_text(text.replace('"schema": 1', '"schema": 2'), "utf-8")
    with pytest.raises(LedgerError, match="schema 2 is unknown"):
        read(stored.path)
    stored.path.unlink()
    with pytest.raises(LedgerError, match="cannot be read: No such file"):
        read(stored.path)


def test_a_record_of_the_right_digest_but_the_wrong_shape_is_refused(ledger: Ledger) -> None:
    content = {"schema": 1, "paper": "drn", "experiment": "scenes", "seed": "zero"}
    path = ledger.root / "drn" / "scenes" / f"{canonical.digest(content)[:16]}.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(canonical.pretty(content))
    assert list(ledger.records()) == []
    assert "not a record" in ledger.refused[0].reason


def test_layout_and_line_ends_are_not_content(ledger: Ledger) -> None:
    stored = ledger.append(sample_record(), {})
    stored.path.write_bytes(stored.path.read_bytes().replace(b"\n", b"\r\n"))
    assert only(ledger) == stored
    stored.path.write_bytes(canonical.encode(json.loads(stored.path.read_bytes())))
    assert only(ledger) == stored


def test_a_record_in_another_folder_is_refused(ledger: Ledger) -> None:
    stored = ledger.append(sample_record(), {})
    moved = ledger.root / "drn" / "other" / stored.path.name
    moved.parent.mkdir()
    shutil.move(stored.path, moved)
    assert list(ledger.records()) == []
    assert "belongs in drn/scenes" in ledger.refused[0].reason


def test_missing_or_foreign_arrays_are_refused(ledger: Ledger) -> None:
    stored = ledger.append(sample_record(), sample_arrays())
    foreign = ledger.append(sample_record(seed=1), sample_arrays(1))
    archive = stored.path.with_suffix(".npz")
    shutil.copy(foreign.path.with_suffix(".npz"), archive)
    with pytest.raises(LedgerError, match="does not match its digest"):
        stored.arrays()
    assert {kept.digest for kept in ledger.records()} == {stored.digest, foreign.digest}
    assert list(ledger.records(verify_arrays=True)) == [foreign]
    assert "does not match its digest" in ledger.refused[0].reason
    archive.unlink()
    assert list(ledger.records()) == [foreign]
    assert "its arrays are missing" in ledger.refused[0].reason


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_to_the_arrays_passes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    stored = ledger.append(sample_record(), sample_arrays(images=5))
    path = stored.path.with_suffix(".npz")
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), label="cut"):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        found = stored.arrays()
    except LedgerError:
        return
    assert same(found, sample_arrays(images=5))


def test_appending_again_mends_a_damaged_record(ledger: Ledger) -> None:
    stored = ledger.append(sample_record(), sample_arrays())
    stored.path.with_suffix(".npz").write_bytes(b"")
    stored.path.write_text("{}")
    assert ledger.append(sample_record(), sample_arrays()) == stored
    assert only(ledger, verify_arrays=True) == stored


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_not_recorded(ledger: Ledger, number: float) -> None:
    log = ({"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": number})
    with pytest.raises(LedgerError, match=r"drn/scenes, DRN-C-26, seed 0: log\[1\]\.loss is not a finite number"):
        ledger.append(sample_record(log=log), sample_arrays())
    with pytest.raises(LedgerError, match=r"recipe\.optimiser\.rate"):
        ledger.append(sample_record(recipe={"optimiser": {"rate": number}}), {})
    assert not ledger.root.exists()


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.array([1 + 2j]), np.array(["2020"], "M8[Y]")])
def test_only_numbers_are_arrays(ledger: Ledger, array: NDArray[Any]) -> None:
    with pytest.raises(TypeError, match="cannot be recorded"):
        ledger.append(sample_record(), {"ranks": array})


@pytest.mark.parametrize("name", ["../drn", "", "DRN", ".", "a/b"])
def test_names_cannot_leave_the_ledger(ledger: Ledger, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a folder"):
        ledger.append(sample_record(experiment=name), {})


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("")
    with pytest.raises(StorageError, match="cannot write") as caught:
        Ledger(tmp_path / "ledger").append(sample_record(), {})
    assert str(tmp_path / "ledger") in caught.value.message
    assert caught.value.remedy


def test_the_ledger_needs_no_torch() -> None:
    code = "import sys, harness.ledger.store; raise SystemExit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
