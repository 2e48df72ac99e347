"""``.eval_results``, read by the Hub's own library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from export_samples import RELEASED, SITE, URL, recorded, sample, strict_json
from huggingface_hub._eval_results import EvalResultEntry, eval_result_entries_to_yaml, parse_eval_result_entries

from harness.claims.papers import packages
from harness.errors import UsageError
from harness.exports.eval_results import eval_results, left_out
from harness.exports.hub import HUB, data_set, read_hub
from harness.statistics.evidence import Evidence

EVERYWHERE = read_hub(
    tuple(
        f"{name}=someone/{name}"
        for name in (
            *("camvid", "cityscapes", "cityscapes-pre-release", "kitti-road", "kitti-ros"),
            *("pascal-context", "pascal-person-part", "voc2012"),
        )
    )
)


def entries(content: bytes) -> list[EvalResultEntry]:
    return parse_eval_result_entries(yaml.safe_load(content))


@pytest.mark.parametrize("key", sorted(packages()))
def test_the_library_writes_what_it_read(key: str) -> None:
    results = recorded(key)
    files = eval_results(results, hub=EVERYWHERE, site=SITE)
    assert files
    assert left_out(results, EVERYWHERE) == ()
    for content in files.values():
        written = yaml.safe_load(content)
        assert eval_result_entries_to_yaml(entries(content)) == written
        assert strict_json(json.dumps(written)) == written
        tasks = [(entry.dataset_id, entry.task_id) for entry in entries(content)]
        assert len(tasks) == len(set(tasks))


def test_a_task_shows_the_citable_measurement_and_otherwise_the_print_as_the_papers(tmp_path: Path) -> None:
    results, _ = sample(tmp_path)
    files = eval_results(results, site=SITE)
    path = ".eval_results/ilsvrc-imagenet-1k.yaml"
    assert set(files) == {f"mini/{system}/{path}" for system in ("plain", "dilated", "degridded")}
    for system, content in ((name.split("/")[1], content) for name, content in files.items()):
        shown = {entry.task_id: entry for entry in entries(content)}
        top1 = shown["val-top1-error-1-crop"]
        measured = system in {name.lower() for name in RELEASED}
        assert top1.source_url == (f"{SITE}mini/index.html" if measured else URL)
        assert (top1.date is not None) == measured
        others = [entry for task, entry in shown.items() if task != "val-top1-error-1-crop"]
        assert len(others) == 2
        for entry in others:
            assert entry.source_url == URL
            assert entry.date is None
            assert "claimed in the paper" in str(entry.notes)
    plain = {entry.task_id: entry for entry in entries(files[f"mini/plain/{path}"])}["val-top1-error-1-crop"]
    (row,) = [row for row in results.claims if row.claim.id == "t1/plain/top1"]
    assert plain.value == pytest.approx(row.measurements[0].estimate)
    assert all(part in str(plain.notes) for part in ("released-weights", "400 images", "claims 30.0", "bilinear"))
    assert all(digest in str(plain.notes) for digest in row.measurements[0].records)


@pytest.mark.parametrize("evidence", [Evidence.SYNTHETIC, Evidence.SCALED_DOWN, Evidence.SUBSET, Evidence.TIMING])
def test_what_may_not_be_cited_is_never_shown(evidence: Evidence, tmp_path: Path) -> None:
    results, _ = sample(tmp_path, evidence)
    shown = [entry for content in eval_results(results, site=SITE).values() for entry in entries(content)]
    assert {entry.source_url for entry in shown} == {URL}
    assert all("claimed in the paper" in str(entry.notes) for entry in shown)


def test_scores_on_data_sets_without_a_repository_are_left_out_and_named(tmp_path: Path) -> None:
    results, _ = sample(tmp_path)
    assert left_out(results) == ("cityscapes",)
    named = read_hub(("cityscapes=someone/cityscapes",))
    assert left_out(results, named) == ()
    assert "mini/plain/.eval_results/someone-cityscapes.yaml" in eval_results(results, hub=named)


@pytest.mark.parametrize(
    "pair", ["cityscapes", "cityscapes=", "=a/b", "cityscapes=someone", "cityscapes=a/b/c", "x=/b"]
)
def test_a_repository_is_owner_and_data_set(pair: str) -> None:
    with pytest.raises(UsageError, match="not NAME=OWNER/DATASET"):
        read_hub((pair,))


def test_a_data_set_is_named_as_its_authors_repository() -> None:
    assert data_set("imagenet/val").repository == HUB["imagenet"]
    assert data_set("imagenet/val").hub_split == "validation"
    assert data_set("voc2012/test").type == "voc2012"
