"""Options are checked before any work begins; the environment is described."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace
from tiny_paper import experiments

from harness.durations import duration
from harness.errors import UsageError
from harness.experiment import Options
from harness.runner.environment import environment, processor, same_machine
from harness.runner.options import find_device, select, settle


@pytest.mark.parametrize("seeds", [0, -1])
def test_there_must_be_a_seed(seeds: int) -> None:
    with pytest.raises(UsageError, match=f"seeds is {seeds}"):
        settle(Options(device="cpu", seeds=seeds))


@pytest.mark.parametrize("budget", [0.0, -3.0, math.nan, math.inf])
def test_there_must_be_time(budget: float) -> None:
    with pytest.raises(UsageError, match="budget is"):
        settle(Options(device="cpu", budget=budget))


def test_devices() -> None:
    assert find_device("cpu") == "cpu"
    assert settle(Options()).device == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        find_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="no CUDA device"):
            find_device("cuda")


def names(only: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {experiment.key: experiment.systems for experiment in select(experiments(Options()), only)}


def test_only_names_systems_and_experiments() -> None:
    assert names(()) == {"clouds": ("Narrow", "Wide"), "exact": ("Narrow",)}
    assert names(("Wide",)) == {"clouds": ("Wide",)}
    assert names(("exact",)) == {"exact": ("Narrow",)}
    assert names(("clouds", "Narrow")) == {"clouds": ("Narrow",)}
    assert names(("Narrow",)) == {"clouds": ("Narrow",), "exact": ("Narrow",)}


def test_only_must_name_something() -> None:
    with pytest.raises(UsageError, match="unknown system or experiment 'Narow'") as caught:
        names(("Narow",))
    assert caught.value.remedy == "Did you mean Narrow?"
    with pytest.raises(UsageError, match="zzz") as caught:
        names(("zzz",))
    assert "Narrow, Wide, clouds, exact" in caught.value.remedy
    with pytest.raises(UsageError, match="no experiment measures exact and Wide together"):
        names(("exact", "Wide"))


def test_the_environment_is_this_one() -> None:
    here = environment("cpu")
    assert here.device == "cpu"
    assert here.threads == torch.get_num_threads()
    assert here.packages["torch"] == torch.__version__.split("+")[0]
    assert here.processor
    assert same_machine(here, environment("cpu"))
    assert not same_machine(here, replace(here, threads=here.threads + 1))


def test_the_processor_is_named_as_the_system_names_it(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2: GHz\n\nprocessor\t: 1\nmodel name\t: Other\n")
    assert processor(cpuinfo) == "Some CPU @ 2: GHz"
    assert processor(tmp_path / "missing")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3599.6, "1 h"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
