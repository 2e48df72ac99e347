"""Pages are rendered again where something they show has changed, and only there."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from scoring_samples import TOML, classified, experiment, fill, record_of

import harness
from harness.claims.load import load_paper
from harness.experiment import Experiment
from harness.files import digest_at
from harness.ledger.store import Ledger
from harness.reports.publish import Declaration, Source, brief, publish, publish_index
from harness.reports.site import Rendered, write

SCENES = experiment(title="Trained on scenes")


@dataclass
class Desk:
    """A paper's folder, a ledger, a site, and how often the paper was loaded to be rendered."""

    folder: Path
    settings: str = ""
    loads: list[str] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.folder / "ledger")

    @property
    def site(self) -> Path:
        return self.folder / "site"

    @property
    def claims(self) -> Path:
        return self.folder / "mini" / "claims.toml"

    @property
    def source(self) -> Source:
        return Source("mini", self.claims.parent, self._load, self.settings)

    def publish(self) -> Rendered:
        return publish(self.source, self.ledger, self.site, memory=self.folder / "memory")

    def _load(self) -> Declaration:
        self.loads.append("mini")
        experiments: tuple[Experiment, ...] = (SCENES,)
        return load_paper(self.claims), experiments


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.claims.parent.mkdir()
    desk.claims.write_text(TOML)
    fill(desk.ledger, SCENES, {"Plain": 0.4, "Dilated": 0.3}, seeds=(0, 1))
    desk.publish()
    return desk


def contents(desk: Desk) -> dict[str, bytes]:
    return {path.relative_to(desk.site).as_posix(): path.read_bytes() for path in desk.site.rglob("*.*")}


def new_record(desk: Desk) -> None:
    desk.ledger.append(record_of(SCENES, "Degridded"), classified(0.2, 0))


def damaged_arrays(desk: Desk) -> None:
    next(desk.ledger.root.rglob("*.npz")).write_bytes(b"damaged")


def damaged_record(desk: Desk) -> None:
    path = next(desk.ledger.root.rglob("*.json"))
    path.write_text(path.read_text().replace("12.5", "12.6"))


def lost_record(desk: Desk) -> None:
    next(desk.ledger.root.rglob("*.json")).unlink()


def other_claims(desk: Desk) -> None:
    desk.claims.write_text(TOML.replace("25.0", "25.1"))


def another_module(desk: Desk) -> None:
    (desk.claims.parent / "experiments.py").write_text("DEPTH = 18\n")


def other_settings(desk: Desk) -> None:
    desk.settings = "Options(seeds=1)"


def edited_page(desk: Desk) -> None:
    (desk.site / "mini" / "index.html").write_text("edited")


def lost_page(desk: Desk) -> None:
    next((desk.site / "mini" / "claims").rglob("*.html")).unlink()


def lost_memory(desk: Desk) -> None:
    for note in (desk.folder / "memory").rglob("*.json"):
        note.write_text("{")


CHANGES = (
    *(new_record, damaged_arrays, damaged_record, lost_record, other_claims, another_module, other_settings),
    *(edited_page, lost_page, lost_memory),
)


def test_nothing_is_done_where_nothing_changed(desk: Desk) -> None:
    before = contents(desk)
    stamps = {path: path.stat().st_mtime_ns for path in desk.site.rglob("*.*")}
    first = desk.publish()
    assert desk.loads == ["mini"]
    assert contents(desk) == before
    assert {path: path.stat().st_mtime_ns for path in desk.site.rglob("*.*")} == stamps
    assert brief(desk.source, desk.ledger, desk.site, memory=desk.folder / "memory") == first.summary
    assert desk.loads == ["mini"]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_a_page_depends_on_makes_it_new(desk: Desk, change: Callable[[Desk], None]) -> None:
    change(desk)
    desk.publish()
    assert desk.loads == ["mini", "mini"]
    elsewhere = publish(desk.source, desk.ledger, desk.folder / "other", memory=desk.folder / "other-memory")
    assert {path: (desk.folder / "other" / path).read_bytes() for path in elsewhere.pages} == contents(desk)
    desk.publish()
    assert len(desk.loads) == 3


def test_only_pages_that_differ_are_written(desk: Desk) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in desk.site.rglob("*.*")}
    other_claims(desk)
    desk.publish()
    written = {
        path.relative_to(desk.site).as_posix() for path, then in stamps.items() if path.stat().st_mtime_ns != then
    }
    assert "mini/claims/t1/dilated/top1.html" in written
    assert "mini/claims/t2/plain/loc.html" not in written


def test_the_page_of_a_claim_that_is_gone_goes_too(desk: Desk) -> None:
    kept = desk.site / "mini" / "notes.txt"
    kept.write_text("not ours")
    gone = desk.site / "mini" / "claims" / "s1" / "crop.html"
    assert gone.is_file()
    text = TOML.replace('[claim."s1/crop"]', '[claim."s1/side"]')
    desk.claims.write_text(text)
    desk.publish()
    assert not gone.exists()
    assert gone.with_name("side.html").is_file()
    assert kept.read_text() == "not ours"


def test_a_page_that_a_later_version_no_longer_writes_goes_too(desk: Desk) -> None:
    summary, memory = desk.publish().summary, desk.folder / "memory"
    pages = {"mini/index.html": b"page", "mini/gone.html": b"page"}
    write("mini", "one version", pages, summary, (), desk.site, memory)
    assert (desk.site / "mini" / "gone.html").is_file()
    write("mini", "the next", {"mini/index.html": b"page"}, summary, (), desk.site, memory)
    assert [path.name for path in (desk.site / "mini").rglob("*.html") if path.read_bytes() == b"page"] == [
        "index.html"
    ]


def test_what_another_process_is_writing_is_left_alone(desk: Desk) -> None:
    page = desk.site / "mini" / "claims" / "s1" / ".crop.html.0a1b2c.tmp"
    record = next(desk.ledger.root.rglob("*.json")).parent / ".0123456789abcdef.json.0a1b2c.tmp"
    for path in (page, record):
        path.write_text("half a pa")
    desk.publish()
    assert desk.loads == ["mini"]
    other_claims(desk)
    desk.publish()
    assert page.is_file()
    for path in (page, record):
        os.utime(path, (0, 0))
    lost_page(desk)
    desk.publish()
    assert not page.exists()


def test_another_remeasure_renders_again(tmp_path: Path) -> None:
    shutil.copytree(Path(harness.__file__).parent, tmp_path / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    code = "from pathlib import Path; from harness.reports.inputs import inputs_of as f; print(f(Path('a'), Path('b')))"

    def inputs() -> str:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True
        ).stdout.decode()

    before = inputs()
    assert inputs() == before, "compiled files are no input"
    style = tmp_path / "harness" / "reports" / "templates" / "style.css"
    style.write_bytes(style.read_bytes() + b"\n")
    assert inputs() != before


def test_a_file_that_is_gone_meanwhile_is_another_input_and_no_error(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert digest_at(path) == ""
    path.write_bytes(b"")
    assert digest_at(path) == hashlib.sha256().hexdigest()


def test_what_was_refused_is_named_every_time(desk: Desk) -> None:
    damaged_record(desk)
    first, again = desk.publish(), desk.publish()
    assert len(desk.loads) == 2
    assert len(first.refused) == 1
    assert again == first


def test_the_index_lists_what_was_remembered(desk: Desk) -> None:
    publish_index([desk.publish().summary], ("broken",), desk.site)
    text = (desk.site / "index.html").read_text(encoding="utf-8")
    assert 'href="mini/index.html"' in text
    assert "broken" in text
    assert (desk.site / ".nojekyll").is_file()
