"""Model cards, read by the Hub's own library."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from export_samples import RELEASED, RESIZED, SITE, URL, recorded, sample, strict_json
from huggingface_hub import ModelCard
from huggingface_hub.repocard import metadata_eval_result
from huggingface_hub.repocard_data import EvalResult, eval_results_to_model_index, model_index_to_eval_results
from hypothesis import given
from hypothesis import strategies as st

from harness.claims.papers import packages
from harness.claims.vocabulary import Quantity
from harness.exports.model_index import model_cards
from harness.exports.scores import DIGITS, folders, portable
from harness.statistics.evidence import Evidence


def read(content: bytes) -> tuple[str, list[EvalResult]]:
    """Return a card's model and results as the Hub's library reads them."""
    card = ModelCard(content.decode())
    results = card.data.eval_results
    assert results is not None
    return str(card.data.model_name), results


def front_matter(content: bytes) -> Any:
    return yaml.safe_load(content.decode().split("---\n")[1])


@pytest.mark.parametrize("key", sorted(packages()))
def test_every_score_that_a_paper_prints_is_read_back_as_the_papers(key: str) -> None:
    results = recorded(key)
    cards = model_cards(results)
    read_back = {
        (name, one.metric_args["claim"]): one
        for content in cards.values()
        for name, found in [read(content)]
        for one in found
        if "evidence" not in one.metric_args
    }
    wanted = {
        (claim.system, claim.id): claim
        for claim in results.paper.claims.values()
        if claim.dataset and claim.definition.quantity in (Quantity.PROPORTION, Quantity.SCORE)
    }
    assert read_back
    assert set(read_back) <= set(wanted)
    for address, one in read_back.items():
        claim = wanted[address]
        assert Fraction(str(one.metric_value)) == Fraction(claim.printed.text)
        assert (one.source_url, one.verified) == (results.paper.url, None)
        assert "claimed in the paper" in str(one.source_name)
        assert one.dataset_split in (str(claim.dataset).partition("/")[2], "validation")
    printed = {(claim.system, claim.metric, claim.dataset, Fraction(claim.printed.text)) for claim in wanted.values()}
    assert len({name for name, _ in read_back}) == len(cards)
    assert {
        (address[0], wanted[address].metric, wanted[address].dataset, Fraction(str(one.metric_value)))
        for address, one in read_back.items()
    } == printed


def test_the_library_writes_what_it_read(tmp_path: Path) -> None:
    results, _ = sample(tmp_path)
    for content in model_cards(results, site=SITE).values():
        (written,) = front_matter(content)["model-index"]
        name, found = model_index_to_eval_results([written])
        (again,) = eval_results_to_model_index(name, found)
        assert again == written


def test_a_number_and_its_measurement_keep_their_sources_when_the_library_rewrites_a_card(tmp_path: Path) -> None:
    results, _ = sample(tmp_path)
    card = ModelCard(model_cards(results, site=SITE)["mini/plain/README.md"].decode())
    rewritten = ModelCard(str(card)).data.eval_results
    assert rewritten is not None
    sources = {("evidence" in one.metric_args): one.source_url for one in rewritten}
    assert sources == {True: f"{SITE}mini/index.html", False: URL}
    (measured,) = [one for one in rewritten if "evidence" in one.metric_args]
    (estimate,) = [row.measurements[0] for row in results.claims if row.claim.id == "t1/plain/top1"]
    assert measured.metric_value == pytest.approx(estimate.estimate)
    assert measured.metric_args["low"] < measured.metric_value < measured.metric_args["high"]
    assert measured.metric_args["images"] == 400
    assert measured.metric_args["records"] == list(estimate.records)
    assert RESIZED.ours in measured.metric_args["deviations"][0]


@pytest.mark.parametrize("evidence", [Evidence.SYNTHETIC, Evidence.SCALED_DOWN, Evidence.SUBSET, Evidence.TIMING])
def test_what_may_not_be_cited_is_never_a_result(evidence: Evidence, tmp_path: Path) -> None:
    results, _ = sample(tmp_path, evidence)
    cards = model_cards(results, site=SITE)
    assert {one.source_url for content in cards.values() for one in read(content)[1]} == {URL}
    assert all(evidence.value not in content.decode() for content in cards.values())


def test_what_was_measured_has_no_source_where_no_report_is_published(tmp_path: Path) -> None:
    results, _ = sample(tmp_path)
    for system in RELEASED:
        _, found = read(model_cards(results)[f"mini/{system.lower()}/README.md"])
        assert {one.source_url for one in found if "evidence" in one.metric_args} == {None}


def test_a_card_shows_both_numbers_in_one_row_that_markdown_cannot_tear(tmp_path: Path) -> None:
    results, _ = sample(tmp_path)
    text = model_cards(results)["mini/plain/README.md"].decode()
    (row,) = [line for line in text.splitlines() if "t1/plain/top1)" in line]
    assert "30.0 (Table 1, t1/plain/top1)" in row
    assert "released-weights" in row
    assert {line.count(" | ") for line in text.splitlines() if line.startswith("| ")} == {7}


def test_a_result_is_what_the_library_itself_would_make_of_it(tmp_path: Path) -> None:
    results, _ = sample(tmp_path)
    (one,) = (one for one in read(model_cards(results)["mini/degridded/README.md"])[1] if one.metric_type == "mean_iou")
    made = metadata_eval_result(
        model_pretty_name="Degridded",
        task_pretty_name="semantic segmentation",
        task_id="image-segmentation",
        metrics_pretty_name="mean IoU, %, as printed in the paper",
        metrics_id="mean_iou",
        metrics_value=68.0,
        dataset_pretty_name="cityscapes (val)",
        dataset_id="cityscapes",
        dataset_split="validation",
    )
    (ours,) = eval_results_to_model_index("Degridded", [one])
    for part in ("task", "dataset"):
        assert ours["results"][0][part] == made["model-index"][0]["results"][0][part]
    (theirs,), (metric,) = made["model-index"][0]["results"][0]["metrics"], ours["results"][0]["metrics"]
    assert {name: metric[name] for name in ("type", "name", "value")} == {
        name: theirs[name] for name in ("type", "name", "value")
    }


def test_yaml_holds_plain_finite_values(tmp_path: Path) -> None:
    results, _ = sample(tmp_path)
    for content in model_cards(results).values():
        head = front_matter(content)
        assert strict_json(json.dumps(head)) == head


@given(st.lists(st.text(max_size=12), unique=True, max_size=30))
def test_every_system_has_a_folder_of_its_own_inside_the_papers(systems: list[str]) -> None:
    names = folders(systems)
    assert list(names) == systems
    assert len(set(names.values())) == len(systems)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.+_-]*", name) for name in names.values())
    assert folders(["A b", "a-b", "A+B"]) == {"A b": "a-b", "a-b": "a-b-2", "A+B": "a+b"}


@given(st.floats(min_value=1e-6, max_value=1e6), st.integers(0, 6))
def test_a_measured_number_keeps_the_digits_that_matter_and_a_print_all(value: float, decimals: int) -> None:
    assert portable(value) == pytest.approx(value, rel=1e-9)
    printed = f"{value:.{decimals}f}"
    assert f"{portable(float(printed)):.{decimals}f}" == printed or len(printed.replace(".", "")) > DIGITS
