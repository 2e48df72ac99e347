"""A record explained: found by what a user types, beside the claim it is about, on the terminal and on the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from html_checks import Page, problems
from ledger_samples import sample_record
from numpy.typing import NDArray
from scoring_samples import TOML, classified, experiment, fill, joined, located, record_of, segmented
from test_cli import loaded_modules, remeasure

from harness.claims.load import load_paper
from harness.claims.model import Paper
from harness.errors import ExitCode, LedgerError, UsageError
from harness.ledger.record import Data
from harness.ledger.store import Ledger, Stored
from harness.metrics.segmentation import AbsentClass, Averaging, mean_iou
from harness.reports.explain_text import drawing, sentences, table_rows
from harness.reports.explain_views import gap_views, shift_views
from harness.reports.render import page
from harness.scoring.explained import Explanation, chosen_claim, explain, explanations, reached, rescoring
from harness.scoring.lookup import find_record
from harness.statistics.evidence import Evidence
from harness.wording.words import NOT_CITABLE

CITYSCAPES = Data("cityscapes/val", "f" * 64, 0, 60)
SUBSET = experiment("subset", Evidence.SUBSET, recipe={"classes": ["background", "road", "car"]})


def uneven() -> dict[str, NDArray[Any]]:
    """Counts in which conventions differ: classes that images lack, and pixels outside the classes."""
    stream = np.random.default_rng(5)
    counts = stream.integers(0, 300, (60, 3, 4))
    counts[:, np.arange(3), np.arange(3)] *= 8
    counts[stream.random(60) < 0.4, 2, :] = 0
    return {"confusion": counts.astype(np.int32)}


def paper_with(printed: str, folder: Path) -> Paper:
    """Return the small paper with this mean IoU printed for Degridded."""
    path = folder / "claims.toml"
    text = TOML.replace('"50.0", "92.0", "68.0"', f'"50.0", "92.0", "{printed}"')
    assert printed in text
    path.write_text(text, encoding="utf-8")
    return load_paper(path)


def stored(folder: Path, arrays: dict[str, NDArray[Any]], system: str = "Degridded", **changes: Any) -> Stored:
    return Ledger(folder / "ledger").append(record_of(SUBSET, system, **{"data": CITYSCAPES, **changes}), arrays)


def explained(found: Stored, paper: Paper) -> tuple[Explanation, ...]:
    record = found.record
    return explanations(record, found.arrays(), "", paper, SUBSET)


def test_a_number_printed_by_another_rule_is_explained_by_it(tmp_path: Path) -> None:
    counts = uneven()["confusion"].astype(np.int64)
    printed = f"{100 * mean_iou(counts, AbsentClass.NAN_SKIP, Averaging.IMAGES):.3f}"
    (found,) = explained(stored(tmp_path, uneven()), paper_with(printed, tmp_path))
    assert found.gap is not None
    assert found.gap.claim.id == "t2/degridded/miou"
    (step,), (stage,) = found.gap.waterfall.steps, found.gap.stages
    assert (step.axis.key, step.option.key) == ("averaging", "images")
    assert found.gap.waterfall.unexplained == 0
    assert found.gap.start.value == pytest.approx(100 * mean_iou(counts))
    assert stage.change.interval is not None
    low, high = stage.change.interval
    assert low < step.after - step.before < high
    said = " ".join(sentences(found, part=True))
    assert "rounds to the print" in said
    assert "not what the authors did" in said
    assert "part of the claim" in said


def test_a_gap_that_no_convention_explains_is_said_to_be_one(tmp_path: Path) -> None:
    (found,) = explained(stored(tmp_path, uneven()), paper_with("99.9", tmp_path))
    assert found.gap is not None
    fall = found.gap.waterfall
    assert fall.unexplained is not None
    assert 0 < fall.unexplained < 1
    said = " ".join(sentences(found, part=False))
    assert f"{100 * fall.unexplained:.0f} % of the gap" in said
    assert found.gap.nearest is not None
    assert found.gap.nearest.survey.within == 0


def test_paired_intervals_are_narrower_than_the_scores_where_conventions_go_together(tmp_path: Path) -> None:
    (found,) = explained(stored(tmp_path, uneven()), paper_with("68.0", tmp_path))
    row = next(row for row in found.rows if row.option == "unaveraged")
    assert row.change.interval is not None
    assert row.score.interval is not None
    assert np.ptp(row.change.interval) < np.ptp(row.score.interval)
    usual = [row for row in found.rows if row.usual]
    assert len(usual) == len({row.axis for row in found.rows})
    assert all((row.change.value, row.change.interval) == (0, (0, 0)) for row in usual)


@pytest.mark.parametrize(
    "changes",
    [
        {"evidence": Evidence.SYNTHETIC},
        {"evidence": Evidence.SCALED_DOWN},
        {"complete": False},
        {"recipe": {"scale": "toy", "classes": ["background", "road", "car"]}},
        {"data": Data("camvid/test", "f" * 64, 0, 60)},
    ],
    ids=["synthetic", "scaled-down", "partial", "toy", "other images"],
)
def test_what_did_not_measure_the_claim_has_no_gap(changes: dict[str, Any], tmp_path: Path) -> None:
    paper = paper_with("68.0", tmp_path)
    found = stored(tmp_path, uneven(), **changes)
    (shown,) = explained(found, paper)
    assert shown.gap is None
    assert len(shown.rows) > 5
    assert reached(found.record, "Degridded", paper, SUBSET) == []
    with pytest.raises(UsageError, match="no gap that conventions explain"):
        chosen_claim(found.record, found.arrays(), "Degridded", paper, "t2/degridded/miou")


@pytest.mark.parametrize(
    ("id", "said"),
    [
        ("t2/degridded/mio", "no claim"),
        ("t2/plain/miou", "about Plain, the record about Degridded"),
        ("t1/degridded/top1", "the record's outcomes give miou"),
        ("t2/degridded/iou-sky", "about iou"),
        ("t1/degridded/params", "about parameters"),
    ],
)
def test_a_claim_that_the_record_is_not_about_is_refused(id: str, said: str, tmp_path: Path) -> None:
    found = stored(tmp_path, uneven())
    with pytest.raises(UsageError, match=said):
        chosen_claim(found.record, found.arrays(), "Degridded", paper_with("68.0", tmp_path), id)


def test_variants_over_the_same_images_are_ways_and_others_are_not(tmp_path: Path) -> None:
    base, other = located(0.4, 0), located(0.2, 1)
    recipe = {
        "variants": {"whole": "{system}, whole image", "listed": "{system}, listed images"},
        "boxes": {"a": {"thresholds": [0.1, 0.2]}},
    }
    arrays = {
        **base,
        "loc_sweep": np.stack([base["loc_iou"], other["loc_iou"]], axis=1),
        **{f"{name}.whole": values for name, values in other.items()},
        "loc_sweep.whole": np.stack([other["loc_iou"], base["loc_iou"]], axis=1),
        **{f"{name}.listed": values[:-3] for name, values in base.items()},
    }
    found = stored(tmp_path, arrays, recipe=recipe)
    (shown,) = explained(found, paper_with("68.0", tmp_path))
    scores = {(row.axis, row.option): row.score.value for row in shown.rows}
    assert {option for axis, option in scores if axis == "way"} == {"measured", "whole"}
    assert {option for axis, option in scores if axis == "threshold"} == {"measured", "tuned", "0.1", "0.2"}
    wrong = 100 * float(((other["loc_ranks"] >= 1) | (other["loc_iou"] <= 0.5)).mean())
    assert scores["way", "whole"] == pytest.approx(wrong)
    (alone,) = explanations(found.record, found.arrays(), "whole", None, None)
    assert next(row.score.value for row in alone.rows if row.usual) == pytest.approx(wrong)


def test_every_kind_of_outcome_is_explained(tmp_path: Path) -> None:
    arrays = {**uneven(), **classified(0.2, 0), **located(0.4, 0)}
    found = explained(stored(tmp_path, arrays), paper_with("68.0", tmp_path))
    assert [one.metric for one in found] == ["miou", "top1-localisation-error", "top1-error"]
    wrong = 100 * float((arrays["ranks"] >= 1).mean())
    assert next(row.score.value for row in found[2].rows if row.usual) == pytest.approx(wrong)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"seconds": np.ones(4)}, "keeps no counts"),
        ({"confusion": np.zeros((3, 2, 2), np.int32)}, r"\[N, K, K \+ 1\]"),
        ({"confusion": np.zeros((3, 2, 3), np.int32)}, "no score|give no miou"),
        ({"ranks": np.zeros((1,), np.uint16)}, "at least two images"),
        ({"loc_ranks": np.zeros(3, np.uint16), "loc_iou": np.zeros(4, np.float32)}, "do not belong together"),
    ],
)
def test_outcomes_that_cannot_be_scored_are_refused(arrays: dict[str, NDArray[Any]], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        explained(stored(tmp_path, arrays), paper_with("68.0", tmp_path))


def test_records_are_found_by_digest_path_and_name(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    variants = {"variants": {"crf": "{system} + CRF"}}
    kept = segmented(0.6, 0)
    both = {**kept, "confusion.crf": kept["confusion"] + 1}
    second = ledger.append(sample_record(1, recipe=variants), both)
    first = ledger.append(sample_record(0, recipe=variants, started="2025-01-01T00:00:00+00:00"), both)
    newest = ledger.append(sample_record(0, recipe=variants, started="2025-02-01T00:00:00+00:00"), both)
    assert find_record(ledger, first.digest).stored == first
    assert find_record(ledger, second.digest[:10]).stored == second
    assert find_record(ledger, str(second.path)).stored == second
    assert find_record(ledger, "drn/scenes/DRN-C-26").stored == newest
    assert find_record(ledger, "drn/scenes/drn-c-26/1").stored == second
    refined = find_record(ledger, "drn/scenes/DRN-C-26 + CRF")
    assert (refined.stored, refined.suffix, refined.system) == (newest, "crf", "DRN-C-26 + CRF")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("0000000", "0 records"),
        ("nowhere.json", "does not exist"),
        ("DRN-C-26", "names no record"),
        ("drn/scenes", "names no record"),
        ("drn/imagenet/DRN-C-26", "no record of drn/imagenet"),
        ("drn/scenes/DRN-C-62", "Did you mean DRN-C-26"),
        ("drn/scenes/DRN-C-26/7", "with seed 7"),
    ],
)
def test_an_unknown_record_is_a_usage_error(wanted: str, said: str, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(sample_record(0), {})
    with pytest.raises(UsageError) as caught:
        find_record(ledger, wanted)
    assert said in str(caught.value)


def test_an_ambiguous_digest_and_an_edited_record_are_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    made = [ledger.append(sample_record(seed), {}) for seed in range(2)]
    folder = made[0].path.parent
    for place, one in enumerate(made):
        one.path.rename(folder / f"abcdef{place}000000000.json")
    with pytest.raises(UsageError, match="2 records"):
        find_record(ledger, "abcdef")
    with pytest.raises(LedgerError, match="edited or damaged"):
        find_record(ledger, "abcdef0")


def test_text_and_drawing_show_every_level(tmp_path: Path) -> None:
    (found,) = explained(stored(tmp_path, uneven()), paper_with("99.9", tmp_path))
    assert found.gap is not None
    lines = drawing(found.gap)
    assert len(lines) == 2 + len(found.gap.waterfall.steps)
    assert lines[0].startswith("ours")
    assert lines[-1].startswith("printed (t2/degridded/miou)")
    assert len({line.index("  ", 1) for line in lines}) >= 1
    rows = table_rows(found)
    assert len(rows) == len(found.rows)
    assert sum("ours" in row[-1] for row in rows) == len({row.axis for row in found.rows})


@pytest.fixture(scope="module")
def cli_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of the drn paper: one record of Cityscapes images, one synthetic, one of timings."""
    folder = tmp_path_factory.mktemp("cli")
    ledger = Ledger(folder / "ledger")
    classes = {"classes": ["background", "road", "car"]}
    data = {"data": CITYSCAPES, "recipe": classes}
    ledger.append(sample_record(0, evidence=Evidence.SUBSET, **data), uneven())
    ledger.append(sample_record(0, system="DRN-A-18", recipe=classes), uneven())
    ledger.append(sample_record(0, experiment="throughput", evidence=Evidence.TIMING), {"seconds": np.ones(5)})
    return folder


def test_the_command_explains_the_claim_that_a_record_reaches(cli_ledger: Path) -> None:
    done = remeasure("explain", "drn/scenes/DRN-C-26", "--ledger", "ledger", cwd=cli_ledger)
    assert done.returncode == ExitCode.OK, done.stderr
    assert NOT_CITABLE not in done.stdout
    assert re.search(r"^printed \(t\d/drn-c-26/[a-z-]+\)", done.stdout, re.MULTILINE)
    assert "by chance" in done.stdout


def test_the_command_as_json_is_the_whole_explanation(cli_ledger: Path) -> None:
    done = remeasure("explain", "drn/scenes/DRN-A-18", "--json", "--ledger", "ledger", cwd=cli_ledger)
    assert done.returncode == ExitCode.OK, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["warning"] == NOT_CITABLE
    assert found["gap"] is None
    counts = uneven()["confusion"].astype(np.int64)
    shown = {(row["axis"], row["option"]): row["score"]["value"] for row in found["conventions"]}
    assert shown["averaging", "pairs"] == pytest.approx(100 * mean_iou(counts, averaging=Averaging.PAIRS))
    assert shown["absent", "nan-skip"] == pytest.approx(100 * mean_iou(counts))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("drn/scenes/DRN-A-18", "--claim", "t1/drn-a-18/top1-1crop"), ExitCode.USAGE, "the record's outcomes give"),
        (("drn/throughput/DRN-C-26",), ExitCode.USAGE, "keeps no counts"),
        (("beef123",), ExitCode.USAGE, "0 records"),
        (("drn/scenes/DRN-C-26", "--views", "nowhere"), ExitCode.USAGE, "names no evaluation protocol"),
    ],
    ids=["claim", "timing", "digest", "views"],
)
def test_mistakes_get_one_message(arguments: tuple[str, ...], code: ExitCode, said: str, cli_ledger: Path) -> None:
    done = remeasure("explain", *arguments, "--ledger", "ledger", cwd=cli_ledger)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_views_the_command_needs_no_torch_and_marks_what_is_synthetic(cli_ledger: Path) -> None:
    modules = loaded_modules("explain", "drn/scenes/DRN-A-18", "--ledger", "ledger", cwd=cli_ledger)
    assert "harness.explain.rescore" in modules
    assert "torch" not in modules
    done = remeasure("explain", "drn/scenes/DRN-A-18", "--ledger", "ledger", cwd=cli_ledger)
    assert done.stdout.count(NOT_CITABLE) >= 2


def test_the_page_has_a_waterfall_for_a_measured_claim_and_shifts_for_the_rest(tmp_path: Path) -> None:
    paper, ledger = paper_with("68.0", tmp_path), Ledger(tmp_path / "ledger")
    scenes = experiment(recipe=SUBSET.recipe)
    for seed in range(2):
        for system, skill in {"Plain": 0.5, "Dilated": 0.6, "Degridded": 0.7}.items():
            ledger.append(record_of(scenes, system, seed), segmented(skill, seed))
    ledger.append(record_of(SUBSET, "Degridded", data=CITYSCAPES), uneven())
    results = joined(paper, ledger, scenes, SUBSET)
    kept = {one.digest: one for one in ledger.records()}
    (gap,) = gap_views(results, lambda digest: kept[digest].arrays())
    (shift,) = shift_views(results, lambda digest: kept[digest].arrays())
    assert (gap.claim, shift.experiment, shift.systems) == ("t2/degridded/miou", "scenes", 3)
    tree = Page(page(results, lambda digest: kept[digest].arrays()))
    assert problems(tree) == []
    section = tree.by_id("conventions")
    bars = [rect for rect in section.all("rect") if "fall" in rect.classes]
    assert len(bars) == len(gap.levels)
    assert all(sentence in section.text for sentence in gap.sentences)
    assert NOT_CITABLE in section.text
    watermarked = [e for e in section.all("div") if "watermarked" in e.classes]
    assert len(watermarked) == 1, "the subset's waterfall is real, the scenes' shifts are not"


def test_bars_of_the_waterfall_join(tmp_path: Path) -> None:
    paper, ledger = paper_with("99.9", tmp_path), Ledger(tmp_path / "ledger")
    ledger.append(record_of(SUBSET, "Degridded", data=CITYSCAPES), uneven())
    results = joined(paper, ledger, SUBSET)
    kept = {one.digest: one for one in ledger.records()}
    (gap,) = gap_views(results, lambda digest: kept[digest].arrays())
    spans, levels = [], []
    for shown in gap.levels:
        drawn = Page(str(shown.track))
        rect = next(drawn.all("rect"))
        start, width = (float(rect.attributes[name].rstrip("%")) for name in ("x", "width"))
        spans.append((start, start + width))
        line = next(one for one in drawn.all("line") if "level" in one.classes)
        levels.append(float(line.attributes["x1"].rstrip("%")))
    for before, after, span in zip([levels[0], *levels], levels, spans, strict=False):
        assert span == pytest.approx(tuple(sorted((before, after))), abs=0.02)


def test_shifts_are_those_of_the_metrics_and_count_swapped_pairs(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    scenes = experiment(recipe=SUBSET.recipe, seeds=(0,))
    even, lopsided = segmented(0.7, 0)["confusion"], uneven()["confusion"]
    for system, counts in {"Plain": even, "Dilated": lopsided}.items():
        ledger.append(record_of(scenes, system), {"confusion": counts})
    results = joined(paper_with("68.0", tmp_path), ledger, scenes)
    kept = {one.digest: one for one in ledger.records()}
    (shift,) = shift_views(results, lambda digest: kept[digest].arrays())
    usual = [100 * mean_iou(counts.astype(np.int64)) for counts in (even, lopsided)]
    pairs = [100 * mean_iou(c.astype(np.int64), averaging=Averaging.PAIRS) for c in (even, lopsided)]
    mean = np.mean(np.subtract(pairs, usual))
    row = next(row for row in shift.rows if "pairs" in row.words)
    assert float(row.mean.replace("−", "-")) == pytest.approx(mean, abs=0.051)
    assert row.swapped == ((usual[0] - usual[1]) * (pairs[0] - pairs[1]) < 0)
    assert shift.pairs == 1


def test_reports_without_counts_have_no_such_section(tmp_path: Path) -> None:
    paper, ledger = paper_with("68.0", tmp_path), Ledger(tmp_path / "ledger")
    scenes = experiment()
    fill(ledger, scenes, {"Plain": 0.4})
    results = joined(paper, ledger, scenes)
    kept = {one.digest: one for one in ledger.records()}
    html = page(results, lambda digest: kept[digest].arrays())
    assert 'id="conventions"' not in html
    assert "#conventions" not in html


def test_other_claims_of_the_same_number_are_named(tmp_path: Path) -> None:
    paper = paper_with("68.0", tmp_path)
    first = paper.claims["t2/degridded/miou"]
    twice = replace(paper, claims={**paper.claims, "s9/again": replace(first, id="s9/again")})
    (found,) = explained(stored(tmp_path, uneven()), twice)
    assert found.others == ("s9/again",)


def test_a_fraction_is_explained_in_percent(tmp_path: Path) -> None:
    paper = paper_with("68.0", tmp_path)
    percent = paper.claims["t2/degridded/miou"]
    fraction = replace(percent, printed=type(percent.printed)("0.680"), unit="fraction")
    found = stored(tmp_path, uneven())
    scoring = rescoring(found.record, found.arrays(), "miou")
    one, other = (explain(scoring, "miou", claim).gap for claim in (percent, fraction))
    assert one is not None
    assert other is not None
    assert one.waterfall == other.waterfall
