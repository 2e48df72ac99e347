"""Signatures of a bundle's statement, in it: each of its bytes follows from the public key and the signature proper.

A PEM key gives a DSSE envelope (secure-systems-lab/dsse, protocol.md and envelope.md): ed25519 over the
pre-authentication encoding of the statement; ``keyid`` is the public key itself in hexadecimal. An SSH key gives what
``ssh-keygen -Y sign -n remeasure-bundle`` writes (OpenSSH, PROTOCOL.sshsig): ed25519 over the statement's sha512 under
that namespace. So either can be checked without this program.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.bundle.archive import REMEDY, Files
from harness.bundle.contents import DSSE, SSH, STATEMENT
from harness.bundle.keys import KEY_TYPE, AllowedSigner, private_key, wire
from harness.errors import VerificationError
from harness.ledger import canonical
from harness.packages import require

PAYLOAD_TYPE = "application/vnd.in-toto+json"
NAMESPACE = "remeasure-bundle"
KEY_BYTES, SIGNATURE_BYTES, ARMOR_WIDTH = 32, 64, 70
_MAGIC, _HASH = b"SSHSIG", b"sha512"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"


@dataclass(frozen=True)
class Signature:
    """A signature that is right.

    Attributes:
        key: The raw public key, 32 bytes.
        ssh: Whether it is an SSH signature.
    """

    key: bytes
    ssh: bool

    @property
    def fingerprint(self) -> str:
        """The key as ``ssh-keygen -l`` names it."""
        return fingerprint(self.key)


def fingerprint(key: bytes) -> str:
    """Return the SHA256 fingerprint of a raw public key as OpenSSH writes it."""
    hashed = hashlib.sha256(wire(KEY_TYPE, key)).digest()
    return f"SHA256:{base64.b64encode(hashed).decode('ascii').rstrip('=')}"


def signed(files: Files, key: Path) -> dict[str, bytes]:
    """Return a bundle's files with a signature; one of the same kind that was there is replaced.

    Raises:
        UsageError: The key cannot be used.
    """
    require("cryptography")
    private, ssh = private_key(key)
    public, statement = private.public_key().public_bytes_raw(), files[STATEMENT]
    if ssh:
        return {**files, SSH: _armored(public, private.sign(_ssh_message(statement)))}
    return {**files, DSSE: _envelope(statement, public, private.sign(_authenticated(statement)))}


def signatures(files: Files) -> tuple[Signature, ...]:
    """Check every signature in a bundle.

    Raises:
        VerificationError: One of them is not right, or spelt in another way than here.
    """
    return tuple(_signatures(files))


def demand_key(found: Sequence[Signature], key: bytes) -> None:
    """Check that a key has signed.

    Raises:
        VerificationError: It has not.
    """
    if not any(signature.key == key for signature in found):
        raise VerificationError(f"it is not signed by {fingerprint(key)}; {_in_words(found)}", REMEDY)


def demand_signer(found: Sequence[Signature], allowed: Sequence[AllowedSigner], now: datetime) -> str:
    """Check that somebody who may has signed with an SSH key that is valid now; return the principals of that key.

    Raises:
        VerificationError: Nobody has, or the key was not valid.
    """
    keys = {signature.key for signature in found if signature.ssh}
    faults = []
    for signer in allowed:
        if signer.key in keys:
            fault = signer.fault(NAMESPACE, now)
            if not fault:
                return signer.principals
            faults.append(fault)
    raise VerificationError(
        f"no allowed signer has signed it: {'; '.join(faults) or _in_words(found)}", REMEDY
    )  # fmt: skip


def _signatures(files: Files) -> Iterator[Signature]:
    if DSSE in files or SSH in files:
        require("cryptography")
    statement = files[STATEMENT]
    if DSSE in files:
        key, signature = _opened(files[DSSE])
        if files[DSSE] != _envelope(statement, key, signature):
            raise VerificationError(f"{DSSE} is not an envelope of the statement, spelt as a bundle's", REMEDY)
        _check(DSSE, key, signature, _authenticated(statement))
        yield Signature(key, ssh=False)
    if SSH in files:
        key, signature = _unarmored(files[SSH])
        if files[SSH] != _armored(key, signature):
            message = f"{SSH} is not a signature by an ed25519 key under the namespace {NAMESPACE}"
            raise VerificationError(message, REMEDY)
        _check(SSH, key, signature, _ssh_message(statement))
        yield Signature(key, ssh=True)


def _check(name: str, key: bytes, signature: bytes, message: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise VerificationError(f"{name}: the signature is not one of the statement by its key", REMEDY) from error


def _authenticated(statement: bytes) -> bytes:
    """Return what a DSSE signature is over."""
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(statement), statement)


def _envelope(statement: bytes, key: bytes, signature: bytes) -> bytes:
    return canonical.pretty(
        {
            "payload": base64.b64encode(statement).decode("ascii"),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": key.hex(), "sig": base64.b64encode(signature).decode("ascii")}],
        }
    )


def _opened(envelope: bytes) -> tuple[bytes, bytes]:
    """Return the key and the signature that an envelope names."""
    try:
        (entry,) = json.loads(envelope)["signatures"]
        return bytes.fromhex(entry["keyid"]), base64.b64decode(entry["sig"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise VerificationError(f"{DSSE} is not an envelope with one signature", REMEDY) from error


def _ssh_message(statement: bytes) -> bytes:
    """Return what an SSH signature is over."""
    return _MAGIC + wire(NAMESPACE.encode("ascii"), b"", _HASH, hashlib.sha512(statement).digest())


def _armored(key: bytes, signature: bytes) -> bytes:
    public = wire(KEY_TYPE, key)
    blob = _MAGIC + (1).to_bytes(4, "big")
    blob += wire(public, NAMESPACE.encode("ascii"), b"", _HASH, wire(KEY_TYPE, signature))
    text = base64.b64encode(blob).decode("ascii")
    lines = (text[at : at + ARMOR_WIDTH] for at in range(0, len(text), ARMOR_WIDTH))
    return "\n".join((_BEGIN, *lines, _END, "")).encode("ascii")


def _unarmored(armored: bytes) -> tuple[bytes, bytes]:
    """Return the key and the signature from where an ed25519 signature has them."""
    try:
        blob = base64.b64decode(b"".join(armored.splitlines()[1:-1]))
    except binascii.Error as error:
        raise VerificationError(f"{SSH} is not base64: {error}", REMEDY) from error
    start = len(_MAGIC) + 4 + 4 + len(wire(KEY_TYPE)) + 4
    return blob[start : start + KEY_BYTES], blob[-SIGNATURE_BYTES:]


def _in_words(found: Sequence[Signature]) -> str:
    if not found:
        return "it has no signature"
    return "it is signed by " + ", ".join(signature.fingerprint for signature in found)
