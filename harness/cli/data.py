"""``remeasure data``: where datasets come from, whether those on disk are whole, and downloads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import FOLDER
from harness.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.datasets.catalogue import Dataset
    from harness.datasets.check import Checked
    from harness.datasets.fetch import Archive


@click.group()
def data() -> None:
    """Find, check and fetch datasets."""


@data.command()
@click.argument("folder", type=FOLDER, metavar="DIR")
@click.option("--set", "keys", multiple=True, metavar="KEY", help="Only this dataset; may be repeated.")
@click.option("--deep", is_flag=True, help="Decode every file: damage, sizes, label values. Takes minutes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(folder: Path, keys: tuple[str, ...], deep: bool, as_json: bool) -> None:
    """Say which datasets lie in DIR, how much of each, and everything that is wrong or missing.

    Exit code 4 if something is wrong or nothing is found. Part of a split is no fault, but claims about the whole
    split cannot be measured on it.
    """
    from harness.cli.console import print_json, progress
    from harness.datasets.catalogue import DATASETS, find_dataset
    from harness.datasets.check import State, check_folder

    datasets = tuple(find_dataset(key) for key in keys) or DATASETS
    with progress() as update:
        found = check_folder(folder, datasets, deep=deep, progress=update)
    if as_json:
        print_json(found)
    else:
        _print_checked(folder, datasets, found)
    missing = {dataset.key for dataset in datasets} - {each.dataset for each in found} if keys else set()
    if not found or missing or any(each.state is State.PROBLEMS for each in found):
        sys.exit(ExitCode.DATA)


@data.command()
@click.argument("key", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def where(key: str | None, as_json: bool) -> None:
    """Say where datasets come from; with KEY, how that one must lie in its folder."""
    from harness.cli.console import print_json, print_table
    from harness.datasets.catalogue import DATASETS, find_dataset

    datasets = (find_dataset(key),) if key else DATASETS
    if as_json:
        print_json([_description(dataset) for dataset in datasets])
    elif key:
        for line in _lines(datasets[0]):
            click.echo(line)
    else:
        rows = [
            (each.key, each.title, each.place, "login" if each.login else "", each.size, "yes" if each.archives else "")
            for each in datasets
        ]
        print_table("Datasets", ("key", "title", "from", "login", "download", "fetch"), rows)


@data.command()
@click.argument("key")
@click.option("--to", "folder", type=FOLDER, required=True, metavar="DIR", help="Where to download and unpack.")
@click.option(
    "--sha256", "digests", multiple=True, metavar="FILE=HEX", help="The SHA-256 of a file for which none is known."
)
def fetch(key: str, folder: Path, digests: tuple[str, ...]) -> None:
    """Download the archives of dataset KEY, check their SHA-256, and unpack them into DIR.

    A cut download goes on where it stopped. Datasets that need a login cannot be fetched.
    """
    from harness.cli.console import progress
    from harness.datasets.catalogue import find_dataset
    from harness.datasets.fetch import download
    from harness.datasets.unpack import unpack

    dataset = find_dataset(key)
    archives = _pinned(dataset, _given(digests))
    for archive in archives:
        with progress() as update:

            def count(done: int, total: int, what: str = f"{archive.name}, MiB") -> None:
                update(what, done >> 20, max(total, done + 1) >> 20)

            path = download(archive, folder, count)
        unpacked = unpack(path, folder)
        click.echo(f"{path}: SHA-256 as pinned; unpacked {', '.join(unpacked)}")
    if dataset.note:
        click.echo(dataset.note)
    click.echo(f"Next: remeasure data check {folder} --set {dataset.key}")


def _given(digests: Sequence[str]) -> dict[str, str]:
    from harness.errors import UsageError

    given: dict[str, str] = {}
    for each in digests:
        name, equals, digest = each.partition("=")
        if not (name and equals and digest):
            raise UsageError(f"--sha256 {each}: expected FILE=HEX")
        given[name] = digest.lower()
    return given


def _pinned(dataset: Dataset, given: Mapping[str, str]) -> tuple[Archive, ...]:
    """Archives with a digest each: the known one, else the one given.

    Raises:
        UsageError: Nothing can be fetched, a file has no digest, or one is given for another file.
    """
    from dataclasses import replace

    from harness.errors import UsageError

    if not dataset.archives:
        login = "needs a login" if dataset.login else "has no address that can be relied on"
        raise UsageError(f"{dataset.key} {login} and cannot be fetched", f"Get it from {dataset.place}.")
    open_names = [archive.name for archive in dataset.archives if not archive.sha256]
    strange = [name for name in given if name not in open_names]
    if strange:
        expected = f"expected one of {', '.join(open_names)}" if open_names else "every file has its digest already"
        raise UsageError(f"--sha256 for {', '.join(strange)}: {expected}")
    lacking = [archive for archive in dataset.archives if not archive.sha256 and archive.name not in given]
    if lacking:
        options = " ".join(f"--sha256 {archive.name}=HEX" for archive in lacking)
        raise UsageError(
            f"{dataset.key}: no SHA-256 is known of {', '.join(archive.name for archive in lacking)}, so a download "
            "could not be told from a forgery",
            f"Get {' and '.join(archive.url for archive in lacking)} yourself, or give a digest you trust: {options}.",
        )
    return tuple(replace(archive, sha256=archive.sha256 or given[archive.name]) for archive in dataset.archives)


def _print_checked(folder: Path, datasets: Sequence[Dataset], found: Sequence[Checked]) -> None:
    from harness.cli.console import print_table

    rows = [
        (each.dataset, each.split, each.state.value, f"{each.images} of {each.release}", str(each.root))
        for each in found
    ]
    if rows:
        print_table(f"Datasets in {folder}", ("dataset", "split", "state", "images", "root"), rows)
    for each in found:
        if each.problems:
            click.echo(f"{each.dataset}/{each.split}: {each.problems}\n{each.remedy}".rstrip(), err=True)
    present = {each.dataset for each in found}
    if not present:
        known = ", ".join(dataset.key for dataset in datasets)
        click.echo(f"{folder}: holds none of {known}; remeasure data where KEY says how each must lie.", err=True)


def _description(dataset: Dataset) -> dict[str, object]:
    return {
        "key": dataset.key,
        "title": dataset.title,
        "place": dataset.place,
        "login": dataset.login,
        "terms": dataset.terms,
        "size": dataset.size,
        "layout": dataset.layout,
        "splits": {part.name: part.images for part in dataset.parts},
        "archives": [
            {"url": each.url, "sha256": each.sha256 or None, "bytes": each.size or None} for each in dataset.archives
        ],
        "note": dataset.note,
    }


def _lines(dataset: Dataset) -> list[str]:
    lines = [
        f"{dataset.key}: {dataset.title}",
        f"from      {dataset.place}" + (" (login)" if dataset.login else ""),
        f"terms     {dataset.terms}",
        f"download  {dataset.size}",
        f"splits    {', '.join(f'{part.name} {part.images}' for part in dataset.parts)}",
        *(f"{'layout' if index == 0 else '':8}  {line}" for index, line in enumerate(dataset.layout)),
    ]
    for archive in dataset.archives:
        lines.append(f"fetch     {archive.url}")
        digest = f"{archive.sha256} (after {archive.origin})" if archive.sha256 else "not known: give it as --sha256"
        lines.append(f"  sha256  {digest}")
    return lines + ([f"note      {dataset.note}"] if dataset.note else [])
