"""Keys that sign bundles, all ed25519: in PEM or as OpenSSH writes them; and who may sign, as OpenSSH lists it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_TYPE = b"ssh-ed25519"
OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
LINE = re.compile(
    r'(?P<principals>"[^"]*"|\S+)\s+(?:(?P<options>(?:[^\s"]|"[^"]*")+)\s+)?'
    r"(?P<type>(?:sk-)?(?:ssh|ecdsa)-[\w@.-]+)\s+(?P<key>[A-Za-z0-9+/]+=*)(?:\s.*)?"
)
OPTION = re.compile(r'(?P<name>[\w-]+)(?:="(?P<quoted>[^"]*)"|=(?P<plain>[^,"]*))?(?:,|$)')
MOMENTS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""How OpenSSH writes a moment, by the number of digits."""


@dataclass(frozen=True)
class AllowedSigner:
    """A line of an ``allowed_signers`` file (ssh-keygen(1), ALLOWED SIGNERS).

    Attributes:
        key: The raw public key, 32 bytes.
        namespaces: Patterns of what may be signed; empty for anything.
        after, before: The first and last moment at which the key is valid; None without such a limit.
    """

    principals: str
    key: bytes
    namespaces: tuple[str, ...] = ()
    after: datetime | None = None
    before: datetime | None = None

    def fault(self, namespace: str, now: datetime) -> str:
        """Say why this signer may not sign; empty if it may."""
        patterns = self.namespaces
        refused = any(fnmatchcase(namespace, pattern[1:]) for pattern in patterns if pattern.startswith("!"))
        if patterns and (refused or not any(fnmatchcase(namespace, pattern) for pattern in patterns)):
            return f"{self.principals} may not sign {namespace}"
        if self.after is not None and now < self.after:
            return f"the key of {self.principals} is not valid before {self.after.isoformat()}"
        if self.before is not None and now > self.before:
            return f"the key of {self.principals} has expired on {self.before.isoformat()}"
        return ""


def private_key(path: Path) -> tuple[Ed25519PrivateKey, bool]:
    """Read a private key; also return whether it is an SSH key.

    Raises:
        UsageError: It cannot be read, is protected by a passphrase, or is not an ed25519 key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    content = _read(path)
    ssh = content.lstrip().startswith(OPENSSH)
    try:
        key = load_ssh_private_key(content, None) if ssh else load_pem_private_key(content, None)
    except TypeError as error:
        raise UsageError(f"{path} is protected by a passphrase", _ELSEWHERE) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} holds no private key: {error}", _MAKE) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} is not an ed25519 key", _MAKE)
    return key, ssh


def public_key(path: Path) -> bytes:
    """Read a public key in PEM, or the line of an OpenSSH ``.pub`` file; return its 32 bytes.

    Raises:
        UsageError: It cannot be read, or is not an ed25519 key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

    content = _read(path)
    try:
        pem = content.lstrip().startswith(b"-----BEGIN")
        key = load_pem_public_key(content) if pem else load_ssh_public_key(content.strip())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} holds no public key: {error}", "Give a public key in PEM, or a .pub file.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{path} is not an ed25519 key", "Bundles are signed by ed25519 keys.")
    return key.public_bytes_raw()


def allowed_signers(path: Path) -> tuple[AllowedSigner, ...]:
    """Read an ``allowed_signers`` file; keys of other kinds than ed25519, and authorities, sign no bundles.

    Raises:
        UsageError: A line cannot be read.
    """
    return tuple(_signers(path, _read(path).decode("utf-8", "replace")))


def _signers(path: Path, text: str) -> Iterator[AllowedSigner]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise UsageError(f"{path}:{number}: not a line of an allowed_signers file", "See ssh-keygen(1).")
        try:
            options = _options(match["options"] or "")
            if match["type"] == KEY_TYPE.decode() and "cert-authority" not in options:
                namespaces = tuple(filter(None, options.get("namespaces", "").split(",")))
                moments = (_moment(options.get(name)) for name in ("valid-after", "valid-before"))
                yield AllowedSigner(match["principals"].strip('"'), raw_key(match["key"]), namespaces, *moments)
        except ValueError as error:
            raise UsageError(f"{path}:{number}: {error}", "See ssh-keygen(1).") from error


def raw_key(text: str) -> bytes:
    """Return the 32 bytes of an ed25519 key as OpenSSH writes it, in base64.

    Raises:
        ValueError: It is no such key.
    """
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the key is not base64: {error}") from error
    if len(blob) != len(wire(KEY_TYPE)) + 4 + 32 or blob != wire(KEY_TYPE, blob[-32:]):
        raise ValueError("the key is not an ed25519 key")
    return blob[-32:]


def wire(*strings: bytes) -> bytes:
    """Return strings as SSH sends them: each after its length in four bytes (RFC 4251, section 5)."""
    return b"".join(len(string).to_bytes(4, "big") + string for string in strings)


def _options(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = OPTION.match(text, at)
        if match is None or match["name"].lower() in found:
            raise ValueError(f"the options {text!r} cannot be read")
        found[match["name"].lower()] = match["quoted"] or match["plain"] or ""
        at = match.end()
    if unknown := set(found) - {"namespaces", "valid-after", "valid-before", "cert-authority"}:
        raise ValueError(f"unknown option {min(unknown)!r}")
    return found


def _moment(text: str | None) -> datetime | None:
    """Read a moment in local time, or in UTC if a Z follows."""
    if text is None:
        return None
    digits = text.removesuffix("Z")
    if len(digits) not in MOMENTS or not (digits.isascii() and digits.isdecimal()):
        raise ValueError(f"{text!r} is not a moment such as 20261121 or 202611212030Z")
    moment = datetime.strptime(digits, MOMENTS[len(digits)])
    return moment.replace(tzinfo=UTC) if text.endswith("Z") else moment.astimezone()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "Name a file that can be read.") from error


_MAKE = "Make one: ssh-keygen -t ed25519 -f KEY, or openssl genpkey -algorithm ed25519 -out KEY."
_ELSEWHERE = (
    "Sign with ssh-keygen -Y sign -n remeasure-bundle -f KEY statement.json (the file is in the bundle), "
    "then: remeasure sign BUNDLE --signature statement.json.sig"
)
