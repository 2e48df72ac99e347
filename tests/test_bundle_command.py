"""The commands bundle, sign and verify on a real paper and the ledger of this checkout."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from conftest import without
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from harness.__main__ import main
from harness.bundle.archive import pack, unpack
from harness.bundle.contents import REPORT, ROWS
from harness.errors import ExitCode

LEDGER = Path(__file__).parents[1] / "reports" / "ledger"


def remeasure(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run a command in this process; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["remeasure", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a real paper and some of its records."""
    folder = tmp_path_factory.mktemp("drn")
    for experiment in ("architecture", "throughput"):
        shutil.copytree(LEDGER / "drn" / experiment, folder / "ledger" / "drn" / experiment)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert remeasure(patch, "bundle", "drn", "--ledger", "ledger") == ExitCode.OK
    (path,) = folder.glob("drn-*.zip")
    return path


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "key.pub").write_bytes(public)
    return tmp_path / "key", tmp_path / "key.pub"


def test_a_papers_bundle_verifies_with_its_page(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digits = bundle.stem.removeprefix("drn-")
    assert remeasure(monkeypatch, "verify", bundle, "--digest", digits) == ExitCode.OK
    out = capsys.readouterr().out
    assert f"sha256:{digits}" in out
    assert "report.html was rendered again, to the same bytes" in out
    assert b"<html" in unpack(bundle.read_bytes())[REPORT]
    assert remeasure(monkeypatch, "verify", bundle, "--digest", "0" * 12) == ExitCode.VERIFICATION
    assert remeasure(monkeypatch, "verify", bundle, "--digest", "drn") == ExitCode.USAGE


def test_it_is_signed_and_the_signature_demanded(
    bundle: Path, keys: tuple[Path, Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    private, public = keys
    copy = tmp_path / "copy.zip"
    shutil.copyfile(bundle, copy)
    assert remeasure(monkeypatch, "verify", copy, "--key", public) == ExitCode.VERIFICATION
    assert remeasure(monkeypatch, "sign", copy) == ExitCode.USAGE
    capsys.readouterr()
    assert remeasure(monkeypatch, "sign", copy, "--key", private) == ExitCode.OK
    said = capsys.readouterr().out
    assert "Not signed" not in said
    assert "Signed by SHA256:" in said
    assert remeasure(monkeypatch, "verify", copy, "--key", public) == ExitCode.OK
    assert said == capsys.readouterr().out
    signed = copy.read_bytes()
    ledger = bundle.parent / "ledger"
    assert remeasure(monkeypatch, "bundle", "drn", "--ledger", ledger, "--no-page", "--out", copy) == ExitCode.USAGE
    assert copy.read_bytes() == signed
    (tmp_path / "allowed").write_text("# nobody\n", encoding="ascii")
    assert remeasure(monkeypatch, "verify", copy, "--allowed-signers", tmp_path / "allowed") == ExitCode.VERIFICATION


def test_a_signature_made_by_openssh_is_put_in(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    ssh_keygen = shutil.which("ssh-keygen") or without("ssh-keygen is not installed")
    files, copy, key = unpack(bundle.read_bytes()), tmp_path / "copy.zip", tmp_path / "key"
    copy.write_bytes(pack(files))
    statement = tmp_path / "statement.json"
    statement.write_bytes(files["statement.json"])
    for arguments in (
        ("-q", "-t", "ed25519", "-N", "", "-f", str(key)),
        ("-q", "-Y", "sign", "-n", "remeasure-bundle", "-f", str(key), str(statement)),
    ):
        subprocess.run([ssh_keygen, *arguments], check=True, capture_output=True, timeout=60)
    assert remeasure(monkeypatch, "sign", copy, "--signature", f"{statement}.sig") == ExitCode.OK
    (tmp_path / "allowed").write_text(f"me {key.with_suffix('.pub').read_text()}", encoding="ascii")
    assert remeasure(monkeypatch, "verify", copy, "--allowed-signers", tmp_path / "allowed") == ExitCode.OK
    statement.write_bytes(files["statement.json"] + b"\n")
    (tmp_path / "statement.json.sig").unlink()
    subprocess.run(
        [ssh_keygen, "-q", "-Y", "sign", "-n", "remeasure-bundle", "-f", str(key), str(statement)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    before = copy.read_bytes()
    assert remeasure(monkeypatch, "sign", copy, "--signature", f"{statement}.sig") == ExitCode.VERIFICATION
    assert copy.read_bytes() == before


def test_a_tampered_bundle_is_neither_verified_nor_signed(
    bundle: Path, keys: tuple[Path, Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    files = unpack(bundle.read_bytes())
    rows = json.loads(files[ROWS])
    place = next(place for place, row in enumerate(rows) if row["kind"] == "claim" and row["measured"])
    at = files[ROWS].index(rows[place]["measured"][0]["estimate"].encode())
    changed = bytearray(files[ROWS])
    changed[at] = ord("9") if changed[at] != ord("9") else ord("8")
    tampered = tmp_path / "tampered.zip"
    tampered.write_bytes(pack({**files, ROWS: bytes(changed)}))
    for command in (("verify", tampered), ("sign", tampered, "--key", keys[0])):
        before = tampered.read_bytes()
        assert remeasure(monkeypatch, *command) == ExitCode.VERIFICATION
        assert "rows.json has the sha256" in capsys.readouterr().err
        assert tampered.read_bytes() == before


def test_what_is_not_there_is_a_mistake_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert remeasure(monkeypatch, "verify", tmp_path / "absent.zip") == ExitCode.USAGE
    assert remeasure(monkeypatch, "bundle", "dnr", "--out", tmp_path / "x.zip") == ExitCode.USAGE
    assert not (tmp_path / "x.zip").exists()
