"""Signatures: checked by OpenSSH and by a second implementation of DSSE; the Statement by in-toto's own classes."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bundle_samples import small_bundle
from conftest import without
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from harness.bundle.archive import pack
from harness.bundle.contents import DSSE, SSH, STATEMENT
from harness.bundle.keys import AllowedSigner, allowed_signers, public_key
from harness.bundle.signatures import NAMESPACE, PAYLOAD_TYPE, demand_key, demand_signer, signatures, signed
from harness.bundle.statement import MARKS, Mark, statement
from harness.bundle.verify import opened, verify
from harness.errors import UsageError, VerificationError
from harness.ledger import canonical
from harness.statistics.evidence import Word

Files = dict[str, bytes]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KeyFile = Callable[[str, PrivateFormat], Path]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return small_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    """Return a function that writes a new ed25519 key and its public half beside it."""

    def write(name: str, form: PrivateFormat) -> Path:
        key, path = Ed25519PrivateKey.generate(), tmp_path / name
        path.write_bytes(key.private_bytes(Encoding.PEM, form, NoEncryption()))
        path.chmod(0o600)
        ssh = form is PrivateFormat.OpenSSH
        public = key.public_key().public_bytes(
            Encoding.OpenSSH if ssh else Encoding.PEM,
            PublicFormat.OpenSSH if ssh else PublicFormat.SubjectPublicKeyInfo,
        )
        path.with_suffix(".pub").write_bytes(public + b"\n")
        return path

    return write


@pytest.fixture(scope="module")
def ssh_keygen() -> str:
    return shutil.which("ssh-keygen") or without(
        "ssh-keygen is not installed (on Debian: apt-get install openssh-client)"
    )


def _run(*command: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=given, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize(("form", "name"), [(PrivateFormat.PKCS8, DSSE), (PrivateFormat.OpenSSH, SSH)])
def test_a_signed_bundle_verifies_and_names_its_key(
    files: Files, key_file: KeyFile, form: PrivateFormat, name: str
) -> None:
    mine, theirs = key_file("mine", form), key_file("theirs", form)
    made = signed(files, mine)
    assert set(made) == {*files, name}
    verified = verify(opened(pack(made)), None)
    (signature,) = verified.signatures
    assert signature.key == public_key(mine.with_suffix(".pub"))
    assert verified.digest == verify(files, None).digest
    demand_key(verified.signatures, public_key(mine.with_suffix(".pub")))
    with pytest.raises(
        VerificationError, match=f"is not signed by SHA256:.*; it is signed by {re.escape(signature.fingerprint)}"
    ):
        demand_key(verified.signatures, public_key(theirs.with_suffix(".pub")))
    with pytest.raises(VerificationError, match="it has no signature"):
        demand_key(signatures(files), public_key(mine.with_suffix(".pub")))
    assert signed(signed(files, theirs), mine) == made


def test_a_signature_of_another_statement_or_key_is_found(files: Files, key_file: KeyFile) -> None:
    other = {**files, STATEMENT: files[STATEMENT].replace(b"FAILED", b"PASSED")}
    for form, name in ((PrivateFormat.PKCS8, DSSE), (PrivateFormat.OpenSSH, SSH)):
        key = key_file("key", form)
        with pytest.raises(VerificationError, match=name.replace(".", r"\.")):
            opened(pack({**files, name: signed(other, key)[name]}))
        for junk in (b"", b"{}", b'{"signatures": [{}]}', b"-----BEGIN SSH SIGNATURE-----\nU1NI\n", b"[]", b"\xff"):
            with pytest.raises(VerificationError, match=name.replace(".", r"\.")):
                opened(pack({**files, name: junk}))
    envelope = json.loads(signed(files, key_file("key", PrivateFormat.PKCS8))[DSSE])
    envelope["signatures"][0]["keyid"] = public_key(key_file("b", PrivateFormat.PKCS8).with_suffix(".pub")).hex()
    with pytest.raises(VerificationError, match="not one of the statement by its key"):
        opened(pack({**files, DSSE: canonical.pretty(envelope)}))


def test_openssh_signs_the_same_bytes_and_verifies_ours(
    files: Files, key_file: KeyFile, ssh_keygen: str, tmp_path: Path
) -> None:
    key = key_file("key", PrivateFormat.OpenSSH)
    made = signed(files, key)
    theirs = _run(ssh_keygen, "-Y", "sign", "-n", NAMESPACE, "-f", str(key), given=files[STATEMENT])
    assert theirs.stdout == made[SSH], theirs.stderr
    (tmp_path / "statement.json.sig").write_bytes(made[SSH])
    public = key.with_suffix(".pub").read_text(encoding="ascii")
    (tmp_path / "allowed").write_text(f"alice@example.org {public}", encoding="ascii")
    check = (ssh_keygen, "-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", "alice@example.org", "-n", NAMESPACE)
    done = _run(*check, "-s", str(tmp_path / "statement.json.sig"), given=files[STATEMENT])
    assert done.returncode == 0, done.stderr
    assert signatures(made)[0].fingerprint in done.stdout.decode()
    assert demand_signer(signatures(made), allowed_signers(tmp_path / "allowed"), NOW) == "alice@example.org"


def test_keys_that_openssh_and_openssl_make_are_read(files: Files, ssh_keygen: str, tmp_path: Path) -> None:
    _run(ssh_keygen, "-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", str(tmp_path / "ssh"))
    (signature,) = signatures(signed(files, tmp_path / "ssh"))
    listed = _run(ssh_keygen, "-l", "-f", str(tmp_path / "ssh.pub")).stdout.decode()
    assert signature.ssh
    assert signature.fingerprint in listed
    assert signature.key == public_key(tmp_path / "ssh.pub")
    openssl = shutil.which("openssl") or without("openssl is not installed")
    _run(openssl, "genpkey", "-algorithm", "ed25519", "-out", str(tmp_path / "pem"))
    _run(openssl, "pkey", "-in", str(tmp_path / "pem"), "-pubout", "-out", str(tmp_path / "pem.pub"))
    made = signed(files, tmp_path / "pem")
    assert signatures(made)[0].key == public_key(tmp_path / "pem.pub")
    entry = json.loads(made[DSSE])
    payload = base64.b64decode(entry["payload"])
    kind = PAYLOAD_TYPE.encode()
    (tmp_path / "message").write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
    (tmp_path / "sig").write_bytes(base64.b64decode(entry["signatures"][0]["sig"]))
    names = ("-inkey", str(tmp_path / "pem.pub"), "-in", str(tmp_path / "message"), "-sigfile", str(tmp_path / "sig"))
    done = _run(openssl, "pkeyutl", "-verify", "-pubin", "-rawin", *names)
    assert done.returncode == 0, done.stderr


def test_keys_that_cannot_sign_are_refused(files: Files, tmp_path: Path) -> None:
    def write(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    locked = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    curve = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for path, said in (
        (write("locked", locked), "passphrase"),
        (write("curve", curve), "not an ed25519 key"),
        (write("junk", b"junk"), "holds no private key"),
        (write("empty", b"-----BEGIN OPENSSH PRIVATE KEY-----\n"), "holds no private key"),
        (tmp_path / "absent", "cannot be read"),
    ):
        with pytest.raises(UsageError, match=said):
            signed(files, path)
        if path.name in ("junk", "empty", "absent"):
            with pytest.raises(UsageError, match=r"holds no public key|cannot be read"):
                public_key(path)


def test_an_ssh_key_with_a_passphrase_is_refused(files: Files, ssh_keygen: str, tmp_path: Path) -> None:
    _run(ssh_keygen, "-q", "-t", "ed25519", "-N", "secret words", "-f", str(tmp_path / "key"))
    with pytest.raises(UsageError, match="passphrase") as caught:
        signed(files, tmp_path / "key")
    assert "ssh-keygen -Y sign" in caught.value.remedy


SIGNERS = {
    "": True,
    'namespaces="remeasure-bundle"': True,
    'namespaces="file,remeasure-*"': True,
    'namespaces="file"': False,
    'namespaces="!remeasure-bundle,*"': False,
    'valid-after="20260101Z"': True,
    'valid-after="20260601120001Z"': False,
    'valid-before="20260601115959Z"': False,
    'valid-before="202606011200Z"': True,
    'valid-after="20260101Z",valid-before="20270101Z",namespaces="remeasure-bundle"': True,
    'valid-before="20200101"': False,
}


@pytest.mark.parametrize(("options", "allowed"), SIGNERS.items())
def test_who_may_sign_when_is_as_openssh_says(
    files: Files, key_file: KeyFile, ssh_keygen: str, tmp_path: Path, options: str, allowed: bool
) -> None:
    key = key_file("key", PrivateFormat.OpenSSH)
    made = signed(files, key)
    kind, blob = key.with_suffix(".pub").read_text(encoding="ascii").split()
    line = " ".join(filter(None, ("alice@example.org", options, kind, blob, "a comment")))
    (tmp_path / "allowed").write_text(f"# who\n\n{line}\n", encoding="ascii")
    (tmp_path / "sig").write_bytes(made[SSH])
    check = (ssh_keygen, "-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", "alice@example.org", "-n", NAMESPACE)
    moment = ("-O", f"verify-time={NOW:%Y%m%d%H%M%S}Z")
    theirs = _run(*check, *moment, "-s", str(tmp_path / "sig"), given=files[STATEMENT])
    if b"verify-time" in theirs.stderr:
        without("this ssh-keygen cannot verify at another moment")
    assert (theirs.returncode == 0) is allowed, theirs.stderr
    signers = allowed_signers(tmp_path / "allowed")
    if allowed:
        assert demand_signer(signatures(made), signers, NOW) == "alice@example.org"
    else:
        with pytest.raises(VerificationError, match=r"may not sign|not valid before|has expired"):
            demand_signer(signatures(made), signers, NOW)


def test_a_signer_who_is_not_listed_or_signed_by_pem_is_refused(files: Files, key_file: KeyFile) -> None:
    ssh, pem = key_file("ssh", PrivateFormat.OpenSSH), key_file("pem", PrivateFormat.PKCS8)
    other = AllowedSigner("bob", public_key(key_file("other", PrivateFormat.OpenSSH).with_suffix(".pub")))
    mine = AllowedSigner("me", public_key(pem.with_suffix(".pub")))
    for made, allowed in ((signed(files, ssh), other), (signed(files, pem), mine), (files, mine)):
        with pytest.raises(VerificationError, match="no allowed signer has signed it"):
            demand_signer(signatures(made), [allowed], NOW)
    expired = AllowedSigner("me", public_key(ssh.with_suffix(".pub")), before=NOW - timedelta(days=1))
    with pytest.raises(VerificationError, match="the key of me has expired on 2026-05-31"):
        demand_signer(signatures(signed(files, ssh)), [expired], NOW)
    renewed = AllowedSigner("me again", expired.key)
    assert demand_signer(signatures(signed(files, ssh)), [expired, renewed], NOW) == "me again"


@pytest.mark.parametrize(
    "line",
    ["alice", "alice ssh-ed25519", "alice ssh-ed25519 AAAA", "alice wrong=1 ssh-ed25519 {key}",
     "alice ssh-ed25519 {key}x", 'alice valid-after="tomorrow" ssh-ed25519 {key}',
     'alice valid-after="20261301" ssh-ed25519 {key}',
     'alice namespaces="a",namespaces="b" ssh-ed25519 {key}'],
)  # fmt: skip
def test_a_line_that_names_no_signer_is_refused(key_file: KeyFile, tmp_path: Path, line: str) -> None:
    key = key_file("key", PrivateFormat.OpenSSH).with_suffix(".pub").read_text(encoding="ascii").split()[1]
    (tmp_path / "allowed").write_text(line.format(key=key), encoding="ascii")
    with pytest.raises(UsageError, match="allowed:1: "):
        allowed_signers(tmp_path / "allowed")


def test_authorities_and_other_kinds_of_keys_sign_no_bundles(key_file: KeyFile, tmp_path: Path) -> None:
    key = key_file("key", PrivateFormat.OpenSSH).with_suffix(".pub").read_text(encoding="ascii").split()[1]
    lines = (
        f"alice cert-authority ssh-ed25519 {key}",
        "bob ssh-rsa AAAAB3NzaC1yc2E=",
        f'"carol,dave" ssh-ed25519 {key}',
    )
    (tmp_path / "allowed").write_text("\n".join(lines), encoding="ascii")
    (only,) = allowed_signers(tmp_path / "allowed")
    assert only.principals == "carol,dave"


def test_another_implementation_of_dsse_verifies_the_envelope(files: Files, key_file: KeyFile) -> None:
    pytest.importorskip("securesystemslib", reason="securesystemslib is not installed")
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError as Unverified
    from securesystemslib.signer import SSlibKey

    key = key_file("key", PrivateFormat.PKCS8)
    envelope = Envelope.from_dict(json.loads(signed(files, key)[DSSE]))
    assert envelope.payload == files[STATEMENT]

    def known(raw: bytes) -> SSlibKey:
        return SSlibKey(public_key(key.with_suffix(".pub")).hex(), "ed25519", "ed25519", {"public": raw.hex()})

    envelope.verify([known(public_key(key.with_suffix(".pub")))], 1)
    with pytest.raises(Unverified):
        envelope.verify([known(public_key(key_file("other", PrivateFormat.PKCS8).with_suffix(".pub")))], 1)


def test_the_statement_is_one_by_in_totos_own_classes(files: Files) -> None:
    pytest.importorskip("in_toto_attestation", reason="in-toto-attestation is not installed")
    from google.protobuf import json_format
    from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
    from in_toto_attestation.v1.statement import Statement

    plain = json.loads(files[STATEMENT])
    parsed = Statement.copy_from_pb(json_format.Parse(files[STATEMENT], statement_pb2.Statement()))
    parsed.validate()
    assert len(parsed.pb.subject) == len(files) - 1
    result = json_format.ParseDict(plain["predicate"], TestResult())
    assert result.result in ("PASSED", "WARNED", "FAILED")
    assert [one.name for one in result.configuration] == ["claims.toml", "declared.json"]
    for one in result.configuration:
        ResourceDescriptor.copy_from_pb(one).validate()
    assert json_format.MessageToDict(result) == plain["predicate"]


def _claim(word: Word, evidence: str | None = "exact") -> dict[str, object]:
    verdict = {"word": word.value, "evidence": evidence, "experiment": "counts"}
    return {"kind": "claim", "id": f"t1/{word.name.lower()}", "verdict": verdict}


def _result(*rows: dict[str, object]) -> Any:
    return statement({}, (), rows)["predicate"]


def test_nothing_but_passes_is_a_pass() -> None:
    passed, warned, unmade = _claim(Word.EXACT), _claim(Word.INCONCLUSIVE), _claim(Word.NOT_MEASURED, None)
    failed, synthetic = _claim(Word.WORSE), _claim(Word.SUPPORTS, "synthetic")
    assert _result(passed)["result"] == "PASSED"
    for other in (warned, unmade, synthetic):
        assert _result(passed, other)["result"] == "WARNED"
        assert _result(passed, other, failed)["result"] == "FAILED"
        assert _result(passed, other)["passedTests"] == ["claim t1/exact (exact counts)"]
    assert _result(unmade)["warnedTests"] == _result(unmade)["passedTests"] == []
    assert set(MARKS) == set(Word)
    assert {word for word, mark in MARKS.items() if mark is Mark.PASSED} == {
        Word.CONSISTENT,
        Word.EXACT,
        Word.REPRODUCED,
        Word.SUPPORTS,
    }
