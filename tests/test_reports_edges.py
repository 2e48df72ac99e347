"""Pages where something is missing, damaged, hostile or against the paper."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from html_checks import Page, problems
from report_samples import arrays_of, no_arrays, numbers
from scoring_samples import experiment, fill, joined, mini_paper

from harness.claims.load import load_paper
from harness.durations import duration
from harness.errors import StorageError
from harness.ledger.store import Ledger
from harness.reports.publish import publish_index
from harness.reports.render import index, page
from harness.reports.summary import summarise
from harness.wording.words import NOT_CITABLE

TESTS = Path(__file__).parent


def test_bytes_do_not_depend_on_the_order_of_hashes(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from hashlib import sha256; import sys\n"
        "from scoring_samples import *\n"
        "from harness.reports.render import page\n"
        "paper, ledger = mini_paper(Path(sys.argv[1])), Ledger(Path(sys.argv[1]) / 'ledger')\n"
        "scenes = experiment()\n"
        "fill(ledger, scenes, {'Plain': 0.4, 'Dilated': 0.3})\n"
        "html = page(joined(paper, ledger, scenes), lambda digest: {})\n"
        "assert 'torch' not in sys.modules\n"
        "print(sha256(html.encode()).hexdigest())\n"
    )
    digests = set()
    for seed in ("1", "2"):
        path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        command = [sys.executable, "-c", script, str(tmp_path)]
        digests.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(digests) == 1


HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}<img src=x onerror=alert(2)>"


def test_strings_of_a_claims_file_stay_strings(tmp_path: Path) -> None:
    bad = json.dumps(HOSTILE)
    toml = f"""
[paper]
key = "hostile"
title = {bad}
authors = [{bad}]
year = 2020
venue = {bad}
versions = [{bad}]
url = "javascript:alert(3)"
[sources]
text = {bad}
[table.t1]
section = {bad}
caption = {bad}
columns = [{{ id = "top1", title = {bad}, metric = "top1-error", dataset = {bad}, protocol = {bad}, unit = "%" }}]
rows."a" = ["30.0"]
rows."<b>b</b>" = ["31.0"]
[claim."s1/x"]
value = "5.0"
unit = "pp"
metric = "difference"
system = {bad}
section = {bad}
quote = {bad}
note = {bad}
[[relation]]
id = {json.dumps("summary " + HOSTILE)}
section = {bad}
quote = {bad}
universal = {bad}
left = "t1/a/top1"
op = "<"
right = "t1/b-b-b/top1"
unit = "%"
direction = "t1/a/top1 < t1/b-b-b/top1"
conclusion = {bad}
note = {bad}
[reference.other]
source = {bad}
kind = "authors"
note = {bad}
columns = [{{ beside = "t1/top1" }}]
rows."a" = ["29.0"]
[[fact]]
id = "f"
section = {bad}
value = {bad}
quote = {bad}
[absent]
"t1/c/top1" = {bad}
"""
    path = tmp_path / "claims.toml"
    path.write_text(toml, encoding="utf-8")
    results = joined(load_paper(path), Ledger(tmp_path / "ledger"))
    tree = Page(page(results, no_arrays))
    assert problems(tree) == []
    assert len(list(tree.all("script"))) == 1
    assert not list(tree.all("img"))
    assert not list(tree.all("b"))
    assert tree.text.count(HOSTILE) > 15
    assert Page(index([summarise(results)])).text.count(HOSTILE) > 1


def test_records_that_were_not_used_are_said_loudly(tmp_path: Path) -> None:
    paper, ledger = mini_paper(tmp_path), Ledger(tmp_path / "ledger")
    scenes = experiment()
    edited, *_ = fill(ledger, scenes, {"Plain": 0.4, "Dilated": 0.3})
    edited.path.write_text(edited.path.read_text().replace("12.5", "13.5"))
    fill(ledger, experiment("gone"), {"Plain": 0.4}, seeds=(0,))
    results = joined(paper, ledger, scenes)
    tree = Page(page(results, arrays_of(ledger)))
    alert = next(element for element in tree.all("div") if {"alert", "bad"} <= set(element.classes))
    assert "1 ledger record refused" in alert.text
    assert "1 record out of date" in alert.text
    listed = tree.by_id("provenance").text
    assert f"mini/scenes/{edited.path.name}" in listed
    assert str(tmp_path) not in tree.text
    assert results.stale[0][:12] in listed
    listing = Page(index([summarise(results)]))
    assert "refused" in listing.text
    assert problems(tree) == problems(listing) == []


def test_a_page_without_measurements_says_so(tmp_path: Path) -> None:
    results = joined(mini_paper(tmp_path), Ledger(tmp_path / "ledger"), experiment())
    tree = Page(page(results, no_arrays))
    assert problems(tree) == []
    assert "Nothing has been measured yet" in tree.text
    assert NOT_CITABLE not in tree.text
    assert "pictures" not in tree.ids()


def test_a_direction_against_the_paper_reads_as_one(tmp_path: Path) -> None:
    paper, ledger = mini_paper(tmp_path), Ledger(tmp_path / "ledger")
    scenes = experiment()
    fill(ledger, scenes, {"Plain": 0.2, "Dilated": 0.5, "Degridded": 0.5})
    results = joined(paper, ledger, scenes)
    statement = Page(page(results, no_arrays)).by_id("says/gain").text
    assert "✗ contradicts" in statement
    lead = next(v.difference for r in results.relations if r.relation.id == "gain" for v in r.measured)
    assert lead is not None
    assert any(abs(value + lead) <= 0.5 for value in numbers(statement)), "a lead against the paper is below zero"
    assert any("contradicted in “Scenes”" in item.text for item in summarise(results).fails)


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    results = joined(mini_paper(tmp_path), Ledger(tmp_path / "ledger"))
    (tmp_path / "site").write_text("in the way")
    with pytest.raises(StorageError, match="site"):
        publish_index([summarise(results)], (), tmp_path / "site")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.84, "0.8 s"), (44.4, "44 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 5 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_partial_measurement_does_not_look_whole(tmp_path: Path) -> None:
    paper, ledger = mini_paper(tmp_path), Ledger(tmp_path / "ledger")
    scenes = experiment()
    fill(ledger, scenes, {"Plain": 0.4})
    fill(ledger, scenes, {"Dilated": 0.3}, seeds=(0,))
    results = joined(paper, ledger, scenes)
    tree = Page(page(results, no_arrays))
    alerts = [element.text for element in tree.all("div") if "alert" in element.classes]
    assert any("Partial" in text and "wait for measurements" in text for text in alerts)
    assert any("Plain: 0, 1, 2; Dilated: 0" in text for text in alerts)
    assert scenes.command in tree.by_id("missing").text
