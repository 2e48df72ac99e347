"""A bundle verifies where neither torch nor the paper's code is; whatever is changed in it is found and named."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bundle_samples import IMAGENET, experiments, fill, leaves, put, restated, small_bundle, tiny_bundle, with_rows
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from scoring_samples import classified, mini_paper, record_of

from harness.audit.run import audit
from harness.bundle.archive import pack
from harness.bundle.build import build
from harness.bundle.contents import DECLARED, DSSE, RECORD, RECORDS, REPORT, ROWS, SSH, STATEMENT, recompute
from harness.bundle.rows import rows_of, stated
from harness.bundle.signatures import signed
from harness.bundle.verify import opened, read, verify
from harness.errors import ExitCode, UsageError, VerificationError
from harness.ledger import canonical
from harness.ledger.store import Ledger
from harness.scoring.declared import declare
from harness.scoring.join import join
from harness.scoring.model import Results

ROOT = Path(__file__).parents[1]
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return small_bundle(tmp_path_factory.mktemp("bundle"))


def _with_record(files: Files, old: str, record: dict[str, object]) -> Files:
    """Put a record in the place of another, with its arrays, under the name that it then has; adapt the digests."""
    stem = old.removesuffix(".json")
    fresh = f"{old.rpartition('/')[0]}/{canonical.digest(record)[:16]}"
    kept = {name: content for name, content in files.items() if not name.startswith(stem)}
    arrays = {f"{fresh}.npz": files[f"{stem}.npz"]} if f"{stem}.npz" in files else {}
    return restated({**kept, **arrays, f"{fresh}.json": canonical.pretty(record)})


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Signed twice."""
    folder = tmp_path_factory.mktemp("tiny")
    made = tiny_bundle(folder)
    for name, form in (("pem", PrivateFormat.PKCS8), ("ssh", PrivateFormat.OpenSSH)):
        key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, form, NoEncryption())
        (folder / name).write_bytes(key)
        made = signed(made, folder / name)
    assert {DSSE, SSH} < set(made)
    return made


def test_a_bundle_is_the_same_bytes_each_time(files: Files, tmp_path: Path) -> None:
    assert pack(small_bundle(tmp_path)) == pack(files)


def test_a_bundle_verifies_and_says_what_it_is(files: Files) -> None:
    verified = verify(opened(pack(files)), None)
    assert (verified.paper, verified.title, verified.signatures) == ("mini", "Mini", ())
    assert (verified.records, verified.rows) == (10, len(json.loads(files[ROWS])))
    assert verified.result == json.loads(files[STATEMENT])["predicate"]["result"]


def test_the_numbers_are_those_of_the_whole_ledger(files: Files, tmp_path: Path) -> None:
    """Records that are stale or damaged stay behind, and are told of."""
    ledger, paper = Ledger(tmp_path / "ledger"), mini_paper(tmp_path)
    fill(ledger)
    whole = join(paper, audit(paper), experiments(), ledger)
    assert stated(rows_of(whole)) == json.loads(files[ROWS])
    assert {Path(name).stem for name in files if RECORD.fullmatch(name)} == {digest[:16] for digest in whole.records}
    declared = json.loads(files[DECLARED])
    assert declared["stale"] == list(whole.stale)
    assert (len(declared["stale"]), len(declared["refused"])) == (1, 2)
    assert str(tmp_path.parent) not in files[DECLARED].decode()
    again = recompute(files, None).results
    assert (again.stale, again.superseded, len(again.refused)) == (whole.stale, whole.superseded, len(whole.refused))


def test_what_was_declared_stands_for_the_experiments(tmp_path: Path) -> None:
    ledger, paper = Ledger(tmp_path / "ledger"), mini_paper(tmp_path)
    fill(ledger)
    by_code, by_data = (
        join(paper, audit(paper), them, ledger) for them in (experiments(), [declare(e) for e in experiments()])
    )
    assert (by_code.claims, by_code.relations) == (by_data.claims, by_data.relations)


def test_any_flipped_byte_is_found(tiny: Files) -> None:
    """One bit of each byte, of headers, contents, signatures and directory alike."""
    content = pack(tiny)
    verify(opened(content), None)
    assert len(content) > 8_000
    for at in range(len(content)):
        _flipped(content, at, 1 << at % 8)


@pytest.mark.long
def test_any_flipped_bit_is_found(tiny: Files, files: Files) -> None:
    for content in (pack(tiny), pack(files)):
        for at in range(8 * len(content)):
            _flipped(content, at // 8, 1 << at % 8)


def _flipped(content: bytes, at: int, flip: int) -> None:
    changed = bytearray(content)
    changed[at] ^= flip
    with pytest.raises(VerificationError):
        opened(bytes(changed))


def test_any_value_of_a_byte_is_found(tiny: Files) -> None:
    content = pack(tiny)
    for at in range(0, len(content), 499):
        for flip in range(1, 256):
            _flipped(content, at, flip)


def test_each_edited_number_is_found_though_its_digest_fits(files: Files) -> None:
    """A sample of numbers through the whole of it; each digit of every number is tried in test_bundle_rows."""
    numbers = [path for path, leaf in leaves(json.loads(files[ROWS])) if isinstance(leaf, str) and "." in leaf]
    assert len(numbers) > 100

    def edit(rows: list[object], path: tuple[int | str, ...]) -> None:
        text = next(leaf for way, leaf in leaves(rows) if way == path)
        put(rows, path, text[:-1] + str((int(text[-1]) + 5) % 10))

    for path in numbers[::9]:
        forged = with_rows(files, lambda rows, path=path: edit(rows, path))
        assert opened(pack(forged)) == forged
        with pytest.raises(VerificationError, match=rf"row {path[0] + 1} \("):
            verify(forged, None)


def test_all_rows_that_fail_are_listed(files: Files) -> None:
    def edit(rows: list[dict[str, str]]) -> None:
        for row in rows[2:5]:
            row["claimed"] = "99.9"

    with pytest.raises(VerificationError) as caught:
        verify(with_rows(files, edit), None)
    for number in (3, 4, 5):
        assert f"row {number} (claim " in caught.value.message
    assert caught.value.exit_code is ExitCode.VERIFICATION


def test_every_two_swapped_records_are_found(files: Files) -> None:
    """By their digests; and, where those were worked out again, by what the records themselves say."""
    names = sorted(name for name in files if RECORD.fullmatch(name))
    swaps = [pair for pair in itertools.combinations(names, 2) if pair[0][-4:] == pair[1][-4:]]
    assert len(swaps) == 45 + 28
    for place, (one, other) in enumerate(swaps):
        swapped = {**files, one: files[other], other: files[one]}
        with pytest.raises(VerificationError, match=one):
            opened(pack(swapped))
        if place % 5 == 0:
            forged = restated(swapped)
            with pytest.raises(VerificationError, match=Path(one).stem):
                verify(opened(pack(forged)), None)


def test_every_removed_added_or_renamed_file_is_found(files: Files) -> None:
    for name in files:
        less = {other: content for other, content in files.items() if other != name}
        renamed = {**less, f"{name}x": files[name]}
        for changed in (less, renamed, {**files, f"{name}x": b""}):
            with pytest.raises(VerificationError, match=r"missing|listed|belong"):
                opened(pack(changed))
        if name != STATEMENT:
            with pytest.raises(VerificationError):
                verify(opened(pack(restated(less))), None)
        with pytest.raises(VerificationError, match="does not belong"):
            opened(pack(restated({**files, f"{name}x": b""})))
    unlisted = f"{RECORDS}/scenes/{'0' * 16}.json"
    with pytest.raises(VerificationError, match=f"{unlisted} is not listed"):
        opened(pack({**files, unlisted: b"{}"}))


def test_another_measurement_in_place_of_a_record_is_found(files: Files, tmp_path: Path) -> None:
    """A valid record of the same unit, under its own name, with every digest worked out again."""
    released = experiments()[1]
    (old,) = (n for n in files if "/released/" in n and n.endswith(".json") and b'"Plain"' in files[n])
    better = Ledger(tmp_path).append(record_of(released, "Plain", data=IMAGENET), classified(0.2, 0))
    kept = {name: content for name, content in files.items() if not name.startswith(old.removesuffix(".json"))}
    for path in (better.path, better.path.with_suffix(".npz")):
        kept[f"records/released/{path.name}"] = path.read_bytes()
    forged = restated(kept)
    with pytest.raises(VerificationError, match=r"claim t1/plain/top1\): measured\[0\]\.estimate is stated as"):
        verify(opened(pack(forged)), None)


def test_one_more_record_is_found(files: Files, tmp_path: Path) -> None:
    scenes = experiments()[2]
    old = Ledger(tmp_path).append(
        record_of(scenes, "Plain", 0, started="2024-01-01T00:00:00+00:00"), classified(0.9, 1)
    )
    more = {f"records/scenes/{path.name}": path.read_bytes() for path in (old.path, old.path.with_suffix(".npz"))}
    with pytest.raises(VerificationError, match=f"{old.path.stem}: "):
        verify(opened(pack(restated({**files, **more}))), None)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("claims.toml", b'rows."Plain" = ["30.0"', b'rows."Plain" = ["31.0"', "t1/plain/top1"),
        ("claims.toml", b'key = "mini"', b'key = "maxi"', "maxi"),
        ("claims.toml", b"[paper]", b"[papier]", "claims.toml"),
        ("declared.json", b'"value": 0.5', b'"value": 60.5', "claim t1/"),
        ("declared.json", b'"evidence": "synthetic"', b'"evidence": "released-weights"', "no number rests on it"),
        ("declared.json", b'"evidence": "synthetic"', b'"evidence": "certain"', "certain"),
        ("declared.json", b'"epochs": 8', b'"variants": []', "not names of systems"),
        ("declared.json", b'"format": 1', b'"format": 2', "format 2"),
        ("declared.json", b'"paper": "mini"', b'"paper":  "mini"', "not spelt"),
        ("rows.json", b"[", b"{", "not JSON"),
        ("rows.json", b'"n": 0', b'"n": NaN', "not JSON"),
        ("statement.json", b'"FAILED"', b'"PASSED"', "does not say"),
        ("statement.json", b"claim t1/plain/params", b"claim t1/plain/rate", "does not say"),
        ("statement.json", b"Statement/v1", b"Statement/v2", "does not say"),
    ],
)
def test_edited_inputs_are_found_though_their_digests_fit(
    files: Files, name: str, old: bytes, new: bytes, said: str
) -> None:
    assert old in files[name]
    changed = {**files, name: files[name].replace(old, new, 1)}
    forged = changed if name == STATEMENT else restated(changed)
    with pytest.raises(VerificationError, match=said):
        verify(opened(pack(forged)), None)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("arrays", "ranks", "shape"), [1 << 40], "bytes of arrays"),
        (("arrays", "ranks", "shape"), [-1], "no array has"),
        (("arrays", "ranks", "dtype"), "object", "no array has"),
        (("arrays",), {}, "has no arrays, but a file of arrays"),
        (("recipe", "variants"), {"crf": 1}, "not names of systems"),
        (("complete",), False, "stopped early"),
        (("seed",), 5, r"claim t1/plain/top1\): measured\[0\]\.records\[0\]"),
        (("schema",), 9, "schema 9"),
        (("paper",), "other", "belongs in other/released"),
    ],
)
def test_a_record_that_says_otherwise_is_found_though_its_digests_fit(
    files: Files, path: tuple[str, ...], value: object, said: str
) -> None:
    """Nothing is unpacked that is larger than any record's arrays."""
    name = next(n for n in files if "/released/" in n and n.endswith(".json") and b'"Plain"' in files[n])
    record = json.loads(files[name])
    put(record, path, value)
    with pytest.raises(VerificationError, match=said):
        verify(opened(pack(_with_record(files, name, record))), None)


def test_the_page_is_rendered_again(tmp_path: Path) -> None:
    ledger, paper = Ledger(tmp_path / "ledger"), mini_paper(tmp_path)
    fill(ledger)

    def page(results: Results, _arrays: object) -> str:
        return "\n".join(f"{m.system} {m.metric} {m.estimate:.2f}" for m in results.measurements)

    made = build(paper, audit(paper), experiments(), ledger, page)
    assert "again, to the same bytes" in verify(made, page).page
    assert "nothing here renders" in verify(made, None).page
    forged = restated({**made, REPORT: made[REPORT].replace(b"Plain", b"Plane", 1)})
    with pytest.raises(VerificationError, match=r"report\.html is not what"):
        verify(forged, page)
    other = json.loads(made[DECLARED])
    other["program"] = "0" * 64
    moved_on = restated({**made, DECLARED: canonical.pretty(other)})
    assert "other code made it" in verify(moved_on, page).page


def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "absent.zip")
    for content in (b"", b"PK\x03\x04", bytes(100), np.random.default_rng(0).bytes(5000), pack({}), pack({"a": b"1"})):
        (tmp_path / "other.zip").write_bytes(content)
        with pytest.raises(VerificationError, match=r"other\.zip"):
            read(tmp_path / "other.zip")


BLOCKED = """
import sys
for name in ("torch", "torchvision", "reproductions", "jinja2", "pandas", "rich", "scoring_samples", "cryptography"):
    sys.modules[name] = None
from harness.__main__ import main
main()
"""


def test_it_takes_neither_torch_nor_the_papers_code(files: Files, tmp_path: Path) -> None:
    """In a process where these cannot be imported; and the paper is one that no package there has."""
    forged = with_rows(files, lambda rows: rows[0].update(claimed="1.0"))
    good, bad = _verified_elsewhere(files, tmp_path), _verified_elsewhere(forged, tmp_path)
    assert good.returncode == ExitCode.OK, good.stderr
    assert "48 rows from 10 records, all as stated" in good.stdout
    assert "Not signed" in good.stdout
    assert bad.returncode == ExitCode.VERIFICATION, bad.stderr
    assert "row 1 (claim t1/plain/top1): claimed is stated as 1.0, the records give 30.0" in bad.stderr
    assert "Traceback" not in bad.stderr


def test_other_arithmetic_gives_the_same_rows(files: Files, tmp_path: Path) -> None:
    """With the matrix kernels and vector instructions of an older processor, the last bits come out otherwise."""
    older = {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512_SKX"}
    done = _verified_elsewhere(files, tmp_path, **older)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "all as stated" in done.stdout


def _verified_elsewhere(files: Files, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "bundle.zip").write_bytes(pack(files))
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, "verify", str(folder / "bundle.zip")],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
