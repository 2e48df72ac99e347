"""``remeasure bundle``, ``sign`` and ``verify``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import existing_ledger_option
from harness.packages import REPORTS, missing, require

if TYPE_CHECKING:
    from harness.bundle.contents import Page
    from harness.bundle.signatures import Signature
    from harness.bundle.verify import Verified

FILE = click.Path(path_type=Path, dir_okay=False)
NAME_DIGITS = 12
NUMBERS, SIGNATURES = ("scipy",), ("cryptography",)
RESULTS = {
    "PASSED": "everything the paper says was tested and held",
    "WARNED": "nothing failed, but not everything was tested and held",
    "FAILED": "something the paper says did not hold",
}


@click.command()
@click.argument("paper")
@click.option("--out", type=FILE, help="Where to; PAPER-DIGEST.zip in this folder if not given.")
@click.option("--sign", "key", type=FILE, help="An ed25519 key, in PEM or of SSH, to sign it with.")
@click.option("--page/--no-page", default=True, help="With the report as people read it, or with its numbers alone.")
@existing_ledger_option
def bundle(paper: str, out: Path | None, key: Path | None, page: bool, ledger: Path) -> None:
    """Put the report of PAPER, the records its numbers rest on and a statement of what came out into one file.

    A file that is there is not replaced: it may be signed.
    """
    from harness.audit.run import audit
    from harness.bundle.build import build
    from harness.bundle.contents import digest_of
    from harness.bundle.signatures import signed
    from harness.claims.papers import find_paper
    from harness.errors import UsageError
    from harness.experiment import Options, experiments_of
    from harness.ledger.store import Ledger

    require(*(REPORTS if page else NUMBERS))
    claims = find_paper(paper)
    files = build(
        claims, audit(claims), experiments_of(paper)(Options()), Ledger(ledger), _renderer() if page else None
    )
    if key is not None:
        files = signed(files, key)
    digest = digest_of(files)
    path = out or Path(f"{claims.key}-{digest[:NAME_DIGITS]}.zip")
    if path.exists():
        raise UsageError(f"{path} is there already, perhaps signed", "Name another file: --out FILE.")
    _write(path, files)
    click.echo(f"{path}: {path.stat().st_size:,} bytes\nsha256:{digest}")


@click.command()
@click.argument("bundle", type=FILE)
@click.option("--key", type=FILE, help="An ed25519 key, in PEM or of SSH.")
@click.option("--signature", type=FILE, help="What ssh-keygen -Y sign -n remeasure-bundle wrote of statement.json.")
def sign(bundle: Path, key: Path | None, signature: Path | None) -> None:
    """Sign BUNDLE, once everything in it has been verified."""
    from harness.bundle.contents import SSH
    from harness.bundle.signatures import signatures, signed
    from harness.bundle.verify import read
    from harness.errors import UsageError

    if (key is None) == (signature is None):
        raise UsageError("neither or both of --key and --signature are given", "Give one of them.")
    files = read(bundle)
    _say(_verified(files))
    if key is not None:
        files = signed(files, key)
    elif signature is not None:
        try:
            files[SSH] = signature.read_bytes()
        except OSError as error:
            raise UsageError(f"{signature} cannot be read: {error.strerror}") from error
    found = signatures(files)
    _write(bundle, files)
    _say_signers(found)


@click.command()
@click.argument("bundle", type=FILE)
@click.option("--key", type=FILE, help="Demand a signature by this public key (PEM, or a .pub file of SSH).")
@click.option("--allowed-signers", "signers", type=FILE, help="Demand one by an SSH key listed there, valid now.")
@click.option("--digest", help="Demand this sha256, or its first digits: 12 at least.")
def verify(bundle: Path, key: Path | None, signers: Path | None, digest: str | None) -> None:
    """Work out every number of BUNDLE again from raw outcomes. Needs neither torch nor the paper's code."""
    from datetime import UTC, datetime

    from harness.bundle.contents import digest_of
    from harness.bundle.keys import allowed_signers, public_key
    from harness.bundle.signatures import demand_key, demand_signer, signatures
    from harness.bundle.verify import demand_digest, read

    require(*NUMBERS, *(SIGNATURES if key or signers else ()))
    files = read(bundle)
    if digest is not None:
        demand_digest(digest_of(files), digest)
    found = signatures(files)
    if key is not None:
        demand_key(found, public_key(key))
    allowed = None if signers is None else demand_signer(found, allowed_signers(signers), datetime.now(UTC))
    _say(_verified(files))
    _say_signers(found)
    if allowed is not None:
        click.echo(f"An allowed signer: {allowed}")


def _verified(files: Mapping[str, bytes]) -> Verified:
    from harness.bundle.verify import verify

    return verify(files, None if missing(*REPORTS) else _renderer())


def _say(verified: Verified) -> None:
    click.echo(f"{verified.title}: {verified.rows:,} rows from {verified.records:,} records, all as stated")
    click.echo(f"Result: {verified.result}, that is, {RESULTS[verified.result]}")
    click.echo(f"{verified.page}\nsha256:{verified.digest}")


def _say_signers(found: Sequence[Signature]) -> None:
    for signature in found:
        click.echo(f"Signed by {signature.fingerprint} ({'SSH' if signature.ssh else 'PEM'} key)")
    if not found:
        click.echo("Not signed")


def _renderer() -> Page:
    from harness.reports.render import page

    return page


def _write(path: Path, files: Mapping[str, bytes]) -> None:
    from harness.bundle.archive import pack
    from harness.errors import StorageError
    from harness.files import write_atomically

    try:
        content = pack(files)
    except ValueError as error:
        raise StorageError(
            f"{path} cannot be written: {error}", "Bundle fewer records, or leave the page out."
        ) from error
    write_atomically(path, content)
